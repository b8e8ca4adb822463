"""Imports of datasets that name nothing of DHIS2 but the connection, and the look at one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.commands.dhis2.check import look
from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.datasets.block import Dataset, DatasetTarget
from eo_pygeoapi.pipeline.dhis2.checkup import Line
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from eo_pygeoapi.settings import Dhis2Connection
from tests.pipeline.dhis2.imports import connector, files, july
from tests.pipeline.made import dataset
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import DAILY, default_metadata


def made(**dhis2: Any) -> Dataset:
    eo = {"aggregation": {"spatial": "sum", "temporal": "sum"}, "orgUnits": {"source": "dhis2", "level": [1, 2]}}
    return dataset(id="chirps-rain", dhis2={"connection": "national", **dhis2}, **eo)


def imported(folder: Path, dhis2: StandIn, one: Dataset) -> ImportSummary:
    return import_to_dhis2(files(folder, july(), one.dhis2), one, False, connector(dhis2), pauses=())


def metadata(**element: Any) -> dict[str, Any]:
    """Return the usual metadata with one data element called as the convention has it."""
    found = default_metadata()
    found["dataElements"][0] |= {"code": "EO_CHIRPS_RAIN", "aggregationLevels": [1], **element}
    return found


def test_an_import_finds_the_element_by_its_usual_code(tmp_path: Path) -> None:
    with running("2.43", metadata()) as dhis2:
        summary = imported(tmp_path, dhis2, made(dataElement="EO_CHIRPS_RAIN"))
        assert (summary.status, summary.imported, len(dhis2.values())) == ("SUCCESS", 130, 130)


def test_without_the_element_an_import_is_skipped_and_names_the_command(tmp_path: Path) -> None:
    with running("2.42") as dhis2:
        summary = imported(tmp_path, dhis2, made(dataElement="EO_CHIRPS_RAIN"))
        assert summary.status == "SKIPPED"
        assert "`eo-pygeoapi dhis2 setup chirps-rain --apply` makes it" in summary.reason
        other = imported(tmp_path, dhis2, made(dataElement="EO_ANOTHER"))  # a name of somebody's own
        assert (other.status, other.findings[0].code) == ("ERROR", "data-element")


@pytest.mark.parametrize(("code", "found"), [("EO_DAILY", True), ("CLIMATE_DAILY_TOO", False)])
def test_of_several_data_sets_the_usual_one_is_taken(tmp_path: Path, code: str, found: bool) -> None:
    content = metadata(dataSetElements=[{"dataSet": {"id": uid}} for uid in (DAILY, "ClimateDay2")])
    content["dataSets"][1] |= {"code": code, "dataSetElements": [{"dataElement": {"id": "RainDaily01"}}]}
    with running("2.43", content) as dhis2:
        summary = imported(tmp_path, dhis2, made(dataElement="EO_CHIRPS_RAIN"))
        assert (summary.status == "SUCCESS", "set dhis2.dataSet" in summary.reason) == (found, not found)


def looked_at(dhis2: StandIn, one: Dataset) -> dict[str, Line]:
    own = Dhis2Connection.model_validate({"url": dhis2.url, "username": "importer", "password": "Importer-of-all-1"})
    return {line.subject: line for line in look("national", own, [one])}


def test_the_look_says_what_an_import_would_meet() -> None:
    content = metadata(zeroIsSignificant=False)
    theirs = datetime.now(UTC) + timedelta(minutes=50)
    content["systemInfo"] |= {"serverDate": f"{theirs:%Y-%m-%dT%H:%M:%S}.000", "version": "2.42.0"}
    content["userRoles"][0]["authorities"] = ["F_VIEW_DATABROWSER"]
    with running("2.42", content) as dhis2:
        lines = looked_at(dhis2, made(dataElement="EO_CHIRPS_RAIN"))
    assert (lines["connection"].state, lines["version"].state, lines["clock"].state) == ("ok", "ok", "warning")
    assert "s ahead of ours" in lines["clock"].message
    assert lines["authorities"].message.startswith("user importer lacks F_DATAVALUE_ADD")
    assert lines["zeros"].state == "error" and "DHIS2 would drop them" in lines["zeros"].message
    assert all(PASSWORD not in line.message for line in lines.values())


PASSWORD = "Importer-of-all-1"


def test_a_dhis2_without_the_element_is_an_error_that_names_the_command() -> None:
    with running("2.43") as dhis2:
        line = looked_at(dhis2, made(dataElement="EO_CHIRPS_RAIN"))["data-element"]
    assert line.state == "error" and "eo-pygeoapi dhis2 setup chirps-rain --apply" in line.message


def test_a_target_of_the_request_is_no_usual_one(tmp_path: Path) -> None:
    with running("2.42") as dhis2:
        one = made()
        summary = import_to_dhis2(files(tmp_path, july(), DatasetTarget()), one, False, connector(dhis2), pauses=())
        assert summary.status == "SKIPPED" and summary.reason.startswith("no data element; set dhis2.dataElement")
