"""Record how a DHIS2 takes the metadata of a setup: `python -m tests.standins.recorded.record_setup URL OUT`.

URL is an empty server of one's own, with the user admin (password district) and the unit ImspTQPwCqd; OUT becomes the
file of the case, which `compact.py` makes smaller. Only what imports rely on is read, and in a fixed order.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import httpx

ROOT, DEFAULT = "ImspTQPwCqd", "bjDvmb4bfuf"
CHECK = {"importMode": "VALIDATE", "importStrategy": "CREATE_AND_UPDATE", "atomicMode": "ALL"}
STORE = CHECK | {"importMode": "COMMIT"}
PASSWORD = "Rec-Test-2026!"
ROLE, GROUP, USER, OUTSIDER = "RecSetRole1", "RecSetGrou1", "RecSetUser1", "RecSetUser2"
OPTIONS = {"RecSetOpti1": "young", "RecSetOpti2": "old"}
CATEGORY, COMBO, PLAIN, BY_AGE, DAILY = "RecSetCate1", "RecSetComb1", "RecSetElem1", "RecSetElem2", "RecSetData1"
WRITTEN = {"public": "r-------", "users": {}, "userGroups": {GROUP: {"id": GROUP, "access": "r-rw----"}}}
SEEN = {"public": "r-------", "users": {}, "userGroups": {GROUP: {"id": GROUP, "access": "r-------"}}}
ME = "username,authorities,organisationUnits[id],userGroups[id]"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")


def main(url: str, out: Path) -> None:
    steps: list[dict[str, Any]] = []

    def ask(method: str, path: str, user: str = "admin", body: Any = None, **params: str) -> None:
        login = ("admin", "district") if user == "admin" else (f"rec_{user}", PASSWORD)
        with httpx.Client(base_url=url, auth=login, timeout=300) as client:
            answer = client.request(method, path, params=params, json=body, headers={"Accept": "application/json"})
        text = INSTANT.sub("<instant>", answer.text).replace(url, "http://dhis2.test")
        steps.append(
            {
                "method": method,
                "path": path,
                "params": params,
                "user": user,
                "body": body,
                "status": answer.status_code,
                "headers": {"Content-Type": answer.headers.get("Content-Type", "")},
                "answer": json.loads(text) if text else None,
                "ms": round(answer.elapsed.total_seconds() * 1000),
            }
        )

    def read(collection: str, uid: str, fields: str, user: str = "admin") -> None:
        ask("GET", f"/api/{collection}", user, filter=f"id:eq:{uid}", fields=fields, paging="false")

    combos = {"filter": f"categoryCombo.id:eq:{COMBO}", "fields": "id,name,categoryCombo[id]", "paging": "false"}
    ask("POST", "/api/metadata", body=everything(), **CHECK)
    read("dataSets", DAILY, "id")
    ask("POST", "/api/metadata", body=everything(), **STORE)
    ask("POST", "/api/metadata", body=everything(), **CHECK)
    ask("GET", "/api/categoryOptionCombos", **combos)
    ask("POST", "/api/maintenance", categoryOptionComboUpdate="true")
    ask("GET", "/api/categoryOptionCombos", **combos)
    for who in ("setup", "outsider"):
        ask("GET", "/api/me", who, fields=ME)
        read("dataSets", DAILY, "id,access", who)
        read("categoryOptions", "RecSetOpti1", "id,access", who)
    read("dataSets", DAILY, "id,code,periodType,openFuturePeriods,dataSetElements[dataElement[id]],sharing")
    read("dataElements", PLAIN, "id,code,aggregationLevels,dataSetElements[dataSet[id,code,periodType]],sharing")
    read("userRoles", ROLE, "id,code,authorities,sharing")
    read("userGroups", GROUP, "id,code,users[id],sharing")
    ask("GET", "/api/users", filter="username:eq:rec_setup", fields="id,username,userRoles[id]", paging="false")
    other = user("RecSetUser3", "rec_setup")
    ask("POST", "/api/metadata", body={"users": [other | {"username": "rec_weak", "password": "weak"}]}, **CHECK)
    ask("POST", "/api/metadata", body={"users": [other | {"username": "rec_idle", "userRoles": []}]}, **CHECK)
    taken = element("RecSetElem3", "Third") | {"shortName": "Rec plain"}
    ask("POST", "/api/metadata", body={"dataElements": [taken]}, **CHECK)
    changed = user(USER, "rec_setup") | {"surname": "changed"}
    ask("POST", "/api/metadata", body={"users": [{k: v for k, v in changed.items() if k != "password"}]}, **STORE)
    ask("GET", "/api/me", "setup", fields="username,surname")  # the password stays
    about = "metadata of a setup: checked, stored and read; who may write values; and what is refused"
    out.write_text(json.dumps({"case": out.stem, "about": about, "steps": steps}, indent=1))


def everything() -> dict[str, Any]:
    options = [
        {"id": uid, "code": f"REC_{n.upper()}", "name": f"Rec {n}", "shortName": f"Rec {n}", "sharing": WRITTEN}
        for uid, n in OPTIONS.items()
    ]
    by_age: dict[str, Any] = {"code": "REC_BY_AGE", "name": "Rec by age", "dataDimensionType": "DISAGGREGATION"}
    elements = [element(PLAIN, "plain"), element(BY_AGE, "by age group") | {"categoryCombo": {"id": COMBO}}]
    data_set = {
        "id": DAILY,
        "code": "REC_SETUP_DAILY",
        "name": "Rec set-up daily",
        "shortName": "Rec set-up daily",
        "periodType": "Daily",
        "openFuturePeriods": 2,
        "expiryDays": 0,
        "categoryCombo": {"id": DEFAULT},
        "dataSetElements": [{"dataSet": {"id": DAILY}, "dataElement": {"id": uid}} for uid in (PLAIN, BY_AGE)],
        "organisationUnits": [{"id": ROOT}],
        "sharing": WRITTEN,
    }
    category: dict[str, Any] = {"id": CATEGORY, "code": "REC_AGE", "name": "Rec age", "shortName": "Rec age"}
    category |= {"dataDimensionType": "DISAGGREGATION", "categoryOptions": [{"id": uid} for uid in OPTIONS]}
    return {
        "categoryOptions": options,
        "categories": [category],
        "categoryCombos": [{"id": COMBO, **by_age, "categories": [{"id": CATEGORY}]}],
        "dataElements": elements,
        "dataSets": [data_set],
        "userRoles": [
            {"id": ROLE, "code": "REC_SETUP_ROLE", "name": "Rec set-up", "authorities": ["F_DATAVALUE_ADD"]}
            | {"sharing": {"public": "r-------", "users": {}, "userGroups": {}}}
        ],
        "users": [user(USER, "rec_setup"), user(OUTSIDER, "rec_outsider")],
        "userGroups": [
            {"id": GROUP, "code": "REC_SETUP_GROUP", "name": "Rec set-up group", "users": [{"id": USER}]}
            | {"sharing": {"public": "r-------", "users": {}, "userGroups": {}}}
        ],
    }


def element(uid: str, name: str) -> dict[str, Any]:
    return {
        "id": uid,
        "code": f"REC_SETUP_{name.upper()}",
        "name": f"Rec {name}",
        "shortName": f"Rec {name}",
        "valueType": "NUMBER",
        "domainType": "AGGREGATE",
        "aggregationType": "SUM",
        "zeroIsSignificant": True,
        "aggregationLevels": [1],
        "categoryCombo": {"id": DEFAULT},
        "sharing": SEEN,
    }


def user(uid: str, name: str) -> dict[str, Any]:
    return {
        "id": uid,
        "username": name,
        "password": PASSWORD,
        "firstName": "Rec",
        "surname": name,
        "userRoles": [{"id": ROLE}],
        "organisationUnits": [{"id": ROOT}],
        "dataViewOrganisationUnits": [{"id": ROOT}],
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
