"""What has not come: datasets that are late, providers that have stopped, and schedules that did not run or wait."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.watch import freshness
from eo_pygeoapi.watch.freshness import Facts
from eo_pygeoapi.watch.missed import Missed, Why
from eo_pygeoapi.watch.problems import Condition
from eo_pygeoapi.wording import counted, some

_SHOWN = 5
_NOT_RUN_BECAUSE: dict[Why, str] = {
    "no run": "Prefect made no run of it",
    "skipped": "nobody could start it, and its `catchUp` wants no run later",
    "waits": "its run still waits",
}
_MISSED_WHAT_TO_DO: dict[Why, str] = {
    "no run": "Look at the log of the Prefect server, and run `eo-pygeoapi apply`.",
    "skipped": "Look at why no worker was there.",
    "waits": "Look at the workers, and at the queues of the work pool in Prefect: is one paused?",
}


def late(found: Iterable[Facts], today: date, *, catching_up: bool = False) -> Iterator[Condition]:
    """Yield a condition for each dataset whose newest period is older than it should be.

    It opens no problem while jobs are `catching_up` after an absence, nor where the provider has stopped, which is told
    instead; but one that is open stays so.
    """
    for facts in found:
        last = freshness.newest(facts)
        if last is None or not freshness.is_late(facts, today):
            continue
        days, held, since = (today - last.end).days, freshness.newest_settled(facts), freshness.expected(facts, today)
        message = f"{facts.dataset.title} is late: its newest values are of {last.end}, {counted(days, 'day')} ago."
        what_to_do = (
            "Reports that need newer values lack them. Look at its last job: does the provider have newer data, and "
            "does the schedule run?"
        )
        if held is not None and freshness.lags(facts, today):
            message = f"{facts.dataset.title} is late in DHIS2: it holds values until {held.end}, and until {last.end} "
            message += "they are published."
            what_to_do = "Reports in DHIS2 lack them. Look at the last jobs of the schedule: do they import, or is "
            what_to_do += "DHIS2 not asked, or does it refuse?"
            since = held.end
        yield Condition(
            event="late",
            cause=facts.dataset.id,
            since=datetime.combine(since or last.end, time(), UTC),
            message=message,
            what_to_do=what_to_do,
            datasets=(facts.dataset.id,),
            tenant=facts.dataset.tenant,
            unsettled=catching_up or freshness.is_stale(facts, today),
        )


def stale(found: Iterable[Facts], today: date) -> Iterator[Condition]:
    """Yield a condition for each provider that has stopped, however many datasets wait for it."""
    by_provider: dict[tuple[str, str, date, bool], list[Facts]] = {}
    for facts in found:
        dataset, day, final = facts.dataset, facts.newest_day, False
        if not freshness.is_stale(facts, today):
            day, final = (facts.newest_final if freshness.final_is_stale(facts, today) else None), True
        if day is not None:
            key = (dataset.tenant, f"{dataset.source} {dataset.options.address()}", day, final)
            by_provider.setdefault(key, []).append(facts)
    for (tenant, provider, newest, final), these in by_provider.items():
        titles = ", ".join(facts.dataset.title for facts in these[:_SHOWN])
        what = f"The final data of {titles} have" if final else f"The provider of {titles} has"
        yield Condition(
            event="stale-provider",
            cause=f"{provider} final" if final else provider,
            since=datetime.combine(newest, time(), UTC),
            message=f"{what} stopped: {'their' if final else 'its'} newest day is {newest}, "
            f"{counted((today - newest).days, 'day')} ago."
            f"{' Preliminary values stay in their place.' if final else ''}",
            what_to_do="Ask the provider, or set another provider or address in the datasets' options.",
            datasets=tuple(facts.dataset.id for facts in these),
            tenant=tenant,
            weight=len(these),
        )


def missed(found: Iterable[Missed], *, catching_up: bool = False) -> Iterator[Condition]:
    """Yield one condition for each reason why schedules did not run, however many did not.

    It opens no problem while workers are `catching_up` after an absence; but one that is open stays so.
    """
    by_reason: dict[tuple[str, Why], list[Missed]] = {}
    for one in found:
        by_reason.setdefault((one.standing.dataset.tenant, one.why), []).append(one)
    for (tenant, why), these in by_reason.items():
        first = min(these, key=lambda one: one.due)
        names = [one.standing.name for one in these]
        if len(these) == 1:
            local = first.due.astimezone(ZoneInfo(first.standing.schedule.timezone))
            which = (
                f"The schedule {names[0]} did not run at {local:%Y-%m-%d %H:%M} ({first.standing.schedule.timezone})"
            )
        else:
            which = f"{len(these)} schedules ({some(names)}) did not run when they were due"
        yield Condition(
            event="missed",
            cause=why,
            since=first.due,
            message=f"{which}: {_NOT_RUN_BECAUSE[why]}.",
            what_to_do=f"The values of the days that it was to fetch are not there yet. {_MISSED_WHAT_TO_DO[why]} "
            f"`eo-pygeoapi schedules run {names[0]}` makes up for it.",
            datasets=tuple(dict.fromkeys(one.standing.dataset.id for one in these)),
            tenant=tenant,
            weight=len(these),
            unsettled=catching_up,
        )


def paused(found: Iterable[Facts], now: datetime) -> Iterator[Condition]:
    """Yield one condition for each reason why `apply` has left schedules of feeds paused, however many it did."""
    by_reason: dict[tuple[str, str], list[Standing]] = {}
    for facts in found:
        for standing in facts.standings:
            # at a first start people see themselves what is missing
            if standing.paused_by == "missing credentials" and freshness.newest(facts) is not None:
                by_reason.setdefault((facts.dataset.tenant, standing.reason), []).append(standing)
    for (tenant, reason), these in by_reason.items():
        names = [standing.name for standing in these]
        what = f"The schedule {names[0]} is" if len(these) == 1 else f"{len(these)} schedules ({some(names)}) are"
        yield Condition(
            event="credential",
            cause=f"paused: {reason}",
            since=min((standing.changed for standing in these if standing.changed), default=now),
            title="schedules wait for a credential",
            message=f"{what} paused: {reason}.",
            what_to_do="Nothing is fetched and imported by it. Give it what it lacks, and run `eo-pygeoapi apply`; or "
            "say `active: false` in the configuration file.",
            datasets=tuple(dict.fromkeys(standing.dataset.id for standing in these)),
            tenant=tenant,
            weight=len(these),
        )
