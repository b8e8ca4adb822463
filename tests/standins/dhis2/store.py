"""The values that the stand-in holds, and the audit of their changes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from typing import Any

from tests.standins.dhis2.answers import Object

Key = tuple[str, str, str, str, str]  # data element, period, unit, category and attribute option combination
NAMES = ("dataElement", "period", "orgUnit", "categoryOptionCombo", "attributeOptionCombo")


@dataclass
class Store:
    """What is stored, and the audit of what was changed; a value that was deleted stays, marked so."""

    keeps_order: bool = False  # rows are found in the order of their periods; else as they were written last
    values: dict[Key, Object] = field(default_factory=dict)
    by_period: dict[str, dict[Key, None]] = field(default_factory=dict)
    audit: list[Object] = field(default_factory=list)
    written: "count[int]" = field(default_factory=count)

    def held(self, key: Key) -> Object | None:
        """Return what is stored, unless it was deleted."""
        found = self.values.get(key)
        return found if found and not found["deleted"] else None

    def put(self, key: Key, content: Object, user: str, deleted: bool = False) -> None:
        """Store `value`, `comment` and `followup`, or leave a deleted row."""
        now, old = datetime.now(UTC).replace(microsecond=0), self.values.get(key)
        row = {"comment": None, "followup": False, **content, "deleted": deleted, "storedBy": user}
        self._note(key, self.held(key), row, user)
        created = old["created"] if old else now
        self.by_period.setdefault(key[1], {})[key] = None
        self.values[key] = row | {"created": created, "lastUpdated": now, "place": next(self.written)}

    def delete(self, key: Key, user: str) -> None:
        self.put(key, {"value": self.values[key]["value"]}, user, deleted=True)

    def selected(
        self,
        elements: set[str],
        units: set[str],
        in_time: Callable[[str], bool],
        deleted: bool = False,
        since: datetime | None = None,
    ) -> list[Key]:
        """Return the values of these elements and units; the periods are looked at first, for there may be millions."""
        keys = [key for period, of_period in self.by_period.items() if in_time(period) for key in of_period]
        found = [key for key in keys if key[2] in units and key[0] in elements]
        found = [key for key in found if deleted or not self.values[key]["deleted"]]
        found = [key for key in found if since is None or self.values[key]["lastUpdated"] >= since]
        return sorted(found, key=self._in_order if self.keeps_order else self._as_written)

    def shown(self, key: Key) -> Object:
        """Return a value with its dimensions, as it is read."""
        row = self.values[key]
        instants = {name: _written(row[name]) for name in ("created", "lastUpdated")}
        rest = {name: row[name] for name in ("value", "storedBy", "comment", "followup")}
        return named(key) | rest | instants | ({"deleted": True} if row["deleted"] else {})

    def of_element(self, element: str) -> list[tuple[Key, Object]]:
        return [(key, row) for key, row in self.values.items() if key[0] == element and not row["deleted"]]

    def listed(self) -> list[Object]:
        return [self.shown(key) for key, row in self.values.items() if not row["deleted"]]

    def _as_written(self, key: Key) -> Any:
        return self.values[key]["place"]

    def _in_order(self, key: Key) -> Any:
        return key[1], key[0], key[2]

    def _note(self, key: Key, old: Object | None, new: Object, user: str) -> None:
        if old and old["value"] == new["value"] and not new["deleted"]:
            return
        kind = "DELETE" if new["deleted"] else "UPDATE" if old else "CREATE"
        values = {"value": old["value"] if old else None, "new": new["value"]}
        self.audit.append(named(key) | values | {"modifiedBy": user, "auditType": kind})


@lru_cache
def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def named(key: Key) -> dict[str, str]:
    return dict(zip(NAMES, key, strict=True))


def ago(duration: str) -> datetime:
    """Return the moment so long ago: `1d`, `12h`."""
    unit = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}[duration[-1]]
    return datetime.now(UTC) - timedelta(**{unit: int(duration[:-1])})
