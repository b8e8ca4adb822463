"""Who may see an object and who may read and write its values, as DHIS2 writes it: `rwrw----`.

Of the eight characters the first two are for the object itself, the next two for its values. All may see the objects;
values are read by the groups that are named, and written by the importers alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SEEN_BY_ALL = "r-------"
_WRITE_DATA = 3  # place
_READS, _WRITES = "r-r-----", "r-rw----"


@dataclass(frozen=True)
class Sharing:
    """The member `sharing` of an object.

    `importers` and `readers` are groups: their names by their UIDs. `of_data` tells whether the object shares its
    values, too; with `alone` nobody but the importers may write them.
    """

    importers: Mapping[str, str]
    readers: Mapping[str, str] = field(default_factory=dict)
    of_data: bool = False
    alone: bool = False
    name: str = "sharing"

    def made(self) -> Any:
        """Return the sharing of a new object."""
        groups = {uid: {"id": uid, "access": access} for uid, (_, access) in self._wanted().items()}
        return {"public": SEEN_BY_ALL, "users": {}, "userGroups": groups}

    def described(self) -> str:
        """Say who may write and read values."""
        if not self.of_data:
            return ""
        read = f", read by group {' and '.join(self.readers.values())}" if self.readers else ""
        return f"values written by {self._who()} alone{read}"

    def lacks(self, held: Any) -> list[str]:
        """Say which groups cannot do what they should."""
        said = {_WRITES: "may write values", _READS: "may read values", SEEN_BY_ALL: "may see it"}
        return [f"group {name} {said[access]}" for name, access in self._missing(held).values()]

    def differs(self, held: Any) -> list[str]:
        """Say who else may write values."""
        return [f"{who} may write values, which only {self._who()} should" for who in self._others(held)]

    def mended(self, held: Any, change: bool) -> Any:
        """Return the sharing with what groups should be able to do; with `change` nobody else may write values."""
        found = {**(held or {})}
        found.setdefault("public", "--------")
        if change and self.alone:
            found["public"] = _without_writing(found["public"])
            for kind in ("users", "userGroups"):
                others = {uid: dict(entry) for uid, entry in (found.get(kind) or {}).items()}
                for uid in others.keys() - self.importers.keys():
                    others[uid]["access"] = _without_writing(others[uid]["access"])
                found[kind] = others
        groups = dict(found.get("userGroups") or {})
        for uid, (_, access) in self._missing(found).items():  # also what they could do only as everybody could
            there = str((groups.get(uid) or {}).get("access", "--------"))
            groups[uid] = {"id": uid, "access": _united(there, access)}
        return found | {"userGroups": groups}

    def _wanted(self) -> dict[str, tuple[str, str]]:
        if not self.of_data:
            return {uid: (name, SEEN_BY_ALL) for uid, name in self.importers.items()}
        read = {uid: (name, _READS) for uid, name in self.readers.items()}
        return read | {uid: (name, _WRITES) for uid, name in self.importers.items()}

    def _missing(self, held: Any) -> dict[str, tuple[str, str]]:
        public = str((held or {}).get("public") or "--------")
        groups = (held or {}).get("userGroups") or {}
        missing = {}
        for uid, (name, access) in self._wanted().items():
            there = _united(public, str((groups.get(uid) or {}).get("access", "--------")))
            if _united(there, access) != there:
                missing[uid] = (name, access)
        return missing

    def _others(self, held: Any) -> Iterator[str]:
        if not (self.of_data and self.alone and held):
            return
        if _writes(str(held.get("public") or "")):
            yield "everybody"
        for kind, what in (("userGroups", "group"), ("users", "user")):
            for uid, entry in (held.get(kind) or {}).items():
                if uid not in self.importers and _writes(str(entry.get("access", ""))):
                    yield f"{what} {entry.get('displayName') or uid}"

    def _who(self) -> str:
        return f"group {' and '.join(self.importers.values())}"


def _writes(access: str) -> bool:
    return access[_WRITE_DATA : _WRITE_DATA + 1] == "w"


def _without_writing(access: str) -> str:
    return f"{access[:_WRITE_DATA]}-{access[_WRITE_DATA + 1 :]}"


def _united(one: str, other: str) -> str:
    return "".join(a if a != "-" else b for a, b in zip(one.ljust(8, "-"), other.ljust(8, "-"), strict=True))
