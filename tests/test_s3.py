"""Results, ledger, published values and downloads in an object store that fails in the middle of a job."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import canaries
from tests.stack import Stack, base_config, collection, make_rain, up
from tests.standins import chc, dhis2, failing_s3, s3
from tests.standins.failing_s3 import FailingS3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DAYS: dict[str, Any] = {"datasetId": "rain", "start": "2024-01-01", "end": "2024-01-31", "dryRun": False}
# method and path of what a job does there: a step that reads the cache, and those that write
CACHE = ("GET", "*prefix=eo%2Fcache%2Fchirps3*")
LEDGER = ("PUT", "*/eo/results/sent/*")
PUBLISHED = ("PUT", "*/eo/results/published/*")
RESULT = ("PUT", "*/eo/results/jobs/*/result.json")
PLACES = {"cache": CACHE, "ledger": LEDGER, "published": PUBLISHED, "result": RESULT}


@dataclass
class OnS3:
    stack: Stack
    proxy: FailingS3


@pytest.fixture(scope="module")
def on_s3(tmp_path_factory: pytest.TempPathFactory, dhis2_server: dhis2.StandIn) -> Iterator[OnS3]:
    folder = tmp_path_factory.mktemp("on-s3")
    (root := folder / "chc").mkdir()
    make_rain(root)
    with chc.running(root) as rain, s3.serving(folder) as server, failing_s3.before(server) as proxy:
        config = base_config()
        config["resources"]["rain"] = collection(
            "rain",
            source="chirps3",
            options={"stage": "final", "flavor": "rnl", "baseUrl": rain.url},
            orgUnits={"source": "dhis2", "level": 2},
            dhis2={"connection": "national", "dataElement": "CHIRPS_PRECIPITATION", "dataSet": "CLIMATE_DAILY"},
        )
        bucket = server.new_bucket()
        stores = {"EO_RESULTS_URL": f"{bucket}/results", "EO_CACHE_URL": f"{bucket}/cache"}
        with up(folder, config, canaries.environment(dhis2_server) | proxy.environment | stores) as stack:
            yield OnS3(stack, proxy)


def shown(stack: Stack) -> set[str]:
    """The jobs whose values the collection shows."""
    return {feature["properties"]["jobID"] for feature in stack.features("rain")}


def test_a_job_begins_and_ends_on_s3(on_s3: OnS3, dhis2_server: dhis2.StandIn) -> None:
    dhis2_server.reset()
    result = on_s3.stack.result(**DAYS)
    assert shown(on_s3.stack) == {result["jobID"]} and result["importSummary"]["imported"] == result["rowCount"] > 0
    puts = {path.split("/")[3] for method, path, status in on_s3.proxy.log if method == "PUT" and status == 200}
    assert {"cache", "results"} <= puts
    assert not list((on_s3.stack.folder / "results").glob("published/**/*.parquet"))


@pytest.mark.parametrize("place", PLACES)
def test_s3_that_fails_for_a_while_is_tried_again(on_s3: OnS3, place: str, dhis2_server: dhis2.StandIn) -> None:
    dhis2_server.reset()  # it holds nothing, so that all values are sent again
    method, pattern = PLACES[place]
    fault = on_s3.proxy.fail(method, pattern, times=7)  # more than botocore and s3fs try by themselves
    result = on_s3.stack.result(**DAYS)
    assert fault.used == 7 and result["importSummary"]["rejectedCount"] == 0
    assert shown(on_s3.stack) == {result["jobID"]}


@pytest.mark.parametrize("place", ["cache", "ledger"])
def test_s3_that_goes_on_failing_fails_the_job_and_nothing_is_half_published(
    on_s3: OnS3, place: str, dhis2_server: dhis2.StandIn
) -> None:
    dhis2_server.reset()
    before = shown(on_s3.stack)
    values = {feature["id"]: feature["properties"]["value"] for feature in on_s3.stack.features("rain")}
    fault = on_s3.proxy.fail(*PLACES[place])
    try:
        job = on_s3.stack.submit(**DAYS)
        status = on_s3.stack.ended(job, 400)
    finally:
        on_s3.proxy.heal()
    assert status["status"] == "failed" and fault.used > 7, status
    called = "download cache" if place == "cache" else "results store"
    assert f"{called}: cannot " in status["message"] and "Traceback" not in status["message"], status["message"]
    assert shown(on_s3.stack) == before
    assert {f["id"]: f["properties"]["value"] for f in on_s3.stack.features("rain")} == values
    answer = on_s3.stack.get(f"{job}/results?f=json")
    assert answer.status_code >= 400 and answer.json()["detail"]
    again = on_s3.stack.result(**DAYS)
    assert shown(on_s3.stack) == {again["jobID"]}
