"""Cases that others hand us, as whole jobs over HTTP: `../shared/cases`, where it lies beside the checkout."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack import CHECKOUT, Stack, base_config, up
from tests.standins import dhis2
from tests.standins.dhis2_metadata import default_metadata

CASES = CHECKOUT.parent / "shared" / "cases"
OPENED_LATER = "lc3eMKXaEfw"  # the district of case 11

pytestmark = [
    pytest.mark.skipif(not CASES.exists(), reason="there are no cases beside the checkout"),
    pytest.mark.timeout(900),
]


def folders() -> list[Path]:
    return sorted(CASES.glob("*-*"))


@pytest.fixture(scope="module")
def dhis2_server() -> Iterator[dhis2.StandIn]:
    """A DHIS2 2.43 with the district, data element and data set of case 11."""
    metadata = default_metadata()
    for unit in metadata["organisationUnits"]:
        opened = "2018-01-01" if unit["id"] == OPENED_LATER else "1900-01-01"
        unit["openingDate"] = f"{opened}T00:00:00.000"
    element, data_set = (
        next(each for each in metadata[kind] if each["code"] == code)
        for kind, code in (("dataElements", "CHIRPS_PRECIPITATION"), ("dataSets", "CLIMATE_DAILY"))
    )
    link = [{"dataSet": {"id": "Rep11DaySet"}, "dataElement": {"id": "jxa45cyFKUt"}}]
    own = {"id": "jxa45cyFKUt", "code": "REP11_RAIN", "name": "Case 11 rain", "dataSetElements": link}
    metadata["dataElements"].append(element | own)
    own = {"id": "Rep11DaySet", "code": "REP11_SET", "name": "Case 11 set", "dataSetElements": link}
    metadata["dataSets"].append(data_set | own)
    with dhis2.running("2.43", metadata) as standin:
        yield standin


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, dhis2_server: dhis2.StandIn) -> Iterator[Stack]:
    """One stack with the datasets of all cases."""
    folder = tmp_path_factory.mktemp("cases")
    config = base_config()
    for case in folders():
        data = folder / case.name
        subprocess.run([sys.executable, case / "make.py", data], check=True)
        config["resources"] |= yaml.safe_load((case / "config.yml").read_text().replace("@DIR@", str(data)))[
            "resources"
        ]
    connection = {"EO_DHIS2_NATIONAL_URL": dhis2_server.url, "EO_DHIS2_NATIONAL_TOKEN": dhis2_server.token}
    with up(folder, config, connection) as stack:
        yield stack


@pytest.mark.parametrize("case", folders(), ids=lambda case: case.name)
def test_a_case_is_right(running: Stack, dhis2_server: dhis2.StandIn, case: Path) -> None:
    for request in json.loads((case / "expect.json").read_text())["requests"]:
        dhis2_server.clear_log()
        job = running.submit(**request["inputs"])
        status = running.ended(job, 300)
        if status["status"] == "failed":
            assert re.search(request["or_error"] or "(?!)", status["message"]), status
            assert not re.search(request.get("not_error", "(?!)"), status["message"]), status
            continue
        assert request.get("said", "") in running.get(f"{job}/results?f=json").text
        # those of the job itself, for a dry run need not publish them
        features = running.get(f"{job}/files/features.geojson").json()["features"]
        found = {feature["id"]: feature["properties"]["value"] for feature in features}
        for row in request.get("rows", []):
            assert fits(row, found.get(f"{row['unit']}-{row['period']}")), (row, found)
        if held := request.get("held"):
            values = [value for value in dhis2_server.values() if value["dataElement"] == held["dataElement"]]
            assert len(values) == held["count"]
            cells = {(value["orgUnit"], value["period"]) for value in values}
            assert not cells & {tuple(cell) for cell in held["absent"]}
            assert len(dhis2_server.log("POST", "/api/dataValueSets*")) <= held.get("posts_max", math.inf)


def fits(row: dict[str, Any], value: float | None) -> bool:
    if "want" in row:
        wanted = row["want"] if isinstance(row["want"], list) else [row["want"]]
        return any(equal(each, value, row.get("rtol", 1e-6)) for each in wanted)
    return value is None or row.get("min", -math.inf) <= value <= row.get("max", math.inf)


def equal(wanted: float | None, value: float | None, tolerance: float) -> bool:
    if wanted is None or value is None:
        return wanted is value
    return math.isclose(wanted, value, rel_tol=tolerance, abs_tol=1e-9)
