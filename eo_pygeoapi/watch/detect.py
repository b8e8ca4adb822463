"""What is wrong now: from what is known of datasets, workers and the machine to conditions."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Event
from eo_pygeoapi.errors import AWAY, Away
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.connections import TokenFacts
from eo_pygeoapi.watch import freshness
from eo_pygeoapi.watch.freshness import Facts
from eo_pygeoapi.watch.missed import Missed, Why
from eo_pygeoapi.watch.problems import Condition, problem_id

NO_WORKER_AFTER = timedelta(minutes=10)
LEAST_FREE, ENOUGH_FREE = 0.1, 0.12  # a disk that was nearly full is so until it has the second
EXPIRES_WITHIN = timedelta(days=14)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
OF_JOBS = "jobs"  # the line of problems that the last jobs of datasets tell of
_SHOWN = 5
_EXPIRED = 2  # worse than to expire soon
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
# what differs between messages of one cause: ids, dates, numbers
_VARIES = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b\d[\d.,:-]*(?:[TZ]\d*)?")


@dataclass(frozen=True)
class Failure:
    """The last job of a dataset, which failed, and what kind of problem that is.

    `token_of` is the connection whose token had expired: its problem gets worse, and there is no other.
    """

    facts: Facts
    job: Job
    event: Event = "failed"
    away: Away = ""
    token_of: str = ""

    @property
    def cause(self) -> str:
        """Return what is the same for failures with one cause: who is away, or the words without what varies."""
        dataset = self.facts.dataset
        if self.token_of:
            return _token_of(self.token_of)
        words = self.job.message.replace(dataset.id, "#").replace(dataset.title, "#")
        return who(self.away, dataset) or _VARIES.sub("#", words)

    def may_hit(self, dataset: Dataset) -> bool:
        """Tell whether a job of this dataset may fail for the same cause."""
        own, of_away = self.facts.dataset, AWAY if self.event == "credential" else [self.away]
        return dataset.tenant == own.tenant and any(who(one, dataset) == who(one, own) for one in of_away if one)


def who(away: Away, dataset: Dataset) -> str:
    """Return who is away: the same for all datasets that need it."""
    if away == "provider":
        return f"provider {dataset.source} {dataset.options.address()}"
    return f"DHIS2 of the connection {dataset.dhis2.connection}" if away == "DHIS2" else ""


@dataclass(frozen=True)
class Refusal:
    """Values of a dataset that DHIS2 refused in its last import."""

    facts: Facts
    count: int
    reason: str
    job_id: str
    at: datetime


def without_stale(found: Iterable[Failure]) -> Iterator[Failure]:
    """Yield the failures but those of providers that had stopped, where it is known by now whether they still have.

    `stale` tells of those, and not any more once the provider goes on, though the next job is still to come.
    """
    for failure in found:
        if failure.event != "stale-provider" or failure.facts.newest_day is None:
            yield failure


def failures(found: Iterable[Failure], may_follow: Callable[[Failure], bool] = lambda _: False) -> Iterator[Condition]:
    """Yield one condition for each cause, however many datasets have it.

    `may_follow` tells whether jobs are under way that may fail for the same cause in a moment.
    """
    by_cause: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in found:
        by_cause.setdefault((failure.event, failure.facts.dataset.tenant, failure.cause), []).append(failure)
    for (_, tenant, cause), some in by_cause.items():
        first = min(some, key=_since)
        titles = [failure.facts.dataset.title for failure in some]
        subject = titles[0] if len(titles) == 1 else f"{len(titles)} datasets ({_listed(titles)})"
        yield Condition(
            event=first.event,
            cause=cause,
            since=_since(first),
            message=f"{subject} failed: {first.job.message}",
            what_to_do=_what_a_failure_means(first.job),
            datasets=tuple(failure.facts.dataset.id for failure in some),
            tenant=tenant,
            job_id=first.job.id,
            weight=len(some) + (_EXPIRED if first.token_of else 0),
            unsettled=may_follow(first),
            line="" if first.token_of else OF_JOBS,
        )


def _what_a_failure_means(job: Job) -> str:
    """Say what a failed job means for the values, and what to do."""
    again = "When the cause is mended, run it again; scheduled runs go on by themselves."
    if job.inputs.get("dryRun") is False:
        return f"The values of the periods that this job was for are not in DHIS2. {again}"
    return f"It was a dry run, which imports nothing; newer values are not published. {again}"


def _since(failure: Failure) -> datetime:
    """Return since when a dataset fails, whatever the cause was before: it may change from day to day."""
    return min(failure.facts.failing_since or failure.job.updated, failure.job.updated)


def doubts(found: Iterable[tuple[Facts, Job, str]]) -> Iterator[Condition]:
    """Yield a condition for each dataset of whose last job too many values cannot be, with what the job said of it."""
    for facts, job, said in found:
        dataset = facts.dataset
        yield Condition(
            event="implausible",
            cause=dataset.id,
            since=job.updated,
            message=f"{dataset.title}: {said}",
            what_to_do="Values that cannot be are not imported; the job lists them. Ask the provider, or correct the "
            "dataset's `units` or `plausible`.",
            datasets=(dataset.id,),
            tenant=dataset.tenant,
            job_id=job.id,
        )


def refusals(found: Iterable[Refusal]) -> Iterator[Condition]:
    """Yield a condition for each dataset of whose last import DHIS2 refused values."""
    for refusal in found:
        dataset = refusal.facts.dataset
        yield Condition(
            event="refused",
            cause=dataset.id,
            since=refusal.at,
            message=f"DHIS2 refused {refusal.count} values of {dataset.title}: {refusal.reason}",
            what_to_do="The job lists every refused value with its reason.",
            datasets=(dataset.id,),
            tenant=dataset.tenant,
            job_id=refusal.job_id,
            weight=refusal.count,
        )


def chains(found: Iterable[tuple[Facts, Chain]]) -> Iterator[Condition]:
    """Yield a condition for each thing that was to be done after a dataset's import, and failed, or was not done."""
    for facts, chain in found:
        for link in chain.links:
            if link.status != "failed":
                continue
            dataset = facts.dataset
            yield Condition(
                event="failed",
                cause=_after(link.name, dataset),
                since=link.finished or chain.imported,
                message=f"After the import of {dataset.title}, {link.name} failed: {link.message}",
                what_to_do="The values are in DHIS2. Mend the cause; the next import that changes something in DHIS2 "
                "tries it again.",
                datasets=(dataset.id,),
                tenant=dataset.tenant,
                job_id=link.job_id or chain.job_id,
            )


