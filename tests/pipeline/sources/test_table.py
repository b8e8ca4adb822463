"""The sources, their options, their documentation and the schema of the configuration file agree."""

import re
from datetime import UTC, date, datetime
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml

from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.datasets.source import SourceOptions, installed_sources, source_info
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.pipeline.sources.era5_land.derived import DERIVED_VARIABLES
from eo_pygeoapi.pipeline.sources.era5_land.variables import ERA5_LAND_VARIABLES
from tests.stack import CHECKOUT

OPTIONS = {name: source_info(name).options for name in installed_sources()}
DOCUMENT = (CHECKOUT / "docs" / "datasets.md").read_text()


def documented() -> dict[str, dict[str, tuple[str, str]]]:
    """Return default and meaning of every option in the table of the sources."""
    table = DOCUMENT.partition("## Sources")[2].partition("\n###")[0]
    found: dict[str, dict[str, tuple[str, str]]] = {}
    source = ""
    for line in table.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1] not in ("option", "---"):
            source = cells[0] or source
            found.setdefault(source, {})[cells[1]] = (cells[2], cells[3])
    return found


def test_all_of_them_know_the_same_sources() -> None:
    folders = {path.parent.name for path in (CHECKOUT / "eo_pygeoapi" / "pipeline" / "sources").glob("*/options.py")}
    assert set(OPTIONS) == set(documented()) == {folder.replace("_", "-") for folder in folders}


@pytest.mark.parametrize("source", list(OPTIONS))
def test_every_option_is_documented_with_its_default_and_values(source: str) -> None:
    rows, fields = documented()[source], OPTIONS[source].model_fields
    assert [field.alias or name for name, field in fields.items()] == list(rows)
    for name, field in fields.items():
        default, meaning = rows[field.alias or name]
        if get_origin(field.annotation) is Literal:
            assert default == (field.default or "–")
            assert set(get_args(field.annotation)) <= {"", *re.split(r"\W+", meaning)}


def test_every_option_of_a_request_is_an_option() -> None:
    for options in OPTIONS.values():
        aliases = {field.alias or name for name, field in options.model_fields.items()}
        assert set(options.requestable) <= aliases - {"href", "baseUrl"}


def test_variables_that_are_named_are_known() -> None:
    named = re.findall(r"`((?:\d+m_|total_|volumetric_|surface_)\w+)`", DOCUMENT)
    assert named and set(named) <= ERA5_LAND_VARIABLES.keys() | DERIVED_VARIABLES.keys()
    assert all(f"| `{name}` |" in DOCUMENT for name in DERIVED_VARIABLES)
    shorts = [variable.short for variable in ERA5_LAND_VARIABLES.values()]
    assert len(shorts) == len(set(shorts))


@pytest.mark.parametrize(
    ("variable", "units", "temporal"),
    [
        ("total_precipitation", {"from": "m", "to": "mm"}, "sum"),
        ("total_evaporation", {"from": "m", "to": "mm"}, "sum"),
        ("surface_solar_radiation_downwards", None, "sum"),
        ("2m_dewpoint_temperature", {"from": "K", "to": "degC"}, None),
        ("10m_u_component_of_wind", None, None),
        ("of_tomorrow", None, None),
    ],
)
def test_defaults_fit_the_variable(variable: str, units: Any, temporal: str | None) -> None:
    options: SourceOptions = OPTIONS["era5-land"].model_validate({"variable": variable})
    defaults = options.defaults()
    assert defaults.get("units") == units
    assert defaults.get("aggregation", {}).get("temporal") == temporal


# how many days after the last day that is asked for its data are there, at the latest
DELAYS = {"chirps3": 3, "era5-land": 6, "worldpop": -366}


def test_the_shipped_schedules_are_dry_runs_that_fit_the_delay_of_their_provider() -> None:
    datasets = load_datasets(CHECKOUT / "pygeoapi-config.yml")
    assert yaml.safe_load((CHECKOUT / "pygeoapi-config.yml").read_text())["resources"].keys() >= datasets.keys()
    scheduled = {dataset.source for dataset in datasets.values() if dataset.schedules}
    assert scheduled == {"chirps3", "era5-land", "worldpop"}
    for dataset in datasets.values():
        for schedule in dataset.schedules:
            day = {"0 6 15 1 *": 15, "0 5 7 * *": 7}.get(schedule.cron, 20)
            now = datetime(2026, 1, day, 6, tzinfo=UTC)
            execution = validate_inputs({**schedule.inputs, "datasetId": dataset.id}, datasets, now)
            assert execution.inputs.dry_run and "dryRun" in schedule.inputs
            assert periods_in(execution.interval, dataset.period_type)
            assert (now.date() - execution.interval.end).days >= DELAYS[dataset.source]


def test_the_shipped_schedules_reach_back_to_what_has_become_final() -> None:
    datasets = load_datasets(CHECKOUT / "pygeoapi-config.yml")

    def interval(id_: str, number: int, now: str) -> tuple[date, date]:
        inputs = {**datasets[id_].schedules[number].inputs, "datasetId": id_}
        found = validate_inputs(inputs, datasets, datetime.fromisoformat(f"{now}T06:00+00:00")).interval
        return found.start, found.end

    # whole months, the last of which is final since the day before
    for id_ in ("era5-land-temperature-daily", "era5-land-precipitation-daily"):
        assert interval(id_, 1, "2026-03-07") == (date(2025, 11, 1), date(2025, 12, 31))
    # on the 21st and the ten days after it, the month before is there from its first day
    assert interval("chirps3-daily", 0, "2026-08-31")[0] <= date(2026, 7, 1)
    assert interval("worldpop-yearly", 0, "2026-01-15") == (date(2026, 1, 1), date(2026, 12, 31))
