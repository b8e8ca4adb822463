"""What follows an import: DHIS2's analytics beside the stand-in, jobs, and webhooks beside a real receiver."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from eo_pygeoapi.contract.models import ImportSummary, Interval
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Then
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.errors import EngineUnavailableError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.analytics import EARLIER, Analytics
from eo_pygeoapi.jobs.chains import Follower, has_changed
from eo_pygeoapi.jobs.webhooks import Webhooks
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.dhis2 import client
from eo_pygeoapi.settings import Dhis2Connection
from eo_pygeoapi.store.chains import Chain, KeptLink
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.standins import dhis2
from tests.watch.receiver import Receiver

FILE = """
eo: {notify: {forecast: {}}}
resources:
  rain:
    type: collection
    eo: {source: chirps3, dhis2: {connection: national, dataElement: R}, orgUnits: {source: dhis2}, after: AFTER}
  daily: {type: collection, eo: {source: chirps3, dhis2: {dataElement: R}}}
  monthly:
    type: collection
    eo:
      source: chirps3
      periodType: monthly
      orgUnits: {source: dhis2}
      dhis2: {dataElement: R}
      schedules: [{name: m, cron: "0 6 1 * *", inputs: {start: -P2M, end: P0D, dryRun: true}}]
  hello-world: {type: process}
