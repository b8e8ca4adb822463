"""Codes and UIDs, which may look alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.identifiers import look_up
from tests.pipeline.dhis2.imports import JULY, KONO, TARGET, TODAY, Importer, connector, stored
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import BO, DAILY, RAIN, TEMPERATURE, default_metadata

WARD, OTHER_WARD = "WardBo00001", "WardKono001"  # codes of eleven letters and digits, as UIDs are


def metadata() -> dict[str, Any]:
    """Return metadata with codes that look like UIDs, one of which is the UID of another object too."""
    made = default_metadata()
    codes = {BO: WARD, KONO: OTHER_WARD, "O6uvpzGd5pu": WARD, "jUb8gELQApl": "TEQlaapDQoK"}
    for unit in made["organisationUnits"]:
        unit["code"] = codes.get(unit["id"], unit["code"])
    for element in made["dataElements"]:
        if element["id"] == RAIN:
            element["code"] = "RAINFALLDAY"
        if element["id"] == TEMPERATURE:
            element["code"] = RAIN
    made["dataSets"][0]["code"] = "CLIMATEDAYS"
    return made


@pytest.fixture(scope="module", params=["2.38", "2.42", "2.43"])
def server(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with running(request.param, metadata(), TODAY) as dhis2:
        yield dhis2


@pytest.fixture
def dhis2(server: StandIn) -> StandIn:
    server.reset()
    return server


def test_codes_that_look_like_uids_are_found(tmp_path: Path, dhis2: StandIn) -> None:
    target = DatasetTarget(data_element="RAINFALLDAY", data_set="CLIMATEDAYS")
    run = Importer(tmp_path)
    summary = run(dhis2, {(WARD, JULY[0]): 1.5, (OTHER_WARD, JULY[0]): 2.5}, target=target)
    assert (summary.status, summary.imported) == ("SUCCESS", 2)
    assert stored(dhis2) == {(BO, JULY[0]): 1.5, (KONO, JULY[0]): 2.5}
    assert run(dhis2, {(WARD, JULY[0]): 1.5, (KONO, JULY[0]): 2.5}, target=target).unchanged == 2  # both kinds at once


def test_a_data_element_with_two_meanings_is_said(tmp_path: Path, dhis2: StandIn) -> None:
    summary = Importer(tmp_path)(dhis2, {(BO, JULY[0]): 1.5})
    assert (summary.status, summary.imported) == ("ERROR", 0)
    assert [finding.code for finding in summary.findings if finding.severity == "error"] == ["identifiers"]
    assert summary.reason.startswith(
        f"dhis2.dataElement: {RAIN!r} is the UID of Chirps precipitation ({RAIN}) and the code of "
        f"Era5 temperature ({TEMPERATURE}); use the code of the one"
    )


def test_a_unit_with_two_meanings_is_left_out(tmp_path: Path, dhis2: StandIn) -> None:
    target = TARGET.model_copy(update={"data_element": "RAINFALLDAY"})
    port_loko = "TEQlaapDQoK"
    summary = Importer(tmp_path)(dhis2, {(BO, JULY[0]): 1.5, (port_loko, JULY[0]): 2.5}, target=target)
    assert (summary.status, summary.imported, summary.rejected_count) == ("WARNING", 1, 1)
    assert "is the UID of Port Loko (TEQlaapDQoK) and the code of Kailahun" in summary.rejected[0].reason
    assert [finding.code for finding in summary.findings] == ["identifiers"]
    assert stored(dhis2) == {(BO, JULY[0]): 1.5}


def test_a_unit_that_is_named_twice_is_sent_once(tmp_path: Path, dhis2: StandIn) -> None:
    target = TARGET.model_copy(update={"data_element": "RAINFALLDAY"})
    summary = Importer(tmp_path)(dhis2, {(BO, JULY[0]): 1.5, (WARD, JULY[0]): 9.5}, target=target)
    assert (summary.imported, stored(dhis2)) == (1, {(BO, JULY[0]): 1.5})
    assert summary.rejected[0].reason == f"`{WARD}` and `{BO}` are the same organisation unit, Bo ({BO})"


@pytest.mark.parametrize("code", ["a,b", "[1]", "Zone 1: north", "ü"])
def test_codes_with_punctuation_are_found(code: str) -> None:
    made = default_metadata()
    made["dataSets"][0]["code"] = code
    with running("2.42", made, TODAY) as dhis2, connector(dhis2)() as api:
        assert look_up(api, "dataSets", [code, "no"], "id,code,name").objects[code]["id"] == DAILY
