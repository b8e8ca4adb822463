"""The source of docs/sources.md, installed as a package of its own, through a whole job."""

import re
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.datasets.source import SourceInfo, SourceOptions
from tests.stack import Stack
from tests.standins.rivers import DOCUMENT, shown

MOST_LINES = 60


@pytest.mark.parametrize("name", [*vars(SourceOptions), *SourceInfo.__dataclass_fields__])
def test_the_page_names_all_that_a_source_can_say_of_itself(name: str) -> None:
    of_pydantic = name.startswith(("_", "model_")) or name in vars(Model)
    assert (
        of_pydantic or name in ("title", "source", "licence", "citation") or re.search(rf"`[^`]*\b{name}\b", DOCUMENT)
    )


def test_a_source_takes_no_more_than_sixty_lines() -> None:
    lines = [line for text in shown() for line in text.splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES


def test_a_job_has_the_values_of_a_source_from_another_package(scheduled: Stack) -> None:
    result = scheduled.result(datasetId="levels", start="2026-03-01", end="2026-03-03")
    assert (result["source"], result["rowCount"]) == ("River levels", 2)
    assert [(entry["period"], entry["reason"]) for entry in result["leftOut"]] == [("20260303", "not published")]
    values = {f["properties"]["period"]: f["properties"]["value"] for f in scheduled.features("levels")}
    assert values == {"20260301": 2.0, "20260302": 4.0}


def test_the_check_of_the_file_knows_its_options(scheduled: Stack, tmp_path: Path) -> None:
    written, config = yaml.safe_load(scheduled.config.read_text()), tmp_path / "wrong.yml"
    levels = written["resources"]["levels"]
    levels["eo"]["options"] = {"baseURL": "http://levels.example"}
    written["resources"] = {"levels": levels}  # alone, for a check asks what the others name
    config.write_text(yaml.safe_dump(written))
    checked = scheduled.command("check", "--config", str(config))
    assert checked.returncode == 1
    assert "resources.levels.eo.options.baseURL: is not known here; allowed: baseUrl" in checked.stderr + checked.stdout
