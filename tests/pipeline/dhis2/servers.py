"""Servers for the cases that stand-ins and real DHIS2 servers must agree on.

`EO_TEST_DHIS2_URL=http://127.0.0.1:8042` names a real one, which is written to: an empty server of one's own, with the
user `admin` and the password of `EO_TEST_DHIS2_PASSWORD` (default: district).
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.standins.dhis2 import running
from tests.standins.dhis2_metadata import BO, COUNTRY, DEFAULT_CATEGORY_COMBO, DISTRICTS, default_metadata

REAL = os.environ.get("EO_TEST_DHIS2_URL", "")
KENEMA, KONO = "kJq2mPyFEHo", "Vth0fbpFcsO"
OUTSIDE = "at6UHUQatSo"  # a district that no data set has
PASSWORD = "Import-Cases-2026!"
IMPORTER, CLERK = "case_importer", "case_clerk"
ADMIN = ("admin", os.environ.get("EO_TEST_DHIS2_PASSWORD", "district"))
RACES = 10
UNDONE = (
    *("undone", "undonetwice", "undonefaults", "undonelater", "undonelogin", "undonepersons", "undonepart"),
    *("cut", "refused", "reconciled"),
)
DAILY = (
    *(f"race{n}{side}" for n in range(RACES) for side in "ab"),
    *("race", "opened", "clerk", "faults", "outside", *UNDONE),
)
# data sets: period type and data elements
KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "daily": ("Daily", DAILY),
    "monthly": ("Monthly", ("months",)),
    "input": ("Daily", ("input",)),
    "categories": ("Daily", ("bysex",)),
}
OPEN_DAYS = ("20240118", "20240119", "20240120")


@dataclass(frozen=True)
class Server:
    """A DHIS2 with the metadata of the cases; `tag` keeps the data elements of one run apart from those of another."""

    url: str
    version: str
    tag: str
    admin: tuple[str, str]
    collide: Callable[[], None] = lambda: None  # answer from now on as if every new period were met twice at once
    unassign: Callable[[str], None] = lambda _unit: None  # take a unit from all data sets when the next import begins

    def uid(self, name: str) -> str:
        """Return the UID of a data element or data set of this run."""
        return uid(self.tag, name)

    def values(self, element: str) -> dict[tuple[str, str], str]:
        """Return all that the server holds of a data element."""
        data_set = next(kind for kind, (_, names) in KINDS.items() if element in names)
        params = {"dataSet": self.uid(data_set), "startDate": "1900-01-01", "endDate": "2100-01-01"}
        with self.client() as client:
            answer = client.get("/api/dataValueSets", params=params | {"orgUnit": COUNTRY, "children": "true"})
        answer.raise_for_status()
        common = {name: answer.json()[name] for name in ("orgUnit", "period") if name in answer.json()}
        found = [common | value for value in answer.json().get("dataValues", [])]
        wanted = [value for value in found if value["dataElement"] == self.uid(element)]
        return {(value["orgUnit"], value["period"]): value["value"] for value in wanted}

    def correct(self, element: str, values: Mapping[tuple[str, str], str], strategy: str = "CREATE_AND_UPDATE") -> None:
        """Store values, or delete them, as a person would, by unit and period."""
        named = [
            {"dataElement": self.uid(element), "orgUnit": unit, "period": period, "value": value}
            for (unit, period), value in values.items()
        ]
        data_set = next(kind for kind, (_, names) in KINDS.items() if element in names)
        body = {"dataSet": self.uid(data_set), "dataValues": named}
        with self.client() as client:
            answer = client.post("/api/dataValueSets", params={"importStrategy": strategy}, json=body)
        answer.raise_for_status()

    def option_combo(self) -> str:
        """Return the UID of the option combination of the category option `f`."""
        params = {"filter": f"categoryCombo.id:eq:{uid('', 'sex')}", "fields": "id,name", "paging": "false"}
        with self.client() as client:
            found = client.get("/api/categoryOptionCombos", params=params).json()["categoryOptionCombos"]
        return str(next(combo["id"] for combo in found if combo["name"] == "Case f"))

    def client(self) -> httpx.Client:
        """Return a client of the administrator."""
        return httpx.Client(base_url=self.url, auth=self.admin, timeout=300)


def uid(tag: str, name: str) -> str:
    """Return a UID made from a name."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(random.Random(f"{tag} {name}").choices(letters, k=11))


@contextmanager
def standin(version: str) -> Iterator[Server]:
    """Run a stand-in with the metadata of the cases."""
    made = metadata("")
    made["users"] = default_metadata()["users"] + [
        user | {"token": user["username"], "authorities": ["F_DATAVALUE_ADD"], "superuser": False} for user in users()
    ]
    combo = {"id": uid("", "sex"), "name": "Case by sex", "isDefault": False}
    made["categoryOptionCombos"] = default_metadata()["categoryOptionCombos"] + [
        {"id": uid("", f"coc {name}"), "name": f"Case {name}", "categoryCombo": combo} for name in ("f", "m")
    ]
    for element in made["dataElements"]:
        if element["id"] == uid("", "bysex"):
            element["categoryCombo"] = combo
    made["systemInfo"] = {"calendar": "iso8601", "version": f"{version}.2"}
    with running(version, made) as dhis2:
        yield Server(dhis2.url, version, "", (dhis2.username, dhis2.password), dhis2.collide, dhis2.unassign)


@contextmanager
def real() -> Iterator[Server]:
    """Make the metadata of the cases in the real server."""
    tag = f"{random.SystemRandom().randrange(10**9):09}"
    with httpx.Client(base_url=REAL, auth=ADMIN, timeout=300) as client:
        version = client.get("/api/system/info").json()["version"]
        _make(client, metadata(tag))
        yield Server(REAL, ".".join(version.split(".")[:2]), tag, ADMIN)


