"""What is wrong now: from what jobs, workers and the machine tell to conditions; `overdue` has what did not come."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Event
from eo_pygeoapi.errors import AWAY, Away
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.connections import TokenFacts
from eo_pygeoapi.watch.freshness import Facts
from eo_pygeoapi.watch.problems import Condition, problem_id
from eo_pygeoapi.wording import counted, some

NO_WORKER_AFTER = timedelta(minutes=10)
LEAST_FREE, ENOUGH_FREE = 0.1, 0.12  # a disk that was nearly full is so until it has the second
EXPIRES_WITHIN = timedelta(days=14)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
OF_JOBS = "jobs"  # the line of problems that the last jobs of datasets tell of
_EXPIRED = 2  # worse than to expire soon
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
    for (_, tenant, cause), these in by_cause.items():
        first = min(these, key=_since)
        titles = [failure.facts.dataset.title for failure in these]
        subject = titles[0] if len(titles) == 1 else f"{len(titles)} datasets ({some(titles)})"
        yield Condition(
            event=first.event,
            cause=cause,
            since=_since(first),
            message=f"{subject} failed: {first.job.message}",
            what_to_do=_what_a_failure_means(first.job),
            datasets=tuple(failure.facts.dataset.id for failure in these),
            tenant=tenant,
            job_id=first.job.id,
            weight=len(these) + (_EXPIRED if first.token_of else 0),
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
            message=f"DHIS2 refused {counted(refusal.count, 'value')} of {dataset.title}: {refusal.reason}",
            what_to_do="Mend in DHIS2 what the reason names, and import these days again. The job lists every refused "
            "value with its reason.",
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
