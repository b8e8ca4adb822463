"""Until when a dataset's values are right: pure arithmetic over what the store and Prefect know of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from eo_pygeoapi.contract.operations import DATASET_STATES, BoundaryChange, DatasetState, DatasetStatus
from eo_pygeoapi.contract.periods import Period, period_of
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.jobs.documents import last_run
from eo_pygeoapi.store import boundaries
from eo_pygeoapi.store.coverage import PeriodSummary

LEAST_GRACE = timedelta(days=2)


@dataclass(frozen=True)
class Facts:
    """What is known of one dataset."""

    dataset: Dataset
    periods: Sequence[PeriodSummary]
    last_run: Job | None = None
    last_success: datetime | None = None
    paused: bool = False
    failing_since: datetime | None = None  # when the first of the jobs ended that have failed since the last success
    standings: Sequence[Standing] = ()
    expected: date | None = None  # when the next period comes, where it is known better than by the usual delay
    newest_day: date | None = None  # that the provider has, as it said last
    boundaries: Sequence[BoundaryChange] = ()
    prefect_away: bool = False  # so that nothing is known of its jobs but what problems say


def newest(facts: Facts) -> PeriodSummary | None:
    """Return the newest period with a value."""
    return next((period for period in reversed(facts.periods) if period.present), None)


def newest_imported(facts: Facts) -> PeriodSummary | None:
    """Return the newest period that DHIS2 holds from us."""
    return next((period for period in reversed(facts.periods) if period.imported), None)


def gaps(facts: Facts) -> list[Period]:
    """Return the periods without any value between the first and the newest with one."""
    missing: list[Period] = []
    day: date | None = None  # that follows the last period with a value
    for known in facts.periods:
        if not known.present:
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
    next_end = _following(facts, last).end
    usual = facts.dataset.options.expected(next_end)
    if facts.newest_day is not None and facts.newest_day >= next_end:
        return today if usual is None else min(usual, today)
    return usual


def is_stale(facts: Facts, today: date) -> bool:
    """Tell whether the provider has stopped: its newest day is older than twice its usual delay."""
    if facts.newest_day is None:
        return False
    first = facts.newest_day + timedelta(1)
    usual = facts.dataset.options.expected(first)
    return usual is not None and today - facts.newest_day > 2 * (usual - first)


def is_late(facts: Facts, today: date) -> bool:
    """Tell whether the newest period is older than it should be."""
    last, due = newest(facts), expected(facts, today)
    if last is None:
        return False
    if facts.dataset.late is not None:
        return today - last.end > facts.dataset.late
    if due is None:
        return False
    usual = due - _following(facts, last).end
    return today > due + max(LEAST_GRACE, usual / 4)


def state(facts: Facts, today: date) -> DatasetState:
    """Return the one word for how a dataset is; where several fit, the worst."""
    failed = facts.last_run is not None and facts.last_run.status == "failed"
    if failed or (facts.prefect_away and facts.failing_since is not None):
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
        "last_run": facts.last_run and last_run(facts.last_run),
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
    if last is None:
        return "; ".join(["no values yet", *_pauses(facts, today)])
    parts = [
        f"in DHIS2 until {_day(held.end, today)}" if held else f"published until {_day(last.end, today)}, not in DHIS2"
    ]
    if held and held.end < last.end:
        parts.append(f"published until {_day(last.end, today)}")
    if is_stale(facts, today) and facts.newest_day:
        parts.append(f"the provider has stopped on {_day(facts.newest_day, today)}")
    elif (due := expected(facts, today)) is not None:
        when = "expected today" if due == today else f"was expected on {_day(due, today)}"
        when = f"expected on {_day(due, today)}" if due > today else when
        following = _following(facts, last)
        named = following.id
        if following.start == following.end:
            named = _day(following.start, today)
        elif following.start.day == 1 and following.id == f"{following.start:%Y%m}":
            named = f"{following.start:%B}" if following.start.year == today.year else f"{following.start:%B %Y}"
        parts.append(f"{named} {when}")
    if missing := len(gaps(facts)):
        parts.append(f"{missing} {'period' if missing == 1 else 'periods'} missing before")
    return "; ".join([*parts, *boundaries.in_words(facts.boundaries, brief=True), *_pauses(facts, today)])


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


def _day(day: date, today: date) -> str:
    """Write `24 November`, with the year where it is another."""
    return f"{day.day} {day:%B}" if day.year == today.year else f"{day.day} {day:%B %Y}"