def metadata(tag: str) -> dict[str, Any]:
    """Return units, data elements and data sets; Kenema opened on 20 January, Kono closed on 25 January 2024."""
    units = [unit | {"openingDate": "1900-01-01T00:00:00.000"} for unit in default_metadata()["organisationUnits"][:14]]
    for unit in units:
        if unit["id"] == KENEMA:
            unit["openingDate"] = "2024-01-20T00:00:00.000"
        if unit["id"] == KONO:
            unit["closedDate"] = "2024-01-25T00:00:00.000"
    return {
        "organisationUnits": units,
        "dataElements": [_element(tag, name, kind) for kind, (_, names) in KINDS.items() for name in names],
        "dataSets": [_data_set(tag, kind, type_, names) for kind, (type_, names) in KINDS.items()],
    }


def users() -> list[dict[str, Any]]:
    """Return who imports: one for the country, one for Bo alone."""
    return [
        {
            "id": uid("", name),
            "username": name,
            "password": PASSWORD,
            "organisationUnits": [{"id": root}],
            "dataViewOrganisationUnits": [{"id": root}],
        }
        for name, root in ((IMPORTER, COUNTRY), (CLERK, BO))
    ]


def _element(tag: str, name: str, data_set: str) -> dict[str, Any]:
    combination = uid("", "sex") if name == "bysex" else DEFAULT_CATEGORY_COMBO
    return {
        "id": uid(tag, name),
        "code": f"CASE_{tag}_{name}",
        "name": f"Case {tag} {name}",
        "shortName": f"Case {tag} {name}",
        "domainType": "AGGREGATE",
        "valueType": "NUMBER",
        "aggregationType": "SUM",
        "zeroIsSignificant": True,
        "categoryCombo": {"id": combination},
        "dataSetElements": [{"dataSet": {"id": uid(tag, data_set)}, "dataElement": {"id": uid(tag, name)}}],
    }


def _data_set(tag: str, name: str, period_type: str, elements: tuple[str, ...]) -> dict[str, Any]:
    opens = {"openingDate": "2024-01-01T00:00:00.000", "closingDate": "2099-12-31T00:00:00.000"}
    return {
        "id": uid(tag, name),
        "code": f"CASE_{tag}_{name}",
        "name": f"Case {tag} {name}",
        "shortName": f"Case {tag} {name}",
        "periodType": period_type,
        "openFuturePeriods": 0,
        "expiryDays": 0,
        "timelyDays": 15,
        "categoryCombo": {"id": DEFAULT_CATEGORY_COMBO},
        "dataSetElements": [{"dataSet": {"id": uid(tag, name)}, "dataElement": {"id": uid(tag, e)}} for e in elements],
        "organisationUnits": [{"id": unit} for unit in (COUNTRY, *DISTRICTS) if unit != OUTSIDE],
        "dataInputPeriods": [{"period": {"id": day}, **opens} for day in OPEN_DAYS] if name == "input" else [],
        "sharing": {"public": "rwrw----"},
    }


def _make(client: httpx.Client, made: dict[str, Any]) -> None:
    """Post metadata as DHIS2 takes them: what others refer to first, and links one way only."""
    units = [{name: value for name, value in unit.items() if name != "path"} for unit in made["organisationUnits"]]
    _post(client, {"organisationUnits": units})
    me = client.get("/api/me", params={"fields": "id"}).json()["id"]
    patch = [
        {"op": "add", "path": f"/{name}", "value": [{"id": COUNTRY}]}
        for name in ("organisationUnits", "dataViewOrganisationUnits")
    ]
    headers = {"Content-Type": "application/json-patch+json"}
    client.patch(f"/api/users/{me}", json=patch, headers=headers).raise_for_status()
    _post(client, _categories())
    client.post("/api/maintenance", params={"categoryOptionComboUpdate": "true"}).raise_for_status()
    elements = [{n: v for n, v in element.items() if n != "dataSetElements"} for element in made["dataElements"]]
    _post(client, {"dataElements": elements})
    sets = [
        data_set | {"dataSetElements": [{"dataElement": entry["dataElement"]} for entry in data_set["dataSetElements"]]}
        for data_set in made["dataSets"]
    ]
    _post(client, {"dataSets": sets})
    role = {"id": uid("", "role"), "name": "Case importer", "authorities": ["F_DATAVALUE_ADD"]}
    _post(client, {"userRoles": [role]})
    for user in users():
        body = user | {"firstName": "Case", "surname": user["username"], "userRoles": [{"id": role["id"]}]}
        client.post("/api/users", json=body)  # a conflict where it is there from an earlier run


def _categories() -> dict[str, Any]:
    options = [
        {
            "id": uid("", f"option {name}"),
            "name": f"Case {name}",
            "shortName": f"Case {name}",
            "sharing": {"public": "rwrw----"},
        }
        for name in ("f", "m")
    ]
    category: dict[str, Any] = {"id": uid("", "category"), "name": "Case sex", "shortName": "Case sex"}
    category |= {"dataDimensionType": "DISAGGREGATION", "categoryOptions": [{"id": option["id"]} for option in options]}
    combo = {"id": uid("", "sex"), "name": "Case by sex", "dataDimensionType": "DISAGGREGATION"}
    return {
        "categoryOptions": options,
        "categories": [category],
        "categoryCombos": [combo | {"categories": [{"id": category["id"]}]}],
    }


def _post(client: httpx.Client, body: dict[str, Any]) -> None:
    params = {"importStrategy": "CREATE_AND_UPDATE", "atomicMode": "ALL"}
    answer = client.post("/api/metadata", params=params, json=body)
    assert answer.status_code == 200, answer.text[:2000]
