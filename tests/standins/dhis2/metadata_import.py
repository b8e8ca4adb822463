"""Importing metadata: `POST /api/metadata`, patching an object, option combinations, and users.

All objects of a payload are checked first; with an error in one, none is stored. `importMode=VALIDATE` only checks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import product
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import Answer, Object, Request, message, refusal
from tests.standins.dhis2.login import new_uid
from tests.standins.dhis2.metadata import KLASSES
from tests.standins.dhis2.reading import COLLECTION_OF, person_name
from tests.standins.dhis2.state import Server, instant
from tests.standins.dhis2_metadata import DEFAULT_CATEGORY_COMBO

ERRORS = "One or more errors occurred, please see full details in import report."
UNIQUE = ("code", "name", "shortName")  # among the objects of a collection, those of the payload too
LONGEST = {"code": 50, "name": 230, "shortName": 50}
NEEDED = {
    "dataElements": ("name", "shortName", "valueType", "domainType", "aggregationType"),
    "dataSets": ("name", "shortName", "periodType"),
    "organisationUnits": ("name", "shortName", "openingDate"),
}
WITH_UNIQUE_SHORT_NAME = ("dataElements", "dataSets", "categories", "categoryOptions")
PASSWORD = (8, 72)  # characters, at least and at most
WITHOUT_UNIQUE_NAME = ("organisationUnits", "categoryOptionCombos", "dataSets", "userGroups")
NOT_SHARED = ("organisationUnits", "organisationUnitLevels", "users", "categoryOptionCombos")


@dataclass
class Report:
    """What an import of metadata came to, by collection."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    errors: dict[str, dict[str, Object]] = field(default_factory=dict)

    def count(self, collection: str, what: str) -> None:
        self.counts.setdefault(collection, Counter())[what] += 1

    def error(self, collection: str, index: int, entry: Object, code: str, text: str, *args: str, **more: str) -> None:
        klass = f"org.hisp.dhis.{KLASSES[collection]}"
        found = self.errors.setdefault(collection, {}).setdefault(
            entry["id"],
            {
                "klass": klass,
                "index": index,
                "uid": entry["id"],
                "displayName": entry.get("name") or person_name(entry),
                "errorReports": [],
            },
        )
        report = {"message": text.format(*args), "args": list(args), "mainKlass": klass, "errorCode": code}
        found["errorReports"].append(report | more | {"errorProperties": list(args)})

    def answer(self) -> Answer:
        total: Counter[str] = sum(self.counts.values(), Counter())
        response = {
            "status": "ERROR" if self.errors else "OK",
            "stats": _stats(total),
            "typeReports": [self._of(collection) for collection in self.counts],
            "responseType": "ImportReport",
        }
        if self.errors:
            said = message(HTTPStatus.CONFLICT, ERRORS, "WARNING")
            return Answer(HTTPStatus.CONFLICT, said | {"response": response})
        return Answer(HTTPStatus.OK, _ok() | {"response": response})

    def _of(self, collection: str) -> Object:
        klass = f"org.hisp.dhis.{KLASSES[collection]}"
        reports = list(self.errors.get(collection, {}).values())
        return {"klass": klass, "stats": _stats(self.counts[collection]), "objectReports": reports}


def _stats(counts: Counter[str]) -> Object:
    found = {name: counts[name] for name in ("created", "updated", "deleted", "ignored")}
    return found | {"total": sum(found.values())}


def _ok(status: HTTPStatus = HTTPStatus.OK) -> Object:
    return {"httpStatus": status.phrase, "httpStatusCode": status.value, "status": "OK"}


def post(server: Server, request: Request) -> Answer:
    """Create, update or delete all objects of a payload, or none."""
    payload = {name: objects for name, objects in request.json().items() if name in KLASSES}
    for objects in payload.values():
        for entry in objects:
            entry.setdefault("id", new_uid())
    strategy, report = request.one("importStrategy", "CREATE_AND_UPDATE"), Report()
    coming = {entry["id"] for objects in payload.values() for entry in objects}
    met: dict[tuple[str, str, str], str] = {}
    for collection, objects in payload.items():
        for index, entry in enumerate(objects):
            Check(server, request.user, report, collection, index, entry, met).all(strategy, coming)
    _count(server, report, payload, strategy)
    if not report.errors and request.one("importMode", "COMMIT") != "VALIDATE":
        for collection, objects in payload.items():
            _commit(server, request.user, collection, objects, strategy)
    return report.answer()


def _count(server: Server, report: Report, payload: Object, strategy: str) -> None:
    for collection, objects in payload.items():
        for entry in objects:
            held = server.metadata.find(collection, entry["id"])
            what = "deleted" if strategy == "DELETE" else "updated" if held else "created"
            report.count(collection, "ignored" if report.errors else what)


