"""The job of a backfill: which jobs it starts when, what it makes of their ends, and what it says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.contract.backfill import BackfillInputs
from eo_pygeoapi.contract.chunks import chunks_of
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import EngineUnavailableError, NoSuchJobError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.backfills import Overseer, rate_in_words, shown_backfill, stop
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.backfills import Backfill, KeptPart, children
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore

TEN_MINUTES = timedelta(minutes=10)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@dataclass
class World:
    """Prefect, the clock and the store, as far as a backfill sees them."""

    folder: JobFolder
    inputs: JsonObject = field(default_factory=dict)
    at_once: int = 2
    jobs: dict[str, Job] = field(default_factory=dict)
    asked: dict[str, JsonObject] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    now: datetime = NOON
    lacking: Callable[[KeptPart], Sequence[str] | None] = lambda _part: None

    def submit(self, inputs: JsonObject, key: str) -> Job:
        if key not in self.keys:
            id_ = f"job-{len(self.jobs) + 1}"
            self.keys[key], self.asked[id_] = id_, inputs
            self.jobs[id_] = Job(id_, "eo-aggregate-import", "accepted", "", 0, self.now, self.now)
        return self.jobs[self.keys[key]]

    def get(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise NoSuchJobError(f"there is no job {job_id!r}")
        return self.jobs[job_id]

    def end(self, job_id: str, status: Any = "successful", state_name: str = "", message: str = "") -> None:
        self.jobs[job_id] = replace(
            self.jobs[job_id], status=status, state_name=state_name, message=message, finished=self.now
        )
        summary = {"importSummary": {"imported": 10, "updated": 2, "unchanged": 3, "keptCount": 4, "rejectedCount": 5}}
        if status == "successful":
            JobFolder(self.folder.store, job_id).write_json("summary.json", summary)

    def overseer(self) -> Overseer:
        dataset = Dataset.model_validate(
            {"id": "rain", "source": "chirps3", "dhis2": {"dataElement": "RAIN"}, "policy": {"retries": 1}}
        )
        asked = {"datasetId": "rain", "start": "2024-01", "end": "2024-06", "dryRun": False, **self.inputs}
        return Overseer(
            self.folder,
            dataset,
            BackfillInputs.model_validate(asked),
            self.submit,
            self.get,
            lambda part: self.lacking(part),
            self.at_once,
            lambda: self.now,
        )

    def begun(self, hours: str = "") -> Backfill:
        periods = periods_in(Interval(start=date(2024, 1, 1), end=date(2024, 6, 30)), "daily")
        return Backfill.of_chunks(self.folder.job_id, chunks_of(periods, "month"), NOON, hours, "UTC")

    def look(self, backfill: Backfill) -> tuple[Backfill, datetime | None]:
        looked, again = self.overseer().look(backfill)
        assert Backfill.of(self.folder) == looked  # a process that dies now goes on from there
        return looked, again


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(JobFolder(ResultStore(str(tmp_path)), "00000000-0000-0000-0000-00000000000a"))


def test_it_starts_the_newest_first_and_so_many_at_a_time(world: World) -> None:
    backfill, again = world.look(world.begun())
    assert [asked["start"] for asked in world.asked.values()] == ["2024-06-01", "2024-05-01"]
    assert world.asked["job-1"] == {
        "datasetId": "rain",
        "start": "2024-06-01",
        "end": "2024-06-30",
        "dryRun": False,
    }
    assert again and timedelta(0) < again - NOON <= timedelta(minutes=5)
    backfill, _ = world.look(backfill)
    assert len(world.jobs) == 2
    world.now += timedelta(minutes=2)
    world.end("job-1")
    backfill, _ = world.look(backfill)
    assert len(world.jobs) == 3 and backfill.chunks.done == 1
    assert children(world.folder) == ["job-1", "job-2", "job-3"]
    assert world.overseer().in_words(backfill) == "1 of 6 months done, 30.0 an hour, ends about 12:12 (UTC)"


@pytest.mark.parametrize("later", ["2026-06-01T23:25", "2026-06-02T08:00", "2026-06-02T19:59"])
def test_hours_in_which_the_window_is_closed_are_not_counted(later: str) -> None:
    """Twenty parts of ten minutes were done in the first evening, and twenty are done in the next."""
    begun = datetime(2026, 6, 1, 20, tzinfo=UTC)
    done = [
        KeptPart(id=str(n), start=begun.date(), end=begun.date(), status="done", finished=begun + n * TEN_MINUTES)
        for n in range(1, 21)
    ]
    left = [KeptPart(id=str(n), start=begun.date(), end=begun.date()) for n in range(21, 41)]
    backfill = Backfill(job_id="a", begun=begun, hours="20:00-23:30", parts=[*done, *left])
    now = datetime.fromisoformat(later).replace(tzinfo=UTC)
    pace, ends = backfill.pace(now), backfill.ends(now)
    assert pace == TEN_MINUTES
    assert ends and abs(ends - datetime(2026, 6, 2, 23, 20, tzinfo=UTC)) <= timedelta(minutes=5)


def test_a_part_that_takes_longer_slows_the_rate_down() -> None:
    begun = datetime(2026, 6, 1, 20, tzinfo=UTC)
    days = {"start": begun.date(), "end": begun.date()}
    parts = [KeptPart(id="1", **days, status="done", finished=begun + TEN_MINUTES), KeptPart(id="2", **days)]
    backfill = Backfill(job_id="a", begun=begun, parts=parts)
    paces = [backfill.pace(begun + minutes * timedelta(minutes=1)) for minutes in (10, 20, 30, 70)]
    assert paces == [TEN_MINUTES, TEN_MINUTES, timedelta(minutes=15), timedelta(minutes=35)]


def test_it_ends_when_all_parts_have_and_adds_up_what_they_did(world: World) -> None:
    backfill, again = world.look(world.begun())
    for _ in range(10):
        if again is None:
            break
        for id_, job in list(world.jobs.items()):
            if job.status == "accepted":
                world.end(id_)
        backfill, again = world.look(backfill)
    assert again is None and len(world.jobs) == 6 and backfill.chunks.done == 6
    assert backfill.sums == {"imported": 60, "updated": 12, "unchanged": 18, "kept": 24, "rejected": 30}
    shown = shown_backfill(world.folder, world.now)
    assert shown["chunks"] == {"total": 6, "done": 6, "failed": 0} and len(shown["childJobs"]) == 6
    assert "ends" not in shown


def test_a_process_that_died_while_it_started_a_job_starts_no_second_one(world: World) -> None:
    dies = replace(world.overseer(), submit=lambda inputs, key: _die(world.submit(inputs, key)))
    with pytest.raises(EngineUnavailableError):
        dies.look(world.begun())
    kept = Backfill.of(world.folder)
    assert kept and kept.parts[0].status == "started" and not kept.parts[0].job_id
    world.look(kept)
    assert len(world.jobs) == 2 and children(world.folder) == ["job-1", "job-2"]


def _die(_job: Job) -> Job:
    raise EngineUnavailableError("Prefect does not answer")


def test_a_job_that_was_being_started_goes_on_outside_the_window_too(world: World) -> None:
    part = world.begun("20:00-05:00").parts[0].model_copy(update={"status": "started", "tries": 1})
    backfill, _ = world.look(world.begun("20:00-05:00").replaced(part))
    assert len(world.jobs) == 1 and backfill.parts[0].job_id == "job-1"


def test_nothing_starts_outside_the_window_and_it_sleeps_until_that_opens(world: World) -> None:
    backfill, again = world.look(world.begun("20:00-05:00"))
    assert not world.jobs and again == NOON.replace(hour=20)
    assert world.overseer().in_words(backfill) == "0 of 6 months done, sleeps until 20:00 (UTC)"
    world.now = NOON.replace(hour=20)
    backfill, _ = world.look(backfill)
    assert len(world.jobs) == 2
    world.now = NOON.replace(hour=5, day=30)
    world.end("job-1")
    backfill, again = world.look(backfill)  # the other one goes on to its end
    assert len(world.jobs) == 2 and again and again < world.now + timedelta(minutes=10)
    world.end("job-2")
    assert world.look(backfill)[1] == NOON.replace(hour=20, day=30)


@pytest.mark.parametrize(
    ("hours", "took", "now", "starts"),
    [
        ("20:00-05:00", 60, "30T03:59", "30T03:59"),
        ("20:00-05:00", 60, "30T04:01", "30T20:00"),
        ("20:00-05:00", 60, "30T06:00", "30T20:00"),
        ("20:00-20:30", 60, "30T20:29", "30T20:29"),  # it never fits
        ("", 60, "30T04:59", "30T04:59"),
    ],
)
def test_no_part_starts_that_would_run_over_the_end_of_the_window(
    world: World, hours: str, took: int, now: str, starts: str
) -> None:
    backfill, moment = world.begun(hours), datetime.fromisoformat(f"2026-11-{now}").replace(tzinfo=UTC)
    times = {"began": moment - timedelta(minutes=took + 5), "finished": moment - timedelta(minutes=5)}
    backfill = backfill.replaced(backfill.parts[0].model_copy(update={"status": "done", **times}))
    world.now, expected = moment, datetime.fromisoformat(f"2026-11-{starts}").replace(tzinfo=UTC)
    assert backfill.starts(moment) == expected
    backfill, again = world.look(backfill)
    assert len(world.jobs) == (2 if expected == moment else 0)
    assert again == expected if expected > moment else again
    assert ("sleeps until 20:00" in world.overseer().in_words(backfill)) == (expected > moment)


def test_how_long_a_part_takes_is_seen_at_its_job(world: World) -> None:
    backfill, _ = world.look(world.begun("12:00-13:00"))
    world.now += timedelta(minutes=40)
    world.jobs["job-1"] = replace(world.jobs["job-1"], started=NOON)
    world.end("job-1")
    backfill, _ = world.look(backfill)
    assert len(world.jobs) == 2  # the next one would end at 13:20


def test_what_failed_for_good_is_listed_and_the_rest_goes_on(world: World) -> None:
    backfill, _ = world.look(world.begun())
    world.end("job-1", "failed", "Failed", "the provider has no June")
    backfill, _ = world.look(backfill)
    assert [(f.part, f.job_id, f.reason) for f in backfill.failed] == [("2024-06", "job-1", "the provider has no June")]
    assert [asked["start"] for asked in world.asked.values()][2:] == ["2024-04-01"]
    assert "0 of 6 months done, 1 failed" in world.overseer().in_words(backfill)
    assert shown_backfill(world.folder, world.now)["failedParts"][0]["jobID"] == "job-1"


def test_a_part_whose_job_died_is_started_again_as_often_as_the_policy_says(world: World) -> None:
    world.at_once = 1
    backfill, _ = world.look(world.begun())
    world.end("job-1", "failed", "Crashed", "the process was killed")
    backfill, _ = world.look(backfill)
    assert [asked["start"] for asked in world.asked.values()] == ["2024-06-01", "2024-06-01"]
    world.end("job-2", "failed", "Crashed", "the process was killed")
    backfill, _ = world.look(backfill)
    assert backfill.chunks.failed == 1 and world.asked["job-3"]["start"] == "2024-05-01"


def test_jobs_that_wait_to_be_tried_again_hold_no_place_until_their_provider_is_away(world: World) -> None:
    backfill, _ = world.look(world.begun())
    world.end("job-1", "accepted", "AwaitingRetry")
    backfill, _ = world.look(backfill)
    assert len(world.jobs) == 3
    world.end("job-2", "accepted", "AwaitingRetry")
    backfill, _ = world.look(backfill)
    assert len(world.jobs) == 3


def test_a_job_that_somebody_removed_or_dismissed_is_listed(world: World) -> None:
    backfill, _ = world.look(world.begun())
    del world.jobs["job-1"]
    world.end("job-2", "dismissed", "Cancelled", "dismissed")
    backfill, _ = world.look(backfill)
    assert [failed.reason for failed in backfill.failed] == ["its job was removed", "dismissed"]


def test_only_units_that_lack_values_are_computed_and_nothing_where_none_does(world: World) -> None:
    world.inputs = {"orgUnitLevel": [2]}
    lacking = {"2024-06": [], "2024-05": ["a", "b"], "2024-04": None}
    world.lacking = lambda part: lacking.get(part.id, [])
    backfill, _ = world.look(world.begun())
    assert [sorted(asked) for asked in world.asked.values()] == [
        ["datasetId", "dryRun", "end", "orgUnitIds", "start"],
        ["datasetId", "dryRun", "end", "orgUnitLevel", "start"],
    ]
    assert world.asked["job-1"]["orgUnitIds"] == ["a", "b"] and backfill.chunks.done == 1
    world.end("job-1")
    world.end("job-2")
    backfill, again = world.look(backfill)
    assert again is None and len(world.jobs) == 2 and backfill.chunks.done == 6


def test_a_dismissed_one_stops_its_jobs_and_one_that_was_being_started(world: World) -> None:
    backfill, _ = world.look(world.begun())
    world.end("job-1")
    lost = world.submit({}, backfill.parts[1].key(backfill.job_id))
    backfill.replaced(backfill.parts[1].model_copy(update={"job_id": ""})).keep(world.folder)
    stopped: list[str] = []

    def cancel(job_id: str) -> Job:
        stopped.append(job_id)
        if job_id == "job-1":
            raise EngineUnavailableError("Prefect does not answer")
        return world.jobs[job_id]

    stop(world.folder, cancel, lambda keys: [world.keys[key] for key in keys if key in world.keys])
    assert stopped == ["job-1", lost.id]


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (timedelta(seconds=20), "3.0 a minute"),
        (timedelta(minutes=8), "7.5 an hour"),
        (timedelta(hours=5), "4.8 a day"),
        (timedelta(days=2), "one in 2.0 days"),
    ],
)
def test_a_rate_in_words(pace: timedelta, words: str) -> None:
    assert rate_in_words(pace) == words
