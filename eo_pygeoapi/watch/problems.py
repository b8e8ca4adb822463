"""Problems: opened once, told once, and closed when they are over.

What is wrong now is a list of `Condition`s, made anew at every look. `Book.update` compares it with the open problems:
a condition that is new opens a problem, one that is worse counts again, one that is gone closes its problem. So a
problem does not depend on a job that tells of it, and forty failures with one cause are one problem. A dataset that
goes on failing, for another reason or in other words, is the same problem.

    problems/open/{id}.json               what is wrong now
    problems/closed/{YYYY-MM}/{id}.json   what was, by the month of its end

Only the watch writes here.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from eo_pygeoapi.contract.operations import Problem
from eo_pygeoapi.datasets.operations import Event
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.store.store import ResultStore

OPEN, CLOSED = "problems/open", "problems/closed"
ALIVE = "watch/alive.json"  # when the watch last looked


def problem_id(event: Event, tenant: str, cause: str) -> str:
    """Return what a problem is known by while it is open."""
    text = "\n".join((event, tenant, cause))
    return f"{event}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Condition:
    """Something that is wrong now; `cause` tells it from others of the same event and tenant."""

    event: Event
    cause: str
    since: datetime
    message: str
    what_to_do: str = ""
    datasets: tuple[str, ...] = ()
    tenant: str = ""
    job_id: str = ""
    weight: int = 1  # a higher one is worse, and is told again
    channel: str = ""  # the channel that is at fault, and is not told so
    unsettled: bool = False  # more may follow in a moment: neither new nor worse before that
    title: str = ""  # what messages call it, where that is not what they call the event
    line: str = ""  # of the same line, event and datasets there is one problem, which goes on in other words

    @property
    def id(self) -> str:
        """Return what the problem is known by while it is open."""
        return problem_id(self.event, self.tenant, self.cause)


class KeptProblem(Problem):
    """A problem as the store keeps it."""

    datasets: list[str] = []
    weight: int = 1
    channel: str = Field("", description="the channel that is at fault")
    told_title: str = Field("", description="the title that it was told under last")
    told_message: str = ""
    title: str = ""
    line: str = ""
    unheard: list[str] = Field([], description="channels for which what they were to hear of it was given up")
    kind: Event = Field(description="the event, which chooses the channels")

    def shown(self) -> Problem:
        """Return the problem as clients see it."""
        return Problem.model_validate(
            self.model_dump(exclude=set(KeptProblem.model_fields) - set(Problem.model_fields), exclude_none=True)
        )


@dataclass(frozen=True)
class Changes:
    """What an update did, the opened ones in the order of the conditions."""

    opened: Sequence[KeptProblem] = ()
    worse: Sequence[KeptProblem] = ()
    closed: Sequence[KeptProblem] = ()


class Book:
    """The problems of one results store that the viewer sees: all, but where a request is being answered."""

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        self._viewer = viewer()

    def open(self) -> list[KeptProblem]:
        """Return the open problems, the oldest first."""
        return self._read(OPEN)

    def closed(self, limit: int = 100) -> list[KeptProblem]:
        """Return the problems that closed last, the latest first."""
        found: list[KeptProblem] = []
        for month in sorted({key.split("/")[2] for key in self._store.keys(CLOSED)}, reverse=True):
            found += sorted(self._read(f"{CLOSED}/{month}"), key=lambda p: p.until or p.since, reverse=True)
            if len(found) >= limit:
                break
        return found[:limit]

    def update(
        self,
        conditions: Iterable[Condition],
        now: datetime,
        unknown: Collection[Event] = (),
        held: Callable[[KeptProblem], bool] = lambda _: False,
    ) -> Changes:
        """Bring the open problems in step with what is wrong now; returns what changed.

        An unsettled condition opens no problem yet, and makes none worse.
        Problems of events in `unknown`, and that are `held`, stay open, for nobody can tell whether they are over.
        """
        known = {problem.id: problem for problem in self.open()}
        wrong = _going_on(known, {condition.id: condition for condition in conditions})
        opened = [
            self._keep(_new(condition))
            for id_, condition in wrong.items()
            if id_ not in known and not condition.unsettled
        ]
        worse = []
        for id_, problem in known.items():
            if (condition := wrong.get(id_)) is None:
                continue
            now_so = _still(problem, condition)
            if now_so != problem:
                self._keep(now_so)
            if now_so.times > problem.times:
                worse.append(now_so)
        gone = [problem for id_, problem in known.items() if id_ not in wrong]
        over = [problem for problem in gone if problem.kind not in unknown and not held(problem)]
        closed = [problem.model_copy(update={"until": now}) for problem in over]
        for problem in closed:
            key = f"{CLOSED}/{now:%Y-%m}/{problem.id}-{now:%Y%m%dT%H%M%S}.json"
            self._store.write_json(key, problem.model_dump(mode="json", by_alias=True, exclude_none=True))
            self._store.delete(f"{OPEN}/{problem.id}.json")
        return Changes(opened, worse, closed)

    def told(self, problem: KeptProblem) -> None:
        """Keep whom a problem was told to, while it is open."""
        if self._store.exists(f"{OPEN}/{problem.id}.json"):
            self._keep(problem)

    def unheard(self, problem_id: str, channel: str) -> None:
        """Keep that a channel has not heard of a problem, while it is open, though it was told."""
        for problem in self.open():
            if problem.id == problem_id and channel not in problem.unheard:
                self._keep(problem.model_copy(update={"unheard": [*problem.unheard, channel]}))

    def _keep(self, problem: KeptProblem) -> KeptProblem:
        self._store.write_json(
            f"{OPEN}/{problem.id}.json", problem.model_dump(mode="json", by_alias=True, exclude_none=True)
        )
        return problem

    def _read(self, folder: str) -> list[KeptProblem]:
        problems = [KeptProblem.model_validate(self._store.read_json(key)) for key in self._store.keys(folder)]
        return sorted((p for p in problems if self._viewer.sees(p.tenant)), key=lambda problem: problem.since)


def _going_on(known: Mapping[str, KeptProblem], wrong: Mapping[str, Condition]) -> dict[str, Condition]:
    """Return what is wrong by the id of its problem: of one that goes on in other words that of before."""
    found = {id_: condition for id_, condition in wrong.items() if id_ in known}
    for id_, condition in wrong.items():
        if id_ in found:
            continue
        before = (p.id for p in known.values() if p.id not in wrong and p.id not in found and _is_one(p, condition))
        found[next(before, id_)] = condition
    return found


def _is_one(problem: KeptProblem, condition: Condition) -> bool:
    """Tell whether a condition is what a problem has become."""
    same = (problem.line, problem.kind, problem.tenant) == (condition.line, condition.event, condition.tenant)
    return same and bool(condition.line) and not set(problem.datasets).isdisjoint(condition.datasets)


def _new(condition: Condition) -> KeptProblem:
    return KeptProblem(
        id=condition.id,
        event=condition.event,
        kind=condition.event,
        dataset=condition.datasets[0] if len(condition.datasets) == 1 else "",
        datasets=list(condition.datasets),
        tenant=condition.tenant,
        since=condition.since,
        message=condition.message,
        what_to_do=condition.what_to_do,
        job_id=condition.job_id,
        channel=condition.channel,
        title=condition.title,
        line=condition.line,
        weight=condition.weight,
    )


def _still(problem: KeptProblem, condition: Condition) -> KeptProblem:
    """Return an open problem as it is now: it began when it was first seen, and counts again where it is worse."""
    fresh = _new(condition)
    weight = problem.weight if condition.unsettled else max(problem.weight, fresh.weight)
    kept = {
        "id": problem.id,
        "unheard": problem.unheard,
        "since": min(problem.since, fresh.since),
        "told": problem.told,
        "told_title": problem.told_title,
        "told_message": problem.told_message,
        "weight": weight,
        "times": problem.times + (weight > problem.weight),
    }
    return fresh.model_copy(update=kept)