@dataclass
class Check:
    """The checks of one object; `met` has the ids of earlier ones of the payload, by what must be unique."""

    server: Server
    user: Object
    report: Report
    collection: str
    index: int
    entry: Object
    met: dict[tuple[str, str, str], str]

    def all(self, strategy: str, coming: set[str]) -> None:
        held = self.server.metadata.find(self.collection, self.entry["id"])
        if held and strategy == "CREATE":
            self._exists(held)
        elif not held and strategy in ("UPDATE", "DELETE"):
            text = "No matching object for reference. Identifier was {0}, and object was {1}."
            self._error("E5001", text, "UID", self._described(self.entry))
        elif self._may(held) and strategy != "DELETE":
            self._required()
            self._lengths()
            self._unique()
            if self.collection == "users":
                self._user(held)
            self._references(coming)

    def _exists(self, held: Object) -> None:
        text = f"Found matching object for reference, but import {self.server.differences.import_strategy} is CREATE. "
        text += "Identifier was {0}, and object was {1}."
        self.index += 1  # so DHIS2 counts these
        self._error("E5000", text, "UID", self._described(held), mainId=held["id"])

    def _may(self, held: Object | None) -> bool:
        metadata = self.server.metadata
        if sharing.access(self.user, metadata, self.collection, held or self.entry)["write"]:
            return True
        person = f"{person_name(self.user)} [{self.user['id']}] (User)"
        if held:
            text = "User `{0}` is not allowed to update object `{1}`"
            self._error("E3001", text, person, self._described(held))
        else:
            text = "User `{0}` is not allowed to create objects of type {1}"
            self._error("E3000", text, person, self._kind())
        return False

    def _required(self) -> None:
        for name in NEEDED.get(self.collection, ()):
            if not self.entry.get(name):
                self._error("E4000", "Missing required property `{0}`", name, errorProperty=name)

    def _lengths(self) -> None:
        for name, longest in LONGEST.items():
            if (length := len(self.entry.get(name) or "")) > longest:
                text = "Maximum length of property `{0}`is {1}, but given length was {2}"
                self._error("E4001", text, name, str(longest), str(length), errorProperty=name)

    def _unique(self) -> None:
        for name in UNIQUE:
            if (name == "name" and self.collection in WITHOUT_UNIQUE_NAME) or not self.entry.get(name):
                continue
            if name == "shortName" and self.collection not in WITH_UNIQUE_SHORT_NAME:
                continue
            held = self.server.metadata.find(self.collection, self.entry[name], name)
            own = self.entry["id"]
            other = held["id"] if held else self.met.setdefault((self.collection, name, self.entry[name]), own)
            if other != own:
                text = "Property `{0}` with value `{1}` on object {2} already exists on object {3}"
                args = (name, self.entry[name], self._described(self.entry), other)
                self._error("E5003", text, *args, mainId=other, errorProperty=name)

    def _user(self, held: Object | None) -> None:
        if not self.entry.get("userRoles"):
            text = "User needs to have at least one user role associated with it"
            self._error("E4055", text, "username", str(self.entry.get("username")), errorProperty="username")
        password = self.entry.get("password")
        if password is not None and not PASSWORD[0] <= len(password) <= PASSWORD[1]:
            rule = "Password must have at least {}, and at most {} characters".format(*PASSWORD)
            more = {"errorKlass": "java.lang.String", "errorProperty": "password"}
            self._error("E4005", "Property `{0}` requires a valid password, `{1}`", "password", rule, **more)

    def _references(self, coming: set[str]) -> None:
        for name, uid in _references(self.entry):
            if uid not in coming and not self.server.metadata.find(COLLECTION_OF[name], uid):
                text = "Invalid reference {0} on object {1} for association `{2}`"
                kind = KLASSES[COLLECTION_OF[name]].rpartition(".")[2]
                self._error("E5002", text, f"[{uid}] ({kind})", self._described(self.entry), name)

    def _error(self, code: str, text: str, *args: str, **more: str) -> None:
        self.report.error(self.collection, self.index, self.entry, code, text, *args, **more)

    def _kind(self) -> str:
        return KLASSES[self.collection].rpartition(".")[2]

    def _described(self, entry: Object) -> str:
        return f"{entry.get('name')} [{entry['id']}] ({self._kind()})"


def _references(found: Any) -> Iterator[tuple[str, str]]:
    """Return what an object refers to, at any depth: the name of the member, and the id."""
    for name, value in found.items():
        for member in value if isinstance(value, list) else [value]:
            if isinstance(member, dict):
                if name in COLLECTION_OF and "id" in member:
                    yield name, member["id"]
                yield from _references(member)


