"""The plan of a setup: what DHIS2 lacks, what of it differs, and the objects that put it right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.pipeline.dhis2.identifiers import Object
from eo_pygeoapi.pipeline.dhis2.metadata.objects import KINDS, Wanted

Action = Literal["make", "add", "change"]


class Step(Model):
    """One line of a plan: an object that is made, what is added to one, or what differs of one."""

    action: Action
    kind: str
    id: str
    code: str
    name: str
    details: list[str]

    def in_words(self) -> str:
        """Return the step as people read it."""
        name = self.code or self.name
        title = f" “{self.name}”" if self.name != name and self.action == "make" else ""
        details = f": {'; '.join(self.details)}" if self.details else ""
        return f"{self.kind} {name}{title}{details}"


@dataclass(frozen=True)
class Entry:
    """A wanted object beside what DHIS2 has: the whole object, or None."""

    wanted: Wanted
    held: Object | None

    def steps(self) -> list[Step]:
        """Return what is to be done about it; nothing where it is there and fits."""
        if self.held is None:
            return [self._step("make", self.wanted.described())]
        found: list[tuple[Action, list[str]]] = [
            ("add", self.wanted.lacks(self.held)),
            ("change", self.wanted.differs(self.held)),
        ]
        return [self._step(action, details) for action, details in found if details]

    def _step(self, action: Action, details: list[str]) -> Step:
        wanted, held = self.wanted, self.held or {}
        # a user has another name than the one it logs in with
        code = wanted.code or str(held.get("code") or held.get("username") or "")
        return Step(
            action=action,
            kind=KINDS[wanted.collection],
            id=wanted.id,
            code=code,
            name=str(held.get("name") or wanted.name),
            details=details,
        )


@dataclass(frozen=True)
class Plan:
    """The steps of a setup, in the order in which people read them."""

    entries: Sequence[Entry]

    @property
    def steps(self) -> list[Step]:
        """All steps."""
        return [step for entry in self.entries for step in entry.steps()]

    def to_do(self, change: bool) -> list[Step]:
        """Return the steps that are taken; what differs only with `change`."""
        return [step for step in self.steps if change or step.action != "change"]

    def objects(self, change: bool) -> dict[str, list[dict[str, Any]]]:
        """Return the whole objects to be made or changed, by collection."""
        found: dict[str, list[dict[str, Any]]] = {}
        for wanted, held in ((entry.wanted, entry.held) for entry in self.entries if _has_work(entry, change)):
            body = wanted.made() if held is None else wanted.mended(held, change)
            found.setdefault(wanted.collection, []).append(body)
        return found


def _has_work(entry: Entry, change: bool) -> bool:
    return any(change or step.action != "change" for step in entry.steps())


def plan_of(entries: Iterable[tuple[Wanted, Object | None]]) -> Plan:
    """Return the plan for wanted objects beside those that DHIS2 has."""
    return Plan([Entry(wanted, held) for wanted, held in entries])
