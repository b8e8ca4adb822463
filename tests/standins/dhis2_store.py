"""What the stand-in for DHIS2 has stored, and an import into it."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from tests.standins.dhis2_metadata import DEFAULT_COMBO, Metadata
from tests.standins.dhis2_periods import Period

UID = re.compile(r"[A-Za-z][A-Za-z0-9]{10}")
VALUE_TYPES = {
    "NUMBER": r"(-?0|-?[1-9]\d*)(\.\d+)?",
    "INTEGER": r"0|-?[1-9]\d*",
    "INTEGER_POSITIVE": r"[1-9]\d*",
    "INTEGER_ZERO_OR_POSITIVE": r"0|[1-9]\d*",
    "PERCENTAGE": r"(0|[1-9]\d*)(\.\d+)?",
    "TEXT": r".*",
}

Object = Mapping[str, Any]
Key = tuple[str, str, str, str, str]  # data element, period, unit, category and attribute option combination


@dataclass
class Store:
    """What is stored, and the audit of what was changed."""

    values: dict[Key, dict[str, Any]] = field(default_factory=dict)
    by_period: dict[str, dict[Key, None]] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)

    def put(self, key: Key, value: str, user: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        old = self.values.get(key)
        if old and old["value"] != value:
            self._audit(key, old["value"], user, "UPDATE")
        created = old["created"] if old else now
        self.by_period.setdefault(key[1], {})[key] = None
        self.values[key] = {"value": value, "storedBy": user, "created": created, "lastUpdated": now}

    def delete(self, key: Key, user: str) -> None:
        self._audit(key, self.values.pop(key)["value"], user, "DELETE")
        del self.by_period[key[1]][key]

    def selected(self, elements: set[str], units: set[str], in_time: Callable[[str], bool]) -> list[dict[str, Any]]:
        """Return the values of these elements and units; the periods are looked at first, for there may be millions."""
        keys = [key for period, of_period in self.by_period.items() if in_time(period) for key in of_period]
        found = [key for key in keys if key[2] in units and key[0] in elements]
        return [named(key) | self.values[key] | {"followup": False} for key in found]

    def listed(self) -> list[dict[str, Any]]:
        return [named(key) | value | {"followup": False} for key, value in self.values.items()]

    def _audit(self, key: Key, old: str, user: str, kind: str) -> None:
        self.audit.append(named(key) | {"value": old, "modifiedBy": user, "auditType": kind})


def named(key: Key) -> dict[str, str]:
    names = ("dataElement", "period", "orgUnit", "categoryOptionCombo", "attributeOptionCombo")
    return dict(zip(names, key, strict=True))


@dataclass
class Import:
    """One import: its values, its options, and what comes of it."""

    metadata: Metadata
    store: Store
    payload: Object
    params: Mapping[str, str]
    user: Object
    today: date
    counts: Counter[str] = field(default_factory=Counter)
    conflicts: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    rejected: set[int] = field(default_factory=set)

    def option(self, name: str, default: str) -> str:
        """Return an option; what the payload says wins over the query parameters."""
        return str(self.payload.get(name, self.params.get(name, default)))

    def flag(self, name: str) -> bool:
        return self.option(name, "false").lower() == "true"

    def find(self, collection: str, identifier: str | None, scheme: str) -> Any:
        general = self.option("idScheme", "UID")
        return self.metadata.find(collection, identifier, self.option(scheme, general))

    def conflict(
        self, index: int, code: str, message: str, objects: Mapping[str, str], prop: str | None = None
    ) -> None:
        """Note a conflict; the same one of several values is one, with several indexes."""
        entry = self.conflicts.setdefault(
            (code, *objects.values()),
            {
                "object": next(iter(objects.values()), None),
                "objects": dict(objects),
                "value": message,
                "errorCode": code,
                "indexes": [],
            }
            | ({"property": prop} if prop else {}),
        )
        entry["indexes"].append(index)
        self.rejected.add(index)

    def below_user(self, unit: Object) -> bool:
        roots = {root["id"] for root in self.user["organisationUnits"]}
        return bool(roots & set(unit["path"].split("/")))

    def data_sets_of(self, element: Object) -> list[Any]:
        found = (
            self.metadata.find("dataSets", member["dataSet"]["id"]) for member in element.get("dataSetElements", [])
        )
        return [data_set for data_set in found if data_set]

    def save(self, what: str, checked: "Checked") -> None:
        """Count a value as `imported`, `updated` or `deleted`, and make it so unless this is a dry run."""
        self.counts[what] += 1
        if self.flag("dryRun"):
            return
        if what == "deleted":
            self.store.delete(checked.key, self.user["username"])
        else:
            self.store.put(checked.key, checked.value, self.user["username"])

    def summary(self, status: str, description: str) -> dict[str, Any]:
        counts = {name: self.counts[name] for name in ("imported", "updated", "ignored", "deleted")}
        return {
            "responseType": "ImportSummary",
            "status": status,
            "importOptions": {"dryRun": self.flag("dryRun"), "importStrategy": self.option("importStrategy", "")},
            "description": description,
            "importCount": counts,
            "conflicts": list(self.conflicts.values()),
            "rejectedIndexes": sorted(self.rejected),
            "dataSetComplete": "false",
        }


@dataclass
class Checked:
    """A value and what its identifiers refer to, as far as the checks have come."""

    index: int
    given: Object
    element: Any = None
    period: Period | None = None
    unit: Any = None
    combos: tuple[str, str] = (DEFAULT_COMBO, DEFAULT_COMBO)

    @property
    def value(self) -> str:
        return str(self.given.get("value") or "")

    @property
    def key(self) -> Key:
        assert self.period
        return (self.element["id"], self.period.id, self.unit["id"], *self.combos)


def outer(payload: Object) -> dict[str, Any]:
    return {name: payload[name] for name in ("period", "orgUnit", "attributeOptionCombo") if payload.get(name)}


def is_valid(value: str, value_type: str) -> bool:
    return re.fullmatch(VALUE_TYPES[value_type], value) is not None