"""
HOUR = timedelta(hours=1)
DAYS = Interval(start=date(2025, 7, 1), end=date(2025, 7, 10))
TASKS = "/api/resourceTables/analytics"
JSON = {"contentType": "application/json"}


@pytest.fixture(scope="module", params=["2.42", "2.43"])
def server(request: pytest.FixtureRequest) -> Iterator[dhis2.StandIn]:
    with dhis2.running(request.param) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path))


def analytics(server: dhis2.StandIn, store: ResultStore, token: str = "") -> Analytics:
    connection = Dhis2Connection(url=server.url, token=SecretStr(token or server.token))
    return Analytics(store, "national", partial(client.connect, connection), nullcontext)


def datasets(after: str) -> dict[str, Dataset]:
    return read_datasets(yaml.safe_load(FILE.replace("AFTER", after)), Path())


def chain(after: str, store: ResultStore, imported: datetime | None = None, days: int = 10) -> Chain:
    found, interval = datasets(after)["rain"], Interval(start=date(2025, 7, 1), end=date(2025, 7, days))
    made = Chain.after("job-1", found, interval, "31 values", imported or datetime.now(UTC))
    made.keep(store)
    return made


class Prefect:
    """Keeps what is submitted; the first calls may find the server away."""

    def __init__(self, away: int = 0) -> None:
        self.runs: dict[str, tuple[str, JsonObject]] = {}
        self.away = away

    def submit(self, deployment: str, parameters: JsonObject, key: str) -> Job:
        if self.away:
            self.away -= 1
            raise EngineUnavailableError("Prefect is away")
        self.runs.setdefault(key, (deployment, parameters))
        now = datetime.now(UTC)
        return Job(f"child of {key}", "p", "accepted", "", 0, now, now)


def follower(store: ResultStore, prefect: Prefect, found: Analytics | None = None, after: str = "[]") -> Follower:
    return Follower(store, datasets(after), prefect.submit, lambda _: found, sleep=lambda _: None)


def now() -> datetime:
    return datetime.now(UTC)


# Analytics


def test_analytics_is_started_once_and_said_to_have_ended(server: dhis2.StandIn, store: ResultStore) -> None:
    server.reset()
    begun = chain("[{analytics: true}]", store)
    ended, again = follower(store, Prefect(), analytics(server, store)).follow(begun)
    (link,) = ended.links
    assert (again, link.status) == (None, "successful") and link.finished >= begun.imported
    assert ended.in_words(lambda moment: f"{moment:%H:%M}") == (
        f"31 values; visible in DHIS2 since {link.finished:%H:%M}"
    )
    assert len(server.log("POST", TASKS)) == 1
    # what has ended is not begun again by a job that goes on after its process died
    assert follower(store, Prefect(), None).follow(Chain.of(JobFolder(store, "job-1")) or begun)[0] == ended
    assert Chain.latest(store, "rain") == ended


def test_one_run_of_analytics_serves_all_that_had_imported_before_it(server: dhis2.StandIn, store: ResultStore) -> None:
    server.reset()
    server.analytics_takes(3600)
    first, second, third = (KeptLink(analytics=True, status="waiting") for _ in range(3))
    shared, imported = analytics(server, store), now()
    first = shared.look(first, imported, now())
    # an import that ended before that run began sees it through, one after it waits for the next
    second = shared.look(second, imported - timedelta(minutes=1), now())
    third = shared.look(third, imported + timedelta(minutes=1), now())
    assert (first.status, second.status, third.status) == ("running", "running", "waiting")
    assert first.task == second.task and not third.task and len(server.log("POST", TASKS)) == 1
    assert third.message == EARLIER
    server.analytics_takes(0)
    assert shared.look(first, imported, now()).status == "successful"
    third = shared.look(third, imported + timedelta(minutes=1), now())
    assert third.task and third.task != first.task and len(server.log("POST", TASKS)) == 2


def test_a_run_that_somebody_else_started_after_the_import_serves_too(
    server: dhis2.StandIn, store: ResultStore
) -> None:
    server.reset()
    connection = Dhis2Connection(url=server.url, token=SecretStr(server.token))
    with client.connect(connection) as dhis2_client:
        dhis2_client.start_analytics()
    server.clear_log()
    link = analytics(server, store).look(KeptLink(analytics=True, status="waiting"), now() - HOUR, now())
    assert link.status == "successful" and server.log("POST", TASKS) == []


def test_what_dhis2_does_not_do_fails_and_one_that_is_away_is_asked_again(
    server: dhis2.StandIn, store: ResultStore
) -> None:
    server.reset()
    link, shared = KeptLink(analytics=True, status="waiting"), analytics(server, store)
    error = [{"level": "ERROR", "message": "Out of disk", "completed": True, "time": "2020-01-01T00:00:00.000"}]
    server.faults({"path": TASKS, "status": 503, "times": 1})
    imported = now()
    away = shared.look(link, imported, imported)
    assert (away.status, away.has_ended) == ("waiting", False) and "503" in away.message
    server.faults({"path": TASKS, "status": 409, "times": 1})  # it makes the tables already
    assert (busy := shared.look(link, imported, imported)).status == "waiting" and busy.message == EARLIER
    server.analytics_takes(3600)
    server.faults({"path": "/api/system/tasks/*", "status": 200, "body": error} | JSON)
    failed = shared.look(away, imported, imported)
    assert (failed.status, failed.message) == ("failed", "DHIS2's analytics failed: Out of disk")
    server.faults({"path": TASKS, "status": 403})
    (store.local_path("analytics/national.json") or Path()).unlink()
    refused = shared.look(link, imported, imported)
    assert refused.status == "failed" and "(HTTP 403)" in refused.message
    server.faults({"path": "*", "status": 503})
    late = shared.look(link, imported, imported + timedelta(hours=25))
    assert late.status == "failed" and late.message.startswith("DHIS2's analytics has not ended 24 hours after")


def test_a_run_that_takes_long_is_looked_at_later_and_ever_more_seldom(
    server: dhis2.StandIn, store: ResultStore
) -> None:
    server.reset()
    server.analytics_takes(1e6)
    begun = now()
    clock = [begun]

    def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)

    follow = Follower(
        store, {}, Prefect().submit, lambda _: analytics(server, store), now=lambda: clock[0], sleep=sleep
    )
    kept, again = follow.follow(chain("[{analytics: true}, {process: hello-world}]", store, begun))
    assert [link.status for link in kept.links] == ["running", "waiting"]
    assert clock[0] - begun >= timedelta(seconds=20) and again and again - clock[0] == timedelta(seconds=30)
    assert kept.next_in_words() == "waits for DHIS2's analytics (Drop SQL views)"
    clock[0] = begun + timedelta(hours=3)
    _, again = follow.follow(kept)
    assert again and again - clock[0] == timedelta(minutes=5)
    assert len(server.log("POST", TASKS)) == 1
    server.analytics_takes(0)
    kept, again = follow.follow(kept)
    assert [link.status for link in kept.links] == ["successful", "successful"] and again is None


# Jobs


def test_jobs_are_started_with_the_days_of_the_import_where_these_fit(store: ResultStore) -> None:
    prefect = Prefect(away=2)
    hello = "{process: hello-world, inputs: {name: Ada}}"
    ended, _ = follower(store, prefect).follow(chain(f"[{{dataset: daily}}, {{dataset: monthly}}, {hello}]", store))
    days = {"start": "2025-07-01", "end": "2025-07-10"}
    assert prefect.runs == {
        "after job-1 0": ("daily", {"inputs": {"datasetId": "daily", **days, "dryRun": False}}),
        # no month lies within ten days
        "after job-1 1": (
            "monthly",
            {"inputs": {"datasetId": "monthly", "start": "-P2M", "end": "P0D", "dryRun": False}},
        ),
        "after job-1 2": ("hello-world", {"process_id": "hello-world", "inputs": {"name": "Ada"}, "request": {}}),
    }
    assert [link.job_id for link in ended.links] == [f"child of after job-1 {n}" for n in range(3)]
    assert ended.in_words(str) == (
        "31 values; dataset daily is started; dataset monthly is started; process hello-world is started"
    )
    again, _ = follower(store, prefect).follow(chain("[{dataset: monthly}]", store, days=31))
    assert prefect.runs["after job-1 0"][0] == "daily" and again.links[0].status == "successful"


@pytest.mark.parametrize(
    ("process", "dry"),
    [("eo-aggregate-import", ", dryRun: false"), ("eo-backfill", ", dryRun: false"), ("eo-reconcile", "")],
)
def test_a_process_about_a_dataset_that_the_tenant_does_not_have_is_not_started(
    process: str, dry: str, store: ResultStore
) -> None:
    text = f"[{{process: {process}, inputs: {{datasetId: monthly, start: -P3M, end: P0D{dry}}}}}]"
    prefect, known = Prefect(), datasets("[]")
    link = Then.model_validate(yaml.safe_load(text)[0])
    begun = Chain.after(
        "job-1", known["rain"].model_copy(update={"after": [link]}), DAYS, "31 values", datetime.now(UTC)
    )
    own = {"rain": known["rain"]}
    (done,) = Follower(store, own, prefect.submit, lambda _: None).follow(begun)[0].links
    assert (done.status, prefect.runs) == ("failed", {})
    assert done.message == "input datasetId: unknown dataset 'monthly' (enabled: rain)"

    (done,) = Follower(store, known, prefect.submit, lambda _: None).follow(begun)[0].links
    assert (done.status, len(prefect.runs)) == ("successful", 1)


def test_what_fails_is_said_and_keeps_nothing_else_from_being_done(store: ResultStore) -> None:
    begun = chain("[{analytics: true}, {dataset: daily}, {process: hello-world}]", store)
    away = Follower(store, {}, Prefect().submit, lambda _: None, clean=lambda text: text.replace("national", "***"))
    ended, _ = away.follow(begun)
    assert [link.status for link in ended.links] == ["failed", "failed", "successful"]
    assert ended.in_words(str) == (
        "31 values; analytics failed: there is no DHIS2 connection '***'; "
        "dataset daily failed: dataset 'daily' is not enabled any more; process hello-world is started"
    )


@pytest.mark.parametrize(
    ("counts", "changed"),
    [
        ({"imported": 1}, True),
        ({"updated": 1}, True),
        ({"deleted": 1}, True),
        ({"unchanged": 5, "ignored": 2}, False),
        ({"imported": 1, "dry_run": True}, False),
    ],
)
def test_only_what_has_changed_something_is_followed(counts: dict[str, Any], changed: bool) -> None:
    assert has_changed(ImportSummary.model_validate({"status": "SUCCESS", "dry_run": False, **counts})) is changed


# Webhooks


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def test_a_webhook_gets_the_document_once(store: ResultStore, receiver: Receiver) -> None:
    begun = chain("[{webhook: forecast}]", store)
    kept, again = follower(store, Prefect()).follow(begun)
    assert (kept, again) == (begun, None)  # it is called when the job has ended
    address = receiver.url.replace("http://", "json://somebody:pass@")
    webhooks = Webhooks(lambda _: SecretStr(address), pause=lambda _: None)
    told = webhooks.tell(kept, {"jobID": "job-1", "status": "successful"})
    assert told.links[0].status == "successful" and webhooks.tell(told, {}) == told
    assert receiver.got == [{"jobID": "job-1", "status": "successful"}]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (None, "forecast: it has no address; set EO_NOTIFY_FORECAST_URL, or make the Prefect block"),
        ("mailto://me:secret@example.org", "forecast: EO_NOTIFY_FORECAST_URL is no address of a webhook; allowed:"),
        ("http://127.0.0.1:1/secret-path", "forecast: http://127.0.0.1 does not answer"),
    ],
)
def test_a_webhook_that_cannot_be_called_is_said_without_its_secrets(
    store: ResultStore, address: str | None, said: str
) -> None:
    found = SecretStr(address) if address else None
    told = Webhooks(lambda _: found, pause=lambda _: None).tell(chain("[{webhook: forecast}]", store), {})
    (link,) = told.links
    assert link.status == "failed" and link.message.startswith(said) and "secret" not in link.message


def test_a_webhook_that_refuses_is_called_three_times(store: ResultStore, receiver: Receiver) -> None:
    receiver.status = 500
    webhooks = Webhooks(lambda _: SecretStr(receiver.url), pause=lambda _: None)
    told = webhooks.tell(chain("[{webhook: forecast}]", store), {})
    assert told.links[0].message == "forecast: answered with 500" and len(receiver.got) == 3
