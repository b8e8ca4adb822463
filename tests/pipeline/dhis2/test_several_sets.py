"""A data element in several data sets, of which the configuration names none."""

from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.datasets.block import DatasetTarget
from tests.pipeline.dhis2.imports import Importer, stored
from tests.standins.dhis2 import running
from tests.standins.dhis2_metadata import (
    BO,
    COUNTRY,
    DAILY,
    DAILY_TOO,
    DISTRICTS,
    IN_TWO_SETS,
    YEARLY,
    default_metadata,
)

TARGET = DatasetTarget(data_element=IN_TWO_SETS)
DAY = "20250701"
IN_FIRST, IN_SECOND, IN_NEITHER = list(DISTRICTS)[:3]
CELLS = {(unit, DAY): 5.0 for unit in (IN_FIRST, IN_SECOND, IN_NEITHER)}


def metadata(**units: list[str]) -> dict[str, Any]:
    """Return the usual metadata with other units of data sets, by their UIDs."""
    found = default_metadata()
    for data_set in found["dataSets"]:
        if data_set["id"] in units:
            data_set["organisationUnits"] = [{"id": uid} for uid in units[data_set["id"]]]
    return found


def test_a_unit_that_none_of_them_has_is_rejected_where_nobody_would_see_it(tmp_path: Path) -> None:
    """Until 2.42 DHIS2 takes values without a data set, also of units that no data set shows."""
    with running("2.42", metadata(**{DAILY: [IN_FIRST], DAILY_TOO: [IN_SECOND]})) as dhis2:
        summary = Importer(tmp_path)(dhis2, CELLS, target=TARGET)
        assert (summary.status, summary.imported, summary.rejected_count) == ("WARNING", 2, 1)
        assert stored(dhis2).keys() == {(IN_FIRST, DAY), (IN_SECOND, DAY)}
    (rejected,) = summary.rejected
    assert (rejected.org_unit, rejected.code) == (IN_NEITHER, "E8022")
    assert "is assigned to none of the 2 data sets Climate daily (ClimateDay1), Climate daily too" in rejected.reason
    said = {finding.code: finding.message for finding in summary.findings}
    assert "1 of 3 organisation units are assigned to none of the 2 data sets" in said["assignment"]
    assert "is in 2 data sets; set dhis2.dataSet to one of them" in said["data-set"]


@pytest.mark.parametrize("version", ["2.42", "2.43"])
def test_of_several_the_one_of_the_period_type_is_taken(tmp_path: Path, version: str) -> None:
    content = metadata(**{DAILY: [COUNTRY, BO], YEARLY: list(DISTRICTS)})
    content["dataElements"][3]["dataSetElements"] = [{"dataSet": {"id": uid}} for uid in (DAILY, YEARLY)]
    content["dataSets"][1]["dataSetElements"] = []
    content["dataSets"][2]["dataSetElements"].append({"dataElement": {"id": IN_TWO_SETS}})
    with running(version, content) as dhis2:
        summary = Importer(tmp_path)(dhis2, CELLS, target=TARGET)
        assert (summary.status, summary.imported, stored(dhis2)) == ("WARNING", 1, {(BO, DAY): 5.0})
    reasons = {entry.reason.partition(" is ")[2] for entry in summary.rejected}
    assert reasons == {"not assigned to the data set Climate daily (ClimateDay1)"}
    assert [finding.code for finding in summary.findings] == ["assignment"]
