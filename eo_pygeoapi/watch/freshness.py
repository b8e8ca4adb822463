"""Until when a dataset's values are right: pure arithmetic over what the store and Prefect know of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from statistics import median_low

from eo_pygeoapi.contract.operations import DATASET_STATES, BoundaryChange, DatasetState, DatasetStatus
from eo_pygeoapi.contract.periods import Period, period_of
from eo_pygeoapi.datasets.block import Dataset, Schedule
from eo_pygeoapi.datasets.schedule_times import latest_until
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.jobs.documents import last_run
from eo_pygeoapi.store import boundaries
from eo_pygeoapi.store.coverage import PeriodSummary
from eo_pygeoapi.watch.feed_jobs import CHOOSE_UNITS, OTHER_SETTINGS, PUBLISH_NOTHING, days_asked
from eo_pygeoapi.wording import counted, some

LEAST_GRACE = timedelta(days=2)
# of so many of the newest periods it is looked at how many units they usually have
LOOKED_AT = 100


@dataclass(frozen=True)
class Facts:
    """What is known of one dataset."""

    dataset: Dataset
    periods: Sequence[PeriodSummary]
    last_run: Job | None = None  # the last job that tells how the feed is
    last_good: Job | None = None  # the last of these that succeeded
    last_import: Job | None = None  # the last of these that was no dry run
    shown_run: Job | None = None  # the last of all
    last_done: Job | None = None  # the last of all that succeeded
    paused: bool = False
    failing_since: datetime | None = None  # when the first of the jobs ended that have failed since the last success
    standings: Sequence[Standing] = ()
    expected: date | None = None  # when the next period comes, where it is known better than by the usual delay
    newest_day: date | None = None  # that the provider has, as it said last
    newest_final: date | None = None  # the same of final data, where newer ones are provisional
    boundaries: Sequence[BoundaryChange] = ()
    unreadable: str = ""  # why the results store does not give what it has of it
    unit_count: int = 0  # of the last job for all units; 0 where there was none
    prefect_away: bool = False  # so that nothing is known of its jobs but what problems say

    @property
    def last_success(self) -> datetime | None:
        """When the last job ended that succeeded; None where none did."""
        return self.last_done.finished if self.last_done else None


def newest(facts: Facts) -> PeriodSummary | None:
    """Return the newest period with values, of a feed for most of its units."""
    return _newest_with_most(facts, lambda period: period.present)


def newest_imported(facts: Facts) -> PeriodSummary | None:
    """Return the newest period that DHIS2 holds from us, of a feed for most of its units."""
    return _newest_with_most(facts, lambda period: period.imported)


def _newest_with_most(facts: Facts, count: Callable[[PeriodSummary], int]) -> PeriodSummary | None:
    """Return the newest period with at least half as many units as periods usually have, or as there are now.

    A job for one unit does not make a feed whose schedule has stopped look fresh. Where no schedule asks for all units,
    any number will do.
    """
    recent = list(islice((n for period in reversed(facts.periods) if (n := count(period))), LOOKED_AT))
    if not recent:
        return None
    enough = 1.0
    if any(schedule.active and not schedule.inputs.keys() & CHOOSE_UNITS for schedule in facts.dataset.schedules):
        usual = median_low(recent)
        enough = max(min(usual, facts.unit_count or usual) / 2, 1)
    return next((period for period in reversed(facts.periods) if count(period) >= enough), None)


def gaps(facts: Facts) -> list[Period]:
    """Return the periods without any value between the first and the newest with one."""
    missing, last = list[Period](), newest(facts)
    day: date | None = None  # that follows the last period with a value
    for known in facts.periods:
        if not known.present or last is None or known.start > last.start:
            continue
        while day is not None and day < known.start:
            missing.append(period_of(day, facts.dataset.period_type))
            day = missing[-1].end + timedelta(1)
        day = known.end + timedelta(1)
    return missing


def expected(facts: Facts, today: date) -> date | None:
    """Return the day on which the data of the next period should come: today where the provider has them early."""
    last = newest(facts)
    if facts.expected is not None or last is None:
        return facts.expected
    return _expected_after(facts, last, today)


def _expected_after(facts: Facts, last: PeriodSummary, today: date) -> date | None:
    next_end = _following(facts, last).end
    usual = facts.dataset.options.expected(next_end)
    if usual is None and facts.dataset.late is not None:
        usual = next_end + facts.dataset.late
    if facts.newest_day is not None and facts.newest_day >= next_end:
        return today if usual is None else min(usual, today)
    return usual


def is_stale(facts: Facts, today: date) -> bool:
    """Tell whether the provider has stopped: its newest day is older than twice its usual delay."""
    return _has_stopped(facts.newest_day, facts.dataset.options.expected, today)


def final_is_stale(facts: Facts, today: date) -> bool:
    """Tell whether final data have stopped, though provisional ones may go on."""
    return _has_stopped(facts.newest_final, facts.dataset.options.final_from, today)


def _has_stopped(newest_day: date | None, usually: Callable[[date], date | None], today: date) -> bool:
    if newest_day is None:
        return False
    first = newest_day + timedelta(1)
    usual = usually(first)
    return usual is not None and today - newest_day > 2 * (usual - first)


def is_late(facts: Facts, today: date) -> bool:
    """Tell whether the newest period is older than it should be, as it is published or as DHIS2 holds it."""
    last = newest(facts)
    return last is not None and (_is_old(facts, last, expected(facts, today), today) or lags(facts, today))


def lags(facts: Facts, today: date) -> bool:
    """Tell whether values are published that a schedule should have brought into DHIS2 by now, and has not.

    A value that a person keeps there is there. Where nothing was ever imported the failed jobs tell why.
    """
    last, held = newest(facts), newest_settled(facts)
    if last is None or held is None or held.end >= last.end:
        return False
    due = _expected_after(facts, held, today)
    return _is_old(facts, held, due, today) and _following(facts, held).end <= _asked_until(facts, today)


def newest_settled(facts: Facts) -> PeriodSummary | None:
    """Return the newest period of which DHIS2 holds values, ours or those that were kept."""
    return _newest_with_most(facts, lambda period: period.imported + period.kept)


def _is_old(facts: Facts, last: PeriodSummary, due: date | None, today: date) -> bool:
    """Tell whether values that follow a period should be there by now; `due` is when they are expected."""
    next_end = _following(facts, last).end
    if facts.dataset.late is not None:
        return today - next_end >= facts.dataset.late
    return due is not None and today > due + max(LEAST_GRACE, (due - next_end) / 4)


def _asked_until(facts: Facts, today: date) -> date:
    """Return the last day that the schedules which import have asked for before today; that of the latest."""
    paused = {standing.schedule.name for standing in facts.standings if standing.paused_by}
    found = [date.min]
    for schedule in facts.dataset.schedules:
        imports = schedule.active and schedule.inputs.get("dryRun") is False and schedule.name not in paused
        if imports and not schedule.inputs.keys() & OTHER_SETTINGS:
            found.append(_last_day(facts.dataset, schedule, today))
    return max(found)


def _last_day(dataset: Dataset, schedule: Schedule, today: date) -> date:
    """Return the last day that a schedule asked for when it ran last before today."""
    ran = latest_until(schedule, datetime.combine(today, time(), UTC))
    asked = days_asked(schedule.inputs, dataset.id, dataset.time_zone, ran) if ran else None
    return asked.end if asked else date.min


def state(facts: Facts, today: date) -> DatasetState:
    """Return the one word for how a dataset is; where several fit, the worst."""
    failed = facts.last_run is not None and facts.last_run.status == "failed"
    if facts.unreadable or failed or (facts.prefect_away and facts.failing_since is not None):
        return "failing"
    if is_late(facts, today):
        return "late"
    if newest(facts) is None:
        return "never"
    return "paused" if facts.paused else "ok"


def status(facts: Facts, today: date, problems: Sequence[str] = ()) -> DatasetStatus:
    """Return the document of a dataset, without links."""
    dataset, last, held = facts.dataset, newest(facts), newest_imported(facts)
    provisional = next((period.start for period in facts.periods if period.provisional), None)
    known = {
        "published_until": last and last.end,
        "imported_until": held and held.end,
        "provisional_from": provisional,
        "expected": expected(facts, today),
        "provider_until": facts.newest_day,
        "last_run": (shown := facts.shown_run or facts.last_run) and last_run(shown),
        "last_success": facts.last_success,
    }
    return DatasetStatus(
        id=dataset.id,
        title=dataset.title,
        source=dataset.source,
        period_type=dataset.period_type,
        unit=dataset.unit,
        aggregation={"spatial": dataset.aggregation.spatial, "temporal": dataset.aggregation.temporal},
        decimals=dataset.decimals,
        gaps=len(gaps(facts)),
        late=is_late(facts, today),
        state=state(facts, today),
        summary=in_words(facts, today),
        problems=list(problems),
        schedules=[schedule.name for schedule in dataset.schedules],
        links=[],
        **{name: value for name, value in known.items() if value is not None},
        **({"tenant": dataset.tenant} if dataset.tenant else {}),
        **({"boundaries": list(facts.boundaries)} if facts.boundaries else {}),
        **({"prefect_away": True} if facts.prefect_away else {}),
    )


def in_words(facts: Facts, today: date) -> str:
    """Say in a sentence until when the values are there, and what is to come."""
    last, held = newest(facts), newest_imported(facts)
    if facts.unreadable:
        return f"its files cannot be read: {facts.unreadable}"
    if last is None:
        return "; ".join([_nothing(facts, today), *_pauses(facts, today)])
    parts = [
        f"in DHIS2 until {_day(held.end, today)}" if held else f"published until {_day(last.end, today)}, not in DHIS2"
    ]
    if held and held.end < last.end:
        parts.append(f"published until {_day(last.end, today)}")
    if is_stale(facts, today) and facts.newest_day:
        parts.append(f"the provider has stopped on {_day(facts.newest_day, today)}")
    elif facts.newest_final and final_is_stale(facts, today):
        parts.append(f"final data have stopped on {_day(facts.newest_final, today)}")
    elif (due := expected(facts, today)) is not None:
        when = "expected today" if due == today else f"was expected on {_day(due, today)}"
        when = f"expected on {_day(due, today)}" if due > today else when
        parts.append(f"{_named(_following(facts, last), today)} {when}")
    elif any(schedule.active for schedule in facts.dataset.schedules):
        parts.append(f"when {_named(_following(facts, last), today)} comes is not known")
    if missing := len(gaps(facts)):
        parts.append(f"{counted(missing, 'period')} missing before")
    return "; ".join([*parts, *boundaries.in_words(facts.boundaries, brief=True), *_pauses(facts, today)])


def _nothing(facts: Facts, today: date) -> str:
    """Say why a dataset has no values, where its last job that succeeded tells it."""
    done = facts.last_done
    if done is None or done.finished is None:
        return "no values yet"
    when = _day(done.finished.date(), today)
    if others := [name for name in PUBLISH_NOTHING if name in done.inputs]:
        return f"no values with its own settings yet; the job that succeeded on {when} had its own {some(others)}"
    return f"no values yet, though a job succeeded on {when}"


def _pauses(facts: Facts, today: date) -> list[str]:
    """Say which schedules a person has paused."""
    paused = [standing for standing in facts.standings if standing.paused_by == "person" and standing.since]
    if not paused:
        return []
    named = "" if len(paused) == len(facts.standings) else f"{', '.join(s.schedule.name for s in paused)} "
    since = min(standing.since for standing in paused if standing.since)
    return [f"{named}paused by a person since {_day(since.date(), today)}"]


def worst_first(documents: Sequence[DatasetStatus]) -> list[DatasetStatus]:
    """Return the documents with the worst first, and by title among equals."""
    return sorted(documents, key=lambda document: (DATASET_STATES.index(document.state), document.title.casefold()))


def _following(facts: Facts, last: PeriodSummary) -> Period:
    return period_of(last.end + timedelta(1), facts.dataset.period_type)


def _named(period: Period, today: date) -> str:
    """Write a period as people call it: a day, a month, or its id."""
    if period.start == period.end:
        return _day(period.start, today)
    if period.start.day == 1 and period.id == f"{period.start:%Y%m}":
        return f"{period.start:%B}" if period.start.year == today.year else f"{period.start:%B %Y}"
    return period.id


def _day(day: date, today: date) -> str:
    """Write `24 November`, with the year where it is another."""
    return f"{day.day} {day:%B}" if day.year == today.year else f"{day.day} {day:%B %Y}"
