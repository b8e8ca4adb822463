"""Which values a backfill takes for missing where DHIS2 has refused some: those that another try may bring in."""

from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.jobs.estimates import plan_of
from eo_pygeoapi.jobs.missing import Missing, refused_before
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore
from tests.jobs.test_estimates import NOW, add, asked, daily
from tests.pipeline.dhis2.imports import KONO, TARGET, connector
from tests.pipeline.made import dataset
from tests.standins import dhis2
from tests.standins.dhis2_metadata import BO, DAILY, default_metadata

DAYS = daily("2024-01-01", "2024-01-05")
KAMBIA = "PMa2VCrupOd"
UNITS = [BO, KONO, KAMBIA]


def metadata(expiry_days: int = 0) -> dict[str, Any]:
    """A DHIS2 in which Bo opened on 4 January, and whose data set does not have Kono."""
    content = default_metadata()
    for unit in content["organisationUnits"]:
        if unit["id"] == BO:
            unit["openingDate"] = "2024-01-04T00:00:00.000"
    for data_set in content["dataSets"]:
        if data_set["id"] == DAILY:
            data_set["organisationUnits"] = [unit for unit in data_set["organisationUnits"] if unit["id"] != KONO]
            data_set["expiryDays"] = expiry_days
    return content


@pytest.fixture
def coverage(tmp_path: Path) -> CoverageTable:
    """All of Bo and Kono was refused, and one day of Kambia."""
    found = CoverageTable(ResultStore(str(tmp_path)), "rain")
    for unit, days in ((BO, DAYS), (KONO, DAYS), (KAMBIA, DAYS[:1])):
        add(found, days, unit, "V", "R")
    add(found, DAYS[1:3], KAMBIA, "V", "D")
    return found


def test_what_dhis2_would_refuse_again_is_not_missing_but_said(coverage: CoverageTable) -> None:
    rain = dataset(dhis2=TARGET.to_json())
    with dhis2.running(metadata=metadata()) as server:
        missing = Missing(coverage, rain, connector(server))
        found = missing.lacking(DAYS, UNITS)
        bo, kono, kambia = found.cells.T.tolist()
        assert bo == [False, False, False, True, True]  # it is open by now
        assert not any(kono) and kambia == [True, False, False, True, True]
        assert (found.tried_again, len(found.refused)) == (3, 8)
        plan = plan_of(asked(), rain, DAYS, UNITS, missing, NOW.date())
        asks = len(server.log())
        assert plan.values == 5
        again, before = plan.findings
        assert again.code == "refused-again" and again.message.startswith(
            "8 refused values not counted as missing, for DHIS2 would refuse the same again, such as 20240101 of "
        )
        assert (before.code, before.message.split(" that ")[0]) == ("refused-before", "3 values")
        missing.lacking(DAYS[:2], UNITS)
        assert len(server.log()) == asks  # DHIS2 is asked once


def test_with_only_what_cannot_be_taken_left_there_is_nothing_to_do(coverage: CoverageTable) -> None:
    rain = dataset(dhis2=TARGET.to_json())
    with dhis2.running(metadata=metadata(expiry_days=3)) as server:
        importer = connector(server, username="importer", password="Importer-of-all-1")  # may not edit what has expired
        missing = Missing(coverage, rain, importer)
        for unit in (BO, KAMBIA):  # the data set closed three days after each day
            assert not missing.lacking(DAYS[:1], [unit]).cells.any()
        plan = plan_of(asked(), rain, DAYS, [BO, KONO], missing, NOW.date())
        assert not plan.chunks and "takes values until 3 days after" in missing.lacking(DAYS, [BO]).refused[-1].reason


def test_where_dhis2_cannot_be_asked_what_it_refused_is_missing(coverage: CoverageTable) -> None:
    for connect in (None, connector(_gone())):
        found = Missing(coverage, dataset(dhis2=TARGET.to_json()), connect).lacking(DAYS, UNITS)
        assert int(found.cells.sum()) == 13 and found.tried_again == 11
        assert [finding.code for finding in refused_before([found])] == ["refused-before"]


def _gone() -> dhis2.StandIn:
    with dhis2.running() as server:
        return server
