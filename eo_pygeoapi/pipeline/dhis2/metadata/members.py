"""The members of an object in DHIS2 that matter to imports, and how each is compared with what DHIS2 has.

What a member *lacks* is added to what is there already. Where it *differs*, something of it would have to go.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from eo_pygeoapi.wording import some

ALL = "ALL"  # the authority that stands for every other
_PLURALS = {"category": "categories"}
DEFAULT = "default"  # the category combination of what is not divided


class Member(Protocol):
    """One member: its value in a new object, and what is wrong with the one that DHIS2 has."""

    @property
    def name(self) -> str:
        """Its name in DHIS2's JSON."""

    def made(self) -> Any:
        """Return the value for a new object."""

    def described(self) -> str:
        """Say what the value of a new object is; empty where it goes without saying."""

    def lacks(self, held: Any) -> list[str]:
        """Say what the value that DHIS2 has lacks."""

    def differs(self, held: Any) -> list[str]:
        """Say what of the value that DHIS2 has is another."""

    def mended(self, held: Any, change: bool) -> Any:
        """Return the value with what it lacks; with `change` also with what differs put right."""


@dataclass(frozen=True)
class Is:
    """A member that has one value, or another one that fits as well."""

    name: str
    value: Any
    fitting: Collection[Any] = ()
    usual: bool = False  # it goes without saying

    def made(self) -> Any:  # noqa: D102
        return self.value

    def described(self) -> str:  # noqa: D102
        return f"{self.name} {_shown(self.value)}" if self.value and not self.usual else ""

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        fits = held == self.value or held in self.fitting
        return [] if fits else [f"{self.name} is {_shown(held)}, not {_shown(self.value)}"]

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        return self.value if change and self.differs(held) else held


@dataclass(frozen=True)
class RefersTo:
    """A member that is another object, by its UID; `shown` is what people call that object."""

    name: str
    id: str
    shown: str

    def made(self) -> Any:  # noqa: D102
        return {"id": self.id}

    def described(self) -> str:  # noqa: D102
        return f"{self.name} {self.shown}" if self.shown != DEFAULT else ""

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        there = (held or {}).get("id")
        return [] if there == self.id else [f"{self.name} is {there or 'none'}, not {self.id} ({self.shown})"]

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        return self.made() if change and self.differs(held) else held


@dataclass(frozen=True)
class AtLeast:
    """A member that is a number which may be greater."""

    name: str
    value: int

    def made(self) -> Any:  # noqa: D102
        return self.value

    def described(self) -> str:  # noqa: D102
        return f"{self.name} {self.value}" if self.value else ""

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        there = int(held or 0)
        return [f"{self.name} {self.value} instead of {there}"] if there < self.value else []

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        return max(int(held or 0), self.value)


@dataclass(frozen=True)
class Includes:
    """A member that lists other objects, and may list more; `wanted` are their names by their UIDs.

    `inside` is the member of an entry that the object is in, where the entry is not the object itself, and `beside`
    what an entry has beside it.
    """

    name: str
    wanted: Mapping[str, str]
    what: str
    inside: str = ""
    beside: Mapping[str, Any] = field(default_factory=dict)

    def made(self) -> Any:  # noqa: D102
        return [self._entry(uid) for uid in self.wanted]

    def described(self) -> str:  # noqa: D102
        return _counted(len(self.wanted), self.what) if self.wanted else ""

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        missing = [self.wanted[uid] for uid in self._missing(held)]
        return [f"{_counted(len(missing), self.what)}: {some(missing)}"] if missing else []

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        return [*(held or []), *(self._entry(uid) for uid in self._missing(held))]

    def _missing(self, held: Any) -> list[str]:
        entries = held or []
        there = {(entry[self.inside] if self.inside else entry)["id"] for entry in entries}
        return [uid for uid in self.wanted if uid not in there]

    def _entry(self, uid: str) -> dict[str, Any]:
        return {**self.beside, self.inside: {"id": uid}} if self.inside else {"id": uid}


@dataclass(frozen=True)
class Levels:
    """The aggregation levels of a data element, of which there may be more."""

    wanted: Sequence[int]
    name: str = "aggregationLevels"

    def made(self) -> Any:  # noqa: D102
        return list(self.wanted)

    def described(self) -> str:  # noqa: D102
        return f"{self.name} {_numbers(self.wanted)}" if self.wanted else ""

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        there = sorted(int(level) for level in held or [])
        if set(self.wanted) <= set(there):
            return []
        return [f"{self.name} are {_numbers(there)}, not {_numbers(self.wanted)}"]

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        return self.made() if change and self.differs(held) else held


@dataclass(frozen=True)
class Authorities:
    """The authorities of a role, of which there may be more."""

    wanted: Sequence[str]
    name: str = "authorities"

    def made(self) -> Any:  # noqa: D102
        return list(self.wanted)

    def described(self) -> str:  # noqa: D102
        return f"authorities {', '.join(self.wanted)}"

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        missing = self._missing(held)
        return [f"authorit{'y' if len(missing) == 1 else 'ies'} {', '.join(missing)}"] if missing else []

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        return [*(held or []), *self._missing(held)]

    def _missing(self, held: Any) -> list[str]:
        return [] if ALL in (held or []) else [name for name in self.wanted if name not in (held or [])]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _numbers(levels: Sequence[int]) -> str:
    return ", ".join(map(str, levels)) or "none"


def _counted(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else _PLURALS.get(what, f'{what}s')}"