def _commit(server: Server, user: Object, collection: str, objects: Iterable[Object], strategy: str) -> None:
    for entry in objects:
        if strategy == "DELETE":
            server.metadata.remove(collection, entry["id"])
        else:
            store(server, user, collection, entry)


def store(server: Server, user: Object, collection: str, entry: Object) -> None:
    """Store an object with what DHIS2 adds to it."""
    held = server.metadata.find(collection, entry["id"]) or {}
    now = instant()
    if collection == "users":  # the password is kept where none is sent
        kept: Object = {name: held[name] for name in ("password", "superuser", "token") if name in held}
        own: Object = {"organisationUnits": [], **kept}
        entry = own | entry | {"name": person_name(entry)}
    entry = entry | {"created": held.get("created", now), "lastUpdated": now}
    if collection not in NOT_SHARED:
        default = held.get("sharing", {"owner": user["id"], "users": {}, "userGroups": {}, "public": "rw------"})
        entry["sharing"] = default | entry.get("sharing", {})
    if collection == "organisationUnits":
        entry |= _place(server, entry)
    if collection in ("dataElements", "dataSets", "categoryCombos"):
        for name in ("dataSetElements", "organisationUnits"):
            if name in held:
                entry.setdefault(name, held[name])
    if collection == "dataSets":
        for name in ("dataSetElements", "organisationUnits"):
            entry.setdefault(name, [])
        entry["expiryDays"] = float(entry.get("expiryDays", 0))
    server.metadata.put(collection, entry)


def _place(server: Server, unit: Object) -> Object:
    """Return the place of a unit in the hierarchy, and its dates as DHIS2 writes them."""
    parent = server.metadata.find("organisationUnits", unit.get("parent", {}).get("id"))
    path = f"{parent['path'] if parent else ''}/{unit['id']}"
    dates = {name: f"{unit[name][:10]}T00:00:00.000" for name in ("openingDate", "closedDate") if unit.get(name)}
    return {"path": path, "level": path.count("/")} | dates


def post_user(server: Server, request: Request) -> Answer:
    sharing.demand(request.user, server.metadata, "F_USER_ADD")
    entry = request.json()
    entry.setdefault("id", new_uid())
    if any(user["username"] == entry["username"] for user in server.metadata.all("users")):
        raise refusal(HTTPStatus.CONFLICT, f"Username already taken: {entry['username']}", "E4054")
    store(server, request.user, "users", entry)
    return _object_report(request, "users", entry["id"], HTTPStatus.CREATED)


def patch(server: Server, request: Request, collection: str, uid: str) -> Answer:
    """Change members of an object by a JSON patch whose paths are one name long."""
    held = server.metadata.find(collection, uid) if collection in KLASSES else None
    if held is None:
        raise refusal(HTTPStatus.NOT_FOUND, f"Object with id {uid} could not be found.", "E1005")
    if not sharing.access(request.user, server.metadata, collection, held)["write"]:
        raise refusal(HTTPStatus.FORBIDDEN, "You don't have the proper permissions to update this object.")
    for operation in request.json():
        name = operation["path"].strip("/")
        if operation["op"] == "remove":
            held.pop(name, None)
        else:
            held[name] = operation["value"]
    server.metadata.put(collection, held | {"lastUpdated": instant()})
    return _object_report(request, collection, uid)


def _object_report(request: Request, collection: str, uid: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    klass = f"org.hisp.dhis.{KLASSES[collection]}"
    report = {"uid": uid, "klass": klass, "errorReports": [], "responseType": "ObjectReport"}
    headers = {"Location": f"{request.address}/api/{collection}/{uid}"} if status == HTTPStatus.CREATED else {}
    return Answer(status, _ok(status) | {"response": report}, **headers)


def maintain(server: Server, request: Request) -> Answer:
    """Make the option combinations that are missing."""
    sharing.demand(request.user, server.metadata, "F_PERFORM_MAINTENANCE")
    if request.flag("categoryOptionComboUpdate"):
        for combo in server.metadata.all("categoryCombos"):
            if combo["id"] != DEFAULT_CATEGORY_COMBO and not server.metadata.combos_of(combo["id"]):
                _make_combos(server, combo)
    says = server.differences.maintenance_answers
    return Answer(HTTPStatus.OK, _ok()) if says else Answer(HTTPStatus.NO_CONTENT, None)


def _make_combos(server: Server, combo: Object) -> None:
    metadata = server.metadata
    categories = [metadata.find("categories", c["id"]) or {} for c in combo.get("categories", [])]
    for options in product(*(category.get("categoryOptions", []) for category in categories)):
        names = [(metadata.find("categoryOptions", option["id"]) or {})["name"] for option in options]
        made = {"id": new_uid(), "name": ", ".join(names), "categoryCombo": {"id": combo["id"]}}
        metadata.put("categoryOptionCombos", made | {"categoryOptions": list(options)})
