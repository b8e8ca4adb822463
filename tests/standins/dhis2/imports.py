"""An import of values: its options, what it counts and what speaks against its values; and its answer."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import Answer, Object, message
from tests.standins.dhis2.metadata import Metadata
from tests.standins.dhis2.periods import Period
from tests.standins.dhis2.state import Server
from tests.standins.dhis2.store import Key
from tests.standins.dhis2_metadata import DEFAULT_COMBO

OPTIONS: Mapping[str, Any] = {
    "idSchemes": {},
    "dryRun": False,
    "async": False,
    "importStrategy": "CREATE_AND_UPDATE",
    "mergeMode": "REPLACE",
    "reportMode": "FULL",
    **dict.fromkeys(("skipExistingCheck", "sharing", "skipNotifications", "skipAudit", "datasetAllowsPeriods"), False),
    **dict.fromkeys(("strictPeriods", "strictDataElements", "strictCategoryOptionCombos"), False),
    **dict.fromkeys(("strictAttributeOptionCombos", "strictOrganisationUnits", "strictDataSetApproval"), False),
    **dict.fromkeys(("strictDataSetLocking", "strictDataSetInputPeriods", "requireCategoryOptionCombo"), False),
    **dict.fromkeys(("requireAttributeOptionCombo", "skipPatternValidation", "ignoreEmptyCollection"), False),
    "force": False,
    "firstRowIsHeader": True,
    **dict.fromkeys(("skipLastUpdated", "mergeDataValues", "skipCache"), False),
}
SAID = {
    "SUCCESS": (HTTPStatus.OK, "OK", "Import was successful."),
    "WARNING": (HTTPStatus.CONFLICT, "WARNING", "One more conflicts encountered, please check import summary."),
    "ERROR": (HTTPStatus.CONFLICT, "ERROR", "An error occurred, please check import summary."),
}
# a group of which some values are bad
SAID_OF_A_GROUP = {
    "WARNING": (HTTPStatus.OK, "WARNING", "Import completed with warnings, please check import summary.")
}


@dataclass
class Import:
    """One import: its values, its options, and what comes of it."""

    server: Server
    payload: Object
    params: Mapping[str, str]
    user: Object
    counts: Counter[str] = field(default_factory=Counter)
    conflicts: dict[tuple[str, ...], Object] = field(default_factory=dict)
    rejected: set[int] = field(default_factory=set)
    steps: list[tuple[str, str]] = field(default_factory=list)  # level and text, for the notifications

    @property
    def metadata(self) -> Metadata:
        return self.server.metadata

    def option(self, name: str, default: str) -> str:
        """Return an option; what the payload says wins over the query parameters."""
        return str(self.payload.get(name, self.params.get(name, default)))

    def flag(self, name: str) -> bool:
        return self.option(name, "false").lower() == "true"

    @property
    def strategy(self) -> str:
        return self.option("importStrategy", "CREATE_AND_UPDATE")

    @property
    def forced(self) -> bool:
        return self.flag("force") and sharing.is_super(self.user, self.metadata)

    def scheme(self, name: str) -> str:
        return self.option(name, self.option("idScheme", "UID")).upper()

    def find(self, collection: str, identifier: str | None, scheme: str) -> Any:
        return self.metadata.find(collection, identifier, self.scheme(scheme))

    def conflict(self, index: int, code: str, text: str, objects: Mapping[str, str], prop: str = "") -> None:
        """Note a conflict; the same one of several values is one, with several indexes."""
        made: Object = {"object": next(iter(objects.values()), None), "objects": dict(objects), "value": text}
        made |= {"errorCode": code} | ({"property": prop} if prop else {}) | {"indexes": []}
        entry = self.conflicts.setdefault((code, *objects.values()), made)
        entry["indexes"].append(index)
        self.rejected.add(index)

    def save(self, what: str, key: Key, content: Object | None = None) -> None:
        """Count a value as `imported`, `updated` or `deleted`, and make it so unless this is a dry run."""
        self.counts[what] += 1
        if self.flag("dryRun"):
            return
        if what != "deleted":
            self.server.store.put(key, content or {}, self.user["username"])
        elif content is None:
            self.server.store.delete(key, self.user["username"])
        else:
            self.server.store.put(key, content, self.user["username"], deleted=True)

    def summary(self, status: str, description: str = "", complete: bool = True) -> Object:
        """Return the import summary; `complete` where the values were looked at."""
        found: Object = {"status": status, "importOptions": import_options(self.server, self.params)}
        found |= {"description": description} if self.server.differences.describes_imports else {}
        found["importCount"] = {name: self.counts[name] for name in ("imported", "updated", "ignored", "deleted")}
        found |= {"conflicts": list(self.conflicts.values()), "rejectedIndexes": sorted(self.rejected)}
        if self.server.version.numbers < (2, 39):
            del found["rejectedIndexes"]
        return found | ({"dataSetComplete": "false"} if complete else {}) | {"responseType": "ImportSummary"}


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


def outer(payload: Object) -> Object:
    return {name: payload[name] for name in ("period", "orgUnit", "attributeOptionCombo") if payload.get(name)}


def import_options(server: Server, params: Mapping[str, str]) -> Object:
    """Return the options of an import as the answer repeats them."""
    options: Object = {**OPTIONS, **server.differences.more_import_options}
    for name, value in params.items():
        if name in options and name != "idSchemes":
            options[name] = json.loads(value) if value in ("true", "false") else value
    schemes = {name: {"type": value} for name, value in params.items() if name.lower().endswith("idscheme")}
    return options | {"idSchemes": schemes}


def answer_of(server: Server, summary: Object) -> Answer:
    """Return the answer to an import with this summary."""
    said = SAID | (SAID_OF_A_GROUP if server.differences.values_as_a_group else {})
    status, word, text = said[summary["status"]]
    return Answer(status, message(status, text, word) | {"response": summary})
