"""The metadata that the DHIS2 stand-in has at the start: those of the tests, or those of a new DHIS2.

The tests' are a small Sierra Leone: one country, its 13 districts as squares, under Bo two chiefdoms of which one has
no geometry, and a facility. UIDs of country and districts are those of DHIS2's demo database.
"""

from collections.abc import Sequence
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
RAIN_BY_STAGE, STAGES = "RainByStag1", "StageCombo1"  # values of which each is final or preliminary
POPULATION, IN_TWO_SETS, IN_NO_SET = "PopYearly01", "InTwoSets01", "InNoSet0001"
IMPORTERS = "RoleImport1"
DAILY, DAILY_TOO, YEARLY = "ClimateDay1", "ClimateDay2", "PopYearSet1"

Object = dict[str, Any]


def default_metadata() -> dict[str, Any]:
    units = _org_units()
    assigned = [unit["id"] for unit in units if unit["level"] <= 2]
    daily = [RAIN, TEMPERATURE, RAIN_WITHOUT_ZEROS, IN_TWO_SETS, RAIN_BY_STAGE]
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
            {"id": "CocFinal001", "code": "FINAL", "name": "final", "categoryCombo": {"id": STAGES}},
            {"id": "CocPrelim01", "code": "PRELIM", "name": "preliminary", "categoryCombo": {"id": STAGES}},
        ],
        "categoryCombos": [
            {"id": DEFAULT_CATEGORY_COMBO, "code": "default", "name": "default"},
            {"id": STAGES, "code": "STAGE", "name": "Stage"},
        ],
        "dataElements": [
            _element(RAIN, "CHIRPS_PRECIPITATION", "SUM", True, [DAILY]),
            _element(TEMPERATURE, "ERA5_TEMPERATURE", "AVERAGE", False, [DAILY]),
            _element(RAIN_WITHOUT_ZEROS, "RAIN_WITHOUT_ZEROS", "SUM", False, [DAILY]),
            _element(IN_TWO_SETS, "IN_TWO_SETS", "SUM", True, [DAILY, DAILY_TOO]),
            _element(IN_NO_SET, "IN_NO_SET", "SUM", True, []),
            _element(RAIN_BY_STAGE, "RAIN_BY_STAGE", "SUM", True, [DAILY]) | {"categoryCombo": {"id": STAGES}},
            _element(POPULATION, "WORLDPOP_POPULATION", "SUM", True, [YEARLY], "INTEGER_ZERO_OR_POSITIVE"),
        ],
        "dataSets": [
            _data_set(DAILY, "CLIMATE_DAILY", "Daily", daily, assigned),
            _data_set(DAILY_TOO, "CLIMATE_DAILY_TOO", "Daily", [IN_TWO_SETS], assigned),
            _data_set(YEARLY, "POPULATION_YEARLY", "Yearly", [POPULATION], assigned, open_future_periods=10),
        ],
        "userRoles": [{"id": IMPORTERS, "name": "Importer", "authorities": ["F_DATAVALUE_ADD"]}],
        "users": [
            _user("UserAdmin01", "admin", "district", COUNTRY, 1) | {"superuser": True},
            _user("UserClerk01", "clerk", "Clerk-in-Bo-1", BO, 2),
            _user("UserImport1", "importer", "Importer-of-all-1", COUNTRY, 3),
        ],
    }


def empty_metadata() -> dict[str, Any]:
    """Return what a new DHIS2 has: a user who may do everything, and sees no unit."""
    admin = {"id": "M5zQapPyTZI", "code": "admin", "firstName": "admin", "surname": "admin", "name": "admin admin"}
    login = {"username": "admin", "password": "district", "token": "d2pat_standin0000000001"}
    return {"users": [admin | login | {"superuser": True, "organisationUnits": []}]}


def _user(uid: str, name: str, password: str, unit: str, number: int) -> Object:
    """Return a user of one unit, who may write values."""
    login = {"username": name, "password": password, "token": f"d2pat_standin000000000{number}"}
    roles = {"superuser": False, "userRoles": [{"id": IMPORTERS}], "organisationUnits": [{"id": unit}]}
    return {"id": uid, "firstName": "Test", "surname": name, "name": f"Test {name}"} | login | roles


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
