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
# what Prefect keeps of a finished step
STEPS = ("PUT", "*/eo/results/jobs/*/steps/*")
# what a job says that cannot write its results any more, though DHIS2 has its values
NOT_WRITTEN = "results are missing, and the same request writes them once the store works again"
SENDS_THE_REST = "what DHIS2 has taken stays there, and the same request sends the rest once the store works again"


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


@pytest.mark.parametrize(("place", "status"), [("published", 503), ("published", 403), ("result", 503)])
def test_s3_that_fails_for_good_after_the_import_leaves_all_as_it_was_and_says_what_to_do(
    on_s3: OnS3, place: str, status: int, dhis2_server: dhis2.StandIn
) -> None:
    dhis2_server.reset()
    before = on_s3.stack.features("rain")
    job, said = failing(on_s3, *PLACES[place], status=status)
    assert "results store: cannot write" in said and NOT_WRITTEN in said and "in DHIS2: 403 new" in said
    assert on_s3.stack.features("rain") == before
    values = dhis2_server.values()
    again = on_s3.stack.result(**DAYS)
    assert (
        again["importSummary"]["unchanged"] == again["rowCount"] > 0
    )  # nothing is sent twice, nothing taken for theirs
    assert dhis2_server.values() == values and shown(on_s3.stack) == {again["jobID"]} != {job}


def test_s3_that_fails_between_the_answer_of_dhis2_and_its_note_loses_no_value(
    on_s3: OnS3, dhis2_server: dhis2.StandIn
) -> None:
    dhis2_server.reset()
    before = on_s3.stack.features("rain")
    _, said = failing(on_s3, *LEDGER, after=1)  # the first of the month's notes is that the values are about to be sent
    assert "results store: cannot write 'sent/" in said and SENDS_THE_REST in said
    assert dhis2_server.values() and on_s3.stack.features("rain") == before
    again = on_s3.stack.result(**DAYS)["importSummary"]
    assert again["unchanged"] == 403 and not again.get("keptCount") and not again["rejectedCount"]


def test_s3_that_keeps_no_steps_fails_the_job_and_not_silently(on_s3: OnS3, dhis2_server: dhis2.StandIn) -> None:
    dhis2_server.reset()
    before = on_s3.stack.features("rain")
    _, said = failing(on_s3, *STEPS)
    assert "results store" in said and "Traceback" not in said
    assert on_s3.stack.features("rain") == before and not dhis2_server.values()


def failing(on_s3: OnS3, method: str, pattern: str, status: int = 503, after: int = 0) -> tuple[str, str]:
    """Run a job while requests fail; returns its id, and its message."""
    fault = on_s3.proxy.fail(method, pattern, status=status, after=after)
    try:
        job = on_s3.stack.submit(**DAYS)
        ended = on_s3.stack.ended(job, 500)
    finally:
        on_s3.proxy.heal()
    print(ended["message"])
    assert ended["status"] == "failed" and fault.used > 0, ended
    answer = on_s3.stack.get(f"{job}/results?f=json")
    assert answer.status_code >= 400 and answer.json()["detail"]
    return str(ended["jobID"]), str(ended["message"])