def problem_of_link(facts: Facts, name: str) -> str:
    """Return the id of the problem that something failed which was to be done after a dataset's import."""
    dataset = facts.dataset
    return problem_id("failed", dataset.tenant, _after(name, dataset))


def _after(name: str, dataset: Dataset) -> str:
    return f"{name} after {dataset.id}"


def unreadable(found: Iterable[Facts], now: datetime) -> Iterator[Condition]:
    """Yield a condition for each dataset of which the results store does not give what it has."""
    for facts in found:
        if facts.unreadable:
            yield Condition(
                event="failed",
                cause=f"files of {facts.dataset.id}",
                since=now,
                title="its files cannot be read",
                message=f"The files of {facts.dataset.title} in the results store cannot be read: {facts.unreadable}.",
                what_to_do="Until when its values are right is not known, and nobody hears that they are late. Take "
                "the file from a backup, or remove it and run the dataset again for its days.",
                datasets=(facts.dataset.id,),
                tenant=facts.dataset.tenant,
            )


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
        message = f"{facts.dataset.title} is late: its newest values are of {last.end}, {days} days ago."
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
    for (tenant, provider, newest, final), some in by_provider.items():
        titles = ", ".join(facts.dataset.title for facts in some[:_SHOWN])
        what = f"The final data of {titles} have" if final else f"The provider of {titles} has"
        yield Condition(
            event="stale-provider",
            cause=f"{provider} final" if final else provider,
            since=datetime.combine(newest, time(), UTC),
            message=f"{what} stopped: {'their' if final else 'its'} newest day is {newest}, {(today - newest).days} "
            f"days ago.{' Preliminary values stay in their place.' if final else ''}",
            what_to_do="Ask the provider, or set another provider or address in the datasets' options.",
            datasets=tuple(facts.dataset.id for facts in some),
            tenant=tenant,
            weight=len(some),
        )


