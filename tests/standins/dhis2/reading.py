"""Reading metadata: `GET /api/dataElements?filter=…&fields=…`, one object of a collection, and units as GeoJSON."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import Object, Request, refusal
from tests.standins.dhis2.fields import field_names, parsed_filter
from tests.standins.dhis2.metadata import KLASSES, category_combo_of
from tests.standins.dhis2.state import Server
from tests.standins.dhis2_metadata import DEFAULT_CATEGORY_COMBO

# where the objects are to be found that others refer to by their ids
COLLECTION_OF = {
    "dataSet": "dataSets",
    "dataElement": "dataElements",
    "categoryCombo": "categoryCombos",
    "categoryOptionCombos": "categoryOptionCombos",
    "categoryOptions": "categoryOptions",
    "categories": "categories",
    "organisationUnits": "organisationUnits",
    "organisationUnitGroups": "organisationUnitGroups",
    "parent": "organisationUnits",
    "userRoles": "userRoles",
}
SECRET = ("password", "token", "superuser")
# what objects have that were made without it
DEFAULTS: Mapping[str, Object] = {
    "dataElements": {"aggregationLevels": [], "legendSets": [], "dataElementGroups": [], "zeroIsSignificant": False},
    "dataSets": {"dataInputPeriods": [], "openPeriodsAfterCoEndDate": 0, "expiryDays": 0.0, "openFuturePeriods": 0},
}
COMMON = [
    *("created", "createdBy", "lastUpdated", "lastUpdatedBy", "user", "sharing", "access", "id", "href"),
    *("displayName", "favorite", "favorites", "translations", "attributeValues"),
]
OWNED = {
    "dataElements": ("aggregationLevels", "zeroIsSignificant", "categoryCombo", "sharing"),
    "dataSets": ("openFuturePeriods", "expiryDays", "dataInputPeriods", "categoryCombo", "sharing"),
}
EVERY = {
    "dataElements": (
        *COMMON, "code", "name", "shortName", "dimensionItemType", "legendSets", "aggregationType", "valueType",
        "domainType", "dataSetElements", "aggregationLevels", "zeroIsSignificant", "optionSetValue", "dimensionItem",
        "displayShortName", "displayFormName", "categoryCombo", "dataElementGroups",
    )
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What somebody sees of the metadata."""

    server: Server
    user: Object
    address: str

    def visible(self, collection: str) -> Iterable[Object]:
        found = self.server.metadata.all(collection)
        return (o for o in found if sharing.sees(self.user, self.server.metadata, collection, o))

    def selected(self, collection: str, entry: Object, fields: str) -> Object:
        """Return the members of an object that a field list names."""
        names = field_names(fields)
        own = [name for name in entry if name not in SECRET]
        if ":owner" in names:  # what an import of metadata takes back
            owned = dict.fromkeys((*own, *OWNED.get(collection, ())), "")
            names = owned | {name: inner for name, inner in names.items() if name != ":owner"}
        if "*" in names or ":all" in names:
            names = dict.fromkeys(EVERY.get(collection, (*own, *COMMON)), "") | {n: i for n, i in names.items() if i}
        found = {name: self._member(collection, entry, name, inner) for name, inner in names.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _member(self, collection: str, entry: Object, name: str, inner: str) -> Any:
        value = COMPUTED[name](self, collection, entry) if name in COMPUTED else entry.get(name)
        if value is None:
            value = DEFAULTS.get(collection, {}).get(name)
        if name == "dataInputPeriods" and value:
            return [self._input_period(period, inner) for period in value]
        if (collection, name) == ("userGroups", "users"):  # whatever is asked for
            return [self._person(person["id"]) for person in value or []]
        if not inner:
            return value
        if isinstance(value, list):
            return [self._referred(name, member, inner) for member in value]
        return self._referred(name, value, inner) if isinstance(value, dict) else value

    def _referred(self, name: str, value: Any, inner: str) -> Any:
        collection = COLLECTION_OF.get(name, "")
        entry = self.server.metadata.find(collection, value.get("id")) if collection else None
        return self.selected(collection, entry or value, inner)

    def _input_period(self, period: Object, inner: str) -> Object:
        named = {"name": period["period"]["id"]} if self.server.differences.names_periods else {}
        names = field_names(inner) if inner else period
        return {name: period[name] | named if name == "period" else period[name] for name in names}

    def _person(self, uid: str) -> Object:
        person = self.server.metadata.find("users", uid) or {}
        code = person.get("code")
        return {"id": uid, "code": code, "username": person.get("username")} | dict.fromkeys(
            ("name", "displayName"), person_name(person)
        )

    def _sharing(self, collection: str, entry: Object) -> Object:
        owner: Object = {"owner": self.server.owner, "users": {}, "userGroups": {}, "public": "rw------"}
        found = {**owner, **entry.get("sharing", {})}
        groups = {uid: self.server.metadata.find("userGroups", uid) or {} for uid in found["userGroups"]}
        named = {uid: {"displayName": group["name"]} for uid, group in groups.items() if "name" in group}
        return found | {"userGroups": {uid: named.get(uid, {}) | e for uid, e in found["userGroups"].items()}}


def person_name(person: Object) -> str:
    return f"{person.get('firstName', '')} {person.get('surname', '')}".strip()


def _owner(view: View, collection: str, entry: Object) -> Object:
    return view._person(view._sharing(collection, entry)["owner"])


def _combos(view: View, collection: str, entry: Object) -> Any:
    if collection != "categoryCombos":
        return entry.get("categoryOptionCombos")
    return [{"id": combo["id"]} for combo in view.server.metadata.combos_of(entry["id"])]


COMPUTED: Mapping[str, Callable[[View, str, Object], Any]] = {
    "access": lambda view, collection, entry: sharing.access(view.user, view.server.metadata, collection, entry),
    "attributeValues": lambda view, collection, entry: [],
    "categoryCombo": lambda view, collection, entry: (
        entry.get("categoryCombo") if "dataElement" in entry else {"id": category_combo_of(entry)}
    ),
    "categoryOptionCombos": _combos,
    "created": lambda view, collection, entry: entry.get("created", view.server.made),
    "createdBy": _owner,
    "dimensionItem": lambda view, collection, entry: entry["id"],
    "dimensionItemType": lambda view, collection, entry: "DATA_ELEMENT",
    "displayFormName": lambda view, collection, entry: entry.get("formName", entry.get("name")),
    "displayName": lambda view, collection, entry: entry.get("name"),
    "displayShortName": lambda view, collection, entry: entry.get("shortName"),
    "favorite": lambda view, collection, entry: False,
    "favorites": lambda view, collection, entry: [],
    "href": lambda view, collection, entry: f"{view.address}/api/{collection}/{entry['id']}",
    "isDefault": lambda view, collection, entry: entry["id"] == DEFAULT_CATEGORY_COMBO,
    "lastUpdated": lambda view, collection, entry: entry.get("lastUpdated", view.server.made),
    "lastUpdatedBy": _owner,
    "optionSetValue": lambda view, collection, entry: False,
    "sharing": View._sharing,
    "translations": lambda view, collection, entry: [],
    "user": _owner,
}


def listed(server: Server, request: Request, collection: str) -> Object:
    """Answer a list: `filter`, `rootJunction`, `level`, `fields`, `order`, `paging`, `page`, `pageSize`."""
    view = View(server, request.user, request.address)
    filters = [*request.query.get("filter", []), *(f"level:eq:{level}" for level in request.query.get("level", []))]
    tests = [parsed_filter(text) for text in filters]
    junction: Callable[[Iterable[bool]], bool] = any if request.one("rootJunction", "AND") == "OR" else all
    found = [o for o in view.visible(collection) if not tests or junction(test(o) for test in tests)]
    order, _, direction = request.one("order", "name:asc").partition(":")
    found.sort(key=lambda entry: str(entry.get(order, "")), reverse=direction.endswith("desc"))
    return paged(
        request, collection, found, lambda o: view.selected(collection, o, request.one("fields", "id,displayName"))
    )


def paged(request: Request, name: str, found: list[Object], shown: Callable[[Object], Object]) -> Object:
    """Return objects as one page, or all of them with `paging=false`."""
    if request.one("paging", "true") == "false":
        return {name: [shown(entry) for entry in found]}
    page, size = int(request.one("page", "1")), int(request.one("pageSize", "50"))
    pager = {"page": page, "pageCount": max(1, -(-len(found) // size)), "total": len(found), "pageSize": size}
    return {"pager": pager, name: [shown(entry) for entry in found[(page - 1) * size : page * size]]}


def one(server: Server, request: Request, collection: str, uid: str) -> Object:
    view = View(server, request.user, request.address)
    found = server.metadata.find(collection, uid)
    if found and sharing.sees(request.user, server.metadata, collection, found):
        return view.selected(collection, found, request.one("fields", "*"))
    kind = KLASSES[collection].rpartition(".")[2]
    raise refusal(HTTPStatus.NOT_FOUND, f"{kind} with id {uid} could not be found.", "E1005")


def geojson(server: Server, request: Request) -> Object:
    """Answer `organisationUnits.geojson`: units without a geometry are missing without a word."""
    levels, parents = request.query.get("level", ["1"]), request.query.get("parent", [""])
    features = []
    for unit in server.metadata.all("organisationUnits"):
        above = unit["path"].split("/")[1:-1]
        below = any(not parent or parent in (*above, unit["id"]) for parent in parents)
        if str(unit["level"]) in levels and below and unit.get("geometry"):
            properties = {"code": unit["code"], "name": unit["name"], "level": str(unit["level"]), "groups": []}
            properties |= {"parent": above[-1], "parentGraph": "/".join(above)} if above else {}
            feature = {"type": "Feature", "id": unit["id"], "geometry": unit["geometry"], "properties": properties}
            features.append(feature)
    return {"type": "FeatureCollection", "features": features}
