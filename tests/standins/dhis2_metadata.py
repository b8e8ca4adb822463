"""The metadata of the DHIS2 stand-in, and the part of DHIS2's query language that reads it.

The default is a small Sierra Leone: one country, its 13 districts as squares, under Bo two chiefdoms of which one has
no geometry, and a facility. UIDs of country and districts are those of DHIS2's demo database.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

DEFAULT_COMBO = "HllvX50cXC0"
DEFAULT_CATEGORY_COMBO = "bjDvmb4bfuf"
COUNTRY = "ImspTQPwCqd"
BO = "O6uvpzGd5pu"
CHIEFDOM_WITHOUT_GEOMETRY = "vWbkYPRmKyS"
DISTRICTS = {
    "O6uvpzGd5pu": "Bo",
    "fdc6uOvgoji": "Bombali",
    "lc3eMKXaEfw": "Bonthe",
    "jUb8gELQApl": "Kailahun",
    "PMa2VCrupOd": "Kambia",
    "kJq2mPyFEHo": "Kenema",
    "qhqAxPSTUXp": "Koinadugu",
    "Vth0fbpFcsO": "Kono",
    "jmIPBj66vD6": "Moyamba",
    "TEQlaapDQoK": "Port Loko",
    "bL4ooGhyHRQ": "Pujehun",
    "eIQbndfxQMb": "Tonkolili",
    "at6UHUQatSo": "Western Area",
}
RAIN, TEMPERATURE, RAIN_WITHOUT_ZEROS = "RainDaily01", "TempDaily01", "RainNoZero1"
POPULATION, IN_TWO_SETS, IN_NO_SET = "PopYearly01", "InTwoSets01", "InNoSet0001"
DAILY, DAILY_TOO, YEARLY = "ClimateDay1", "ClimateDay2", "PopYearSet1"
COLLECTIONS = (
    "organisationUnits",
    "organisationUnitGroups",
    "organisationUnitLevels",
    "dataElements",
    "dataSets",
    "categoryOptionCombos",
    "users",
)

Object = dict[str, Any]


class QueryError(Exception):
    """A filter or field list that DHIS2 would not take."""


def default_metadata() -> dict[str, Any]:
    units = _org_units()
    assigned = [unit["id"] for unit in units if unit["level"] <= 2]
    return {
        "systemInfo": {"calendar": "iso8601", "dateFormat": "yyyy-mm-dd", "systemName": "Stand-in"},
        "organisationUnitLevels": [
            {"id": f"OuLevel000{level}", "level": level, "name": name}
            for level, name in enumerate(("National", "District", "Chiefdom", "Facility"), start=1)
        ],
        "organisationUnits": units,
        "organisationUnitGroups": [
            {"id": "GroupSouth1", "name": "South", "organisationUnits": [{"id": BO}, {"id": "bL4ooGhyHRQ"}]}
        ],
        "categoryOptionCombos": [
            {"id": DEFAULT_COMBO, "code": "default", "name": "default"},
            {"id": "CocFinal001", "code": "FINAL", "name": "final"},
            {"id": "CocPrelim01", "code": "PRELIM", "name": "preliminary"},
        ],
        "dataElements": [
            _element(RAIN, "CHIRPS_PRECIPITATION", "SUM", True, [DAILY]),
            _element(TEMPERATURE, "ERA5_TEMPERATURE", "AVERAGE", False, [DAILY]),
            _element(RAIN_WITHOUT_ZEROS, "RAIN_WITHOUT_ZEROS", "SUM", False, [DAILY]),
            _element(IN_TWO_SETS, "IN_TWO_SETS", "SUM", True, [DAILY, DAILY_TOO]),
            _element(IN_NO_SET, "IN_NO_SET", "SUM", True, []),
            _element(POPULATION, "WORLDPOP_POPULATION", "SUM", True, [YEARLY], "INTEGER_ZERO_OR_POSITIVE"),
        ],
        "dataSets": [
            _data_set(DAILY, "CLIMATE_DAILY", "Daily", [RAIN, TEMPERATURE, RAIN_WITHOUT_ZEROS, IN_TWO_SETS], assigned),
            _data_set(DAILY_TOO, "CLIMATE_DAILY_TOO", "Daily", [IN_TWO_SETS], assigned),
            _data_set(YEARLY, "POPULATION_YEARLY", "Yearly", [POPULATION], assigned, open_future_periods=10),
        ],
        "users": [
            {"id": "UserAdmin01", "username": "admin", "password": "district", "token": "d2pat_standin0000000001",
             "superuser": True, "organisationUnits": [{"id": COUNTRY}]},
            {"id": "UserClerk01", "username": "clerk", "password": "Clerk-in-Bo-1", "token": "d2pat_standin0000000002",
             "superuser": False, "organisationUnits": [{"id": BO}]},
        ],
    }  # fmt: skip


def _org_units() -> list[Object]:
    country = _unit(COUNTRY, "Sierra Leone", "OU_525", None, _square(-13.3, 6.9, 3.1))
    districts = [
        _unit(uid, name, f"OU_{1000 + n}", country, _square(-12.9 + 0.6 * (n % 4), 7.2 + 0.6 * (n // 4), 0.5))
        for n, (uid, name) in enumerate(DISTRICTS.items())
    ]
    chiefdom = _unit("YuQRtpLP10I", "Badjia", "OU_539", districts[0], _square(-12.8, 7.3, 0.2))
    other = _unit(CHIEFDOM_WITHOUT_GEOMETRY, "Baoma", "OU_540", districts[0], None)
    point = {"type": "Point", "coordinates": [-12.75, 7.35]}
    facility = _unit("DiszpKrYNg8", "Ngelehun CHC", "OU_559", chiefdom, point)
    return [country, *districts, chiefdom, other, facility]


def _unit(uid: str, name: str, code: str, parent: Object | None, geometry: Object | None) -> Object:
    unit: Object = {
        "id": uid,
        "code": code,
        "name": name,
        "shortName": name,
        "level": parent["level"] + 1 if parent else 1,
        "path": f"{parent['path'] if parent else ''}/{uid}",
        "openingDate": "1970-01-01T00:00:00.000",
    }
    if parent:
        unit["parent"] = {"id": parent["id"]}
    return unit | ({"geometry": geometry} if geometry else {})


def _square(west: float, south: float, side: float) -> Object:
    w, s, e, n = (round(v, 6) for v in (west, south, west + side, south + side))
    return {"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]}


def _element(
    uid: str, code: str, aggregation: str, zero: bool, data_sets: Sequence[str], value_type: str = "NUMBER"
) -> Object:
    return {
        "id": uid,
        "code": code,
        "name": code.replace("_", " ").capitalize(),
        "domainType": "AGGREGATE",
        "valueType": value_type,
        "aggregationType": aggregation,
        "zeroIsSignificant": zero,
        "categoryCombo": {"id": DEFAULT_CATEGORY_COMBO},
        "dataSetElements": [{"dataSet": {"id": data_set}, "dataElement": {"id": uid}} for data_set in data_sets],
    }


def _data_set(
    uid: str, code: str, period_type: str, elements: Sequence[str], units: Sequence[str], open_future_periods: int = 0
) -> Object:
    return {
        "id": uid,
        "code": code,
        "name": code.replace("_", " ").capitalize(),
        "periodType": period_type,
        "openFuturePeriods": open_future_periods,
        "expiryDays": 0,
        "categoryCombo": {"id": DEFAULT_CATEGORY_COMBO},
        "dataSetElements": [{"dataSet": {"id": uid}, "dataElement": {"id": element}} for element in elements],
        "organisationUnits": [{"id": unit} for unit in units],
    }


class Metadata:
    """Metadata by collection and id, with the groups that a unit is in."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.system_info: Object = dict(content.get("systemInfo", {}))
        self._objects = {name: list(content.get(name, [])) for name in COLLECTIONS}
        self._index: dict[tuple[str, str], dict[str, Object]] = {}
        for unit in self._objects["organisationUnits"]:
            groups = self._objects["organisationUnitGroups"]
            members = [group for group in groups if {"id": unit["id"]} in group["organisationUnits"]]
            unit["organisationUnitGroups"] = [{"id": group["id"], "name": group["name"]} for group in members]

    def all(self, collection: str) -> list[Object]:
        return self._objects[collection]

    def find(self, collection: str, identifier: str | None, scheme: str = "UID") -> Object | None:
        name = {"UID": "id", "CODE": "code", "NAME": "name"}[scheme.upper()]
        if (collection, name) not in self._index:
            found = self._objects[collection]
            self._index[collection, name] = {str(entry[name]): entry for entry in reversed(found) if name in entry}
        return self._index[collection, name].get(identifier or "")

    def query(self, collection: str, params: Mapping[str, Sequence[str]]) -> Object:
        """Answer a list request: `filter`, `rootJunction`, `fields`, `order`, `paging`, `page`, `pageSize`."""
        junction: Callable[[Iterable[bool]], bool] = any if params.get("rootJunction", ["AND"])[0] == "OR" else all
        tests = [_filter(text) for text in params.get("filter", [])]
        found = [o for o in self._objects[collection] if not tests or junction(test(o) for test in tests)]
        order, _, direction = params.get("order", ["name:asc"])[0].partition(":")
        found.sort(key=lambda entry: str(entry.get(order, "")), reverse=direction.endswith("desc"))
        fields = params.get("fields", ["id,displayName"])[0]
        if params.get("paging", ["true"])[0] == "false":
            return {collection: [select(entry, fields) for entry in found]}
        page, size = int(params.get("page", ["1"])[0]), int(params.get("pageSize", ["50"])[0])
        pages = max(1, -(-len(found) // size))
        pager = {"page": page, "pageCount": pages, "total": len(found), "pageSize": size}
        return {"pager": pager, collection: [select(o, fields) for o in found[(page - 1) * size : page * size]]}


def select(entry: Mapping[str, Any], fields: str) -> Object:
    """Return the members of an object that a field list such as `id,dataSetElements[dataSet[id]]` names."""
    names = _fields(fields)
    if "*" in names or ":all" in names:
        return {name: value for name, value in entry.items() if name not in ("password", "token")}
    chosen: Object = {}
    for name, inner in names.items():
        value = entry.get("name") if name == "displayName" else entry.get(name)
        if isinstance(value, list) and inner:
            value = [select(member, inner) for member in value]
        elif isinstance(value, dict) and inner:
            value = select(value, inner)
        if value is not None:
            chosen[name] = value
    return chosen


def _fields(text: str) -> dict[str, str]:
    """Split `a,b[c,d[e]]` into names and what stands in their brackets."""
    found: dict[str, str] = {}
    depth, start, name, inner = 0, 0, "", 0
    for position, char in enumerate(f"{text},"):
        if char == "[":
            depth += 1
            if depth == 1:
                name, inner = text[start:position], position + 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                found[name.strip()] = text[inner:position]
                name = ""
        elif char == "," and depth == 0:
            if plain := text[start:position].strip():
                found.setdefault(plain.partition("[")[0], "")
            start = position + 1
    if depth:
        raise QueryError(f"unbalanced brackets in fields: {text}")
    return found


def _filter(text: str) -> Callable[[Object], bool]:
    match = re.fullmatch(r"([\w.]+):(!?\w+)(?::(.*))?", text)
    operators: dict[str, Callable[[str, str], bool]] = {
        "eq": lambda held, given: held == given,
        "in": lambda held, given: held in given.strip("[]").split(","),
        "like": lambda held, given: given.lower() in held.lower(),
        "ilike": lambda held, given: given.lower() in held.lower(),
    }
    if not match or match[2] not in operators:
        raise QueryError(f"Unable to parse filter `{text}`")
    path, operator, given = match[1].split("."), operators[match[2]], match[3] or ""
    return lambda entry: any(operator(held, given) for held in _values(entry, path))


def _values(entry: Any, path: Sequence[str]) -> list[str]:
    if isinstance(entry, list):
        return [value for member in entry for value in _values(member, path)]
    if not path:
        return [] if entry is None else [str(entry)]
    return _values(entry.get(path[0]), path[1:]) if isinstance(entry, dict) else []