def missed(found: Iterable[Missed], *, catching_up: bool = False) -> Iterator[Condition]:
    """Yield one condition for each reason why schedules did not run, however many did not.

    It opens no problem while workers are `catching_up` after an absence; but one that is open stays so.
    """
    by_reason: dict[tuple[str, Why], list[Missed]] = {}
    for one in found:
        by_reason.setdefault((one.standing.dataset.tenant, one.why), []).append(one)
    for (tenant, why), some in by_reason.items():
        first = min(some, key=lambda one: one.due)
        names = [one.standing.name for one in some]
        if len(some) == 1:
            local = first.due.astimezone(ZoneInfo(first.standing.schedule.timezone))
            which = (
                f"The schedule {names[0]} did not run at {local:%Y-%m-%d %H:%M} ({first.standing.schedule.timezone})"
            )
        else:
            which = f"{len(some)} schedules ({_listed(names)}) did not run when they were due"
        yield Condition(
            event="missed",
            cause=why,
            since=first.due,
            message=f"{which}: {_NOT_RUN_BECAUSE[why]}.",
            what_to_do=f"The values of the days that it was to fetch are not there yet. {_MISSED_WHAT_TO_DO[why]} "
            f"`eo-pygeoapi schedules run {names[0]}` makes up for it.",
            datasets=tuple(dict.fromkeys(one.standing.dataset.id for one in some)),
            tenant=tenant,
            weight=len(some),
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
    for (tenant, reason), some in by_reason.items():
        names = [standing.name for standing in some]
        what = f"The schedule {names[0]} is" if len(some) == 1 else f"{len(some)} schedules ({_listed(names)}) are"
        yield Condition(
            event="credential",
            cause=f"paused: {reason}",
            since=min((standing.changed for standing in some if standing.changed), default=now),
            title="schedules wait for a credential",
            message=f"{what} paused: {reason}.",
            what_to_do="Nothing is fetched and imported by it. Give it what it lacks, and run `eo-pygeoapi apply`; or "
            "say `active: false` in the configuration file.",
            datasets=tuple(dict.fromkeys(standing.dataset.id for standing in some)),
            tenant=tenant,
            weight=len(some),
        )


def workers(last_alive: datetime | None, now: datetime, watched_since: datetime = LONG_AGO) -> Iterator[Condition]:
    """Yield a condition when no worker has given a sign of life for a while.

    It opens no problem before they had as long a while to give one since somebody watches; but one that is open stays.
    """
    if last_alive is not None and now - last_alive < NO_WORKER_AFTER:
        return
    yield Condition(
        event="worker",
        cause="none",
        since=last_alive or watched_since,
        message="No worker is alive: jobs wait, and nothing is imported.",
        what_to_do="Start `eo-pygeoapi up`, or a worker with `eo-pygeoapi worker`, and look at its log.",
        unsettled=now - watched_since < NO_WORKER_AFTER,
    )


def disk(folder: str, free: int, total: int, now: datetime) -> Iterator[Condition]:
    """Yield a condition when less than a tenth of a disk is free; a problem of it is over when a bit more is."""
    if not total or free / total >= ENOUGH_FREE:
        return
    share = free / total
    yield Condition(
        event="disk",
        cause=folder,
        since=now,
        message=f"The disk of {folder} is nearly full: {share:.0%} ({free / 2**30:.1f} GiB) is free.",
        what_to_do="`eo-pygeoapi prune --dry-run` says what can go; `eo.retention` keeps it small from then on.",
        weight=2 if share < LEAST_FREE / 2 else 1,
        unsettled=share >= LEAST_FREE,
    )


def expiring(connection: str, token: TokenFacts, now: datetime, datasets: Sequence[Facts]) -> Iterator[Condition]:
    """Yield a condition when the token of a DHIS2 connection has expired, or will within two weeks."""
    expires = token.expires
    if expires is None or expires - now > EXPIRES_WITHIN:
        return
    over = expires <= now
    which = f"The token of the DHIS2 connection {connection!r}"
    if token.tokens > 1:
        which = f"One of the {token.tokens} tokens that the user of the DHIS2 connection {connection!r} has"
    tenants = {facts.dataset.tenant for facts in datasets}
    yield Condition(
        event="credential",
        cause=_token_of(connection),
        since=expires - EXPIRES_WITHIN,
        message=f"{which} {'expired' if over else 'expires'} on {expires:%Y-%m-%d}.",
        what_to_do="Make a new personal access token in DHIS2, give it to the environment or the Prefect block, and "
        "delete the old one. The next job that imports, also in a dry run, notices.",
        datasets=tuple(facts.dataset.id for facts in datasets),
        tenant=tenants.pop() if len(tenants) == 1 else "",  # of several it is nobody's alone
        weight=_EXPIRED if over else 1,
    )


def _token_of(connection: str) -> str:
    return f"token of {connection}"


def _listed(names: Sequence[str]) -> str:
    shown, more = ", ".join(names[:_SHOWN]), len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
