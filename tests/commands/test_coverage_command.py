"""`eo-pygeoapi coverage`, as people call it, without Prefect."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore
from tests.command_line import eo_pygeoapi
from tests.stack import base_config

UNITS = [CoverageUnit(id="bo", name="Bo", level=2), CoverageUnit(id="k", name="Kenema [east]", level=3)]
DAYS = ["2025-07-01", "2025-07-02"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("coverage")
    (found / "config.yml").write_text(yaml.safe_dump(base_config()))
    days = [day for day in DAYS for _ in UNITS]
    cells = {
        "orgUnit": [unit.id for unit in UNITS] * 2, "period": [day.replace("-", "") for day in days],
        "start": days, "end": days, "state": list("VVVO"), "reason": ["", "", "", "has no cell"],
    }  # fmt: skip
    CoverageTable(ResultStore(str(found / "results")), "sample-temperature").add_values(cells, UNITS, "job", "1")
    return found


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"EO_DATA_DIR": str(folder), "PREFECT_API_URL": ""}
    return eo_pygeoapi("coverage", *arguments, "--config", str(folder / "config.yml"), environment=own)


def test_each_unit_is_a_line_and_each_period_a_character(folder: Path) -> None:
    said = call(folder, "sample-temperature").stdout.splitlines()
    assert said[0] == "20250701 to 20250702: 2 periods, a character each"
    assert said[2:4] == ["Bo             VV", "Kenema [east]  VO"]
    assert said[5] == "V present, O left out"
    assert said[-1].split("  ")[0] == "left out" and "has no cell" in said[-1] and said[-1].endswith("20250702")


def test_it_is_had_as_json_and_csv_too(folder: Path) -> None:
    asked = ("sample-temperature", "--start", "2025-07-02", "--end", "2025-07-03", "--level", "3")
    found = json.loads(call(folder, *asked, "--json").stdout)
    assert (found["periods"], found["rows"]) == (["20250702", "20250703"], ["O", "-"])
    assert [why["reason"] for why in found["reasons"]] == ["has no cell"]
    assert call(folder, *asked, "--csv").stdout == "period,k\n20250702,O\n20250703,-\n"
    assert call(folder, *asked, "--reasons").stdout.splitlines()[1] == (
        "k,Kenema [east],20250702,20250702,O,left out,has no cell"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["rain"], 1, "there is no dataset 'rain' (there are: sample-temperature)"),
        (["sample-temperature", "--start", "July"], 1, "--start: 'July' is not allowed; allowed: a date such as"),
        (["sample-temperature", "--start", "2025-07-02", "--end", "2025-07-01"], 1, "an end that is not before"),
        (["sample-temperature", "--csv", "--json"], 2, "exclude each other"),
    ],
)
def test_mistakes_are_named(folder: Path, arguments: list[str], status: int, says: str) -> None:
    done = call(folder, *arguments)
    assert (done.returncode, says in " ".join(done.stderr.split())) == (status, True), done.stderr
