"""The one module that talks to DHIS2, through dhis2-client.

What DHIS2 refuses becomes Dhis2Error, and what another try may mend Dhis2UnavailableError; no other exception leaves
this module. An import that DHIS2 took only in part comes as HTTP 409 too, but is an answer, not an error.
"""

import atexit
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from http import HTTPStatus
from itertools import batched
from typing import Any

from dhis2_client import DHIS2Client
from dhis2_client.errors import DHIS2HTTPError

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.connection import open_client, secrets_of
from eo_pygeoapi.pipeline.dhis2.errors import translating
from eo_pygeoapi.redaction import redact, without_known
from eo_pygeoapi.settings import Dhis2Connection

READ_TIMEOUT = 300.0  # an import that DHIS2 is still working on when the client gives up is stored nevertheless
CONNECT_TIMEOUT = 15.0
# Tomcat refuses requests whose head is over 8 KiB; a UID and its parameter's name are 20 bytes, a code up to 60
IDS_IN_URL = 100
ORG_UNIT_FIELDS = "id,code,name,level,path,geometry,openingDate,closedDate"
# "at least one data element, data set … must be specified" and "at least one organisation unit …": none was found
NOTHING_SELECTED = ("E2001", "E2006")
# members that answers are looked up by; a password may be a word that a code has in it
IDENTIFIERS = ("id", "code", "path", "dataElement", "orgUnit", "period", "categoryOptionCombo", "attributeOptionCombo")
# of the user: whom the values are compared with, and which units may be written to and read
USER_FIELDS = "username,authorities,organisationUnits[id],dataViewOrganisationUnits[id]"

# analytics tables are made of data values alone, and not of tracked entities
ONLY_VALUES = {"skipEvents": "true", "skipEnrollment": "true", "skipTrackedEntities": "true"}

UID = re.compile(r"[A-Za-z][A-Za-z0-9]{10}")

Connect = Callable[[], AbstractContextManager["Dhis2"]]


@contextmanager
def connect(
    connection: Dhis2Connection, *, read_timeout: float = READ_TIMEOUT, connect_timeout: float = CONNECT_TIMEOUT
) -> Iterator["Dhis2"]:
    """Open a connection to the DHIS2 of `connection`, and close it at the end; timeouts are in seconds.

    Nothing is sent yet. Raises Dhis2Error for an address that is none, and where there is nothing to log in with.
    """
    client = open_client(connection, read_timeout, connect_timeout)
    try:
        yield Dhis2(client, secrets_of(connection), by_token=connection.token is not None)
    finally:
        client.close()
        atexit.unregister(client.close)  # registered by the client, and keeps it in memory for ever


class Dhis2:
    """A DHIS2 server that somebody is logged in to; `connect` makes it."""

    def __init__(self, client: DHIS2Client, secrets: Sequence[str] = (), *, by_token: bool = False) -> None:
        self.by_token = by_token
        self._client = client
        self._secrets = secrets

    def system_info(self) -> dict[str, Any]:
        """Return `version`, `calendar` and what else the server says of itself."""
        return self._get("/api/system/info")

    def found(self, collection: str, identifiers: Sequence[str], fields: str, by: str = "id") -> list[Any]:
        """Return the objects of a collection (`dataSets`) that have these UIDs, or `by` code these codes.

        What does not exist, or may not be seen, is missing.
        """
        # a list of codes ends at a comma or bracket within one of them
        together = [name for name in identifiers if not re.search(r"[,\[\]]", name)]
        alone = [[name] for name in identifiers if name not in set(together)]
        objects: list[Any] = []
        for some in [*batched(together, IDS_IN_URL), *alone]:
            objects += self.matching(collection, _any_of(by, some), fields)
        return objects

    def matching(self, collection: str, condition: str, fields: str) -> list[Any]:
        """Return the objects of a collection that meet DHIS2's filter, with the fields asked for."""
        params = {"filter": condition, "fields": fields, "paging": "false"}
        found: list[Any] = self._get(f"/api/{collection}", params).get(collection, [])
        return found

    def me(self) -> dict[str, Any]:
        """Return who is logged in, with the members of USER_FIELDS."""
        return self._get("/api/me", {"fields": USER_FIELDS})

    def tokens(self) -> list[Any]:
        """Return the personal access tokens of who is logged in: `expire`, in milliseconds since 1970, and `createdBy`.

        DHIS2 does not say which of them is used here.
        """
        params = {"fields": "id,expire,createdBy[username]", "paging": "false"}
        found: list[Any] = self._get("/api/apiToken", params).get("apiToken", [])
        return found

    def levels(self) -> dict[int, str]:
        """Return the names of the organisation unit levels, by level."""
        answer = self._get("/api/organisationUnitLevels", {"fields": "level,name", "paging": "false"})
        found = answer.get("organisationUnitLevels", [])
        return {entry["level"]: entry.get("name", "") for entry in sorted(found, key=lambda entry: entry["level"])}

    def org_units(
        self, levels: Sequence[int] = (), parent: str = "", group: str = "", ids: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Return the organisation units that meet all that is given, with or without a geometry.

        `levels`, `ids`: any of them; `parent`: UID of a unit that they lie below, itself not among them; `group`: UID
        of a group that they are in. Each has the members of ORG_UNIT_FIELDS as far as DHIS2 knows them.
        """
        filters = _org_unit_filters(levels, parent, group)
        wanted = [[_any_of("id", some)] for some in batched(ids, IDS_IN_URL)] if ids else [[]]
        units = [unit for some in wanted for unit in self._org_units(filters + some)]
        # DHIS2 finds the parent itself too: its path holds its own UID
        return [unit for unit in units if unit["id"] != parent] if parent else units

    def stored_values(
        self, data_element: str, first: date, last: date, org_units: Sequence[str], *, data_set: str = ""
    ) -> list[dict[str, Any]]:
        """Return the values of the data element that DHIS2 holds for periods within these days, by UIDs.

        Each has `period`, `orgUnit`, `categoryOptionCombo`, `attributeOptionCombo`, `value` and `storedBy`. Days and
        not periods are asked for: until 2.42 DHIS2 makes periods that it is asked for.
        """
        days = {"startDate": first.isoformat(), "endDate": last.isoformat()}
        selected = {"dataSet": [data_set]} if data_set else {"dataElement": [data_element]}
        values: list[dict[str, Any]] = []
        for some in batched(org_units, IDS_IN_URL):
            where = days | {"orgUnit": list(some)}
            answer = self._data_values(selected | where)
            if answer is None and "dataElement" in selected:  # a parameter since 2.43 only
                selected = {"dataSet": self._data_sets_of(data_element)}
                answer = self._data_values(selected | where)
            values += _flat(answer or {})
        return [value for value in values if value.get("dataElement") == data_element]

    def name_periods(self, periods: Sequence[str], data_element: str, org_unit: str, *, data_set: str = "") -> None:
        """Name periods to DHIS2 by asking for their values: until 2.42 it makes those that it has not met before.

        Raises CollisionError where another request names one of them at the same moment.
        """
        selected = {"dataSet": data_set} if data_set else {"dataElement": data_element}
        for some in batched(periods, IDS_IN_URL):
            self._data_values({**selected, "period": list(some), "orgUnit": org_unit})

    def data_value_sets(
        self, data_value_set: Mapping[str, Any], *, dry_run: bool, import_strategy: str = "CREATE_AND_UPDATE"
    ) -> dict[str, Any]:
        """Import a data value set, or with `dry_run` ask what an import would do; return DHIS2's import summary.

        A summary comes also where DHIS2 took only a part, or nothing: look at its `status` and `conflicts`.
        """
        path = "/api/dataValueSets"
        params = {
            "dryRun": str(dry_run).lower(),
            "importStrategy": import_strategy,
            "strictPeriods": "true",
            "async": "false",
        }

        def post() -> Any:
            try:
                return self._client.post(path, params=params, json=dict(data_value_set))
            except DHIS2HTTPError as error:
                if error.status_code != HTTPStatus.CONFLICT or not _import_summary(error.payload):
                    raise
                return error.payload

        answer = self._ask(f"POST {path}", post)
        if summary := _import_summary(answer):
            return _redacted(summary)
        raise Dhis2Error(f"DHIS2 at {self._client.base_url} answered POST {path} without an import summary")

    def start_analytics(self) -> str:
        """Have DHIS2 make the analytics tables of data values; returns the path of its notifications on that.

        Returns nothing where DHIS2 cannot begin now (409), for it makes them already.
        """
        path = "/api/resourceTables/analytics"
        asked = f"POST {path}"

        def post() -> Any:
            try:
                return self._client.post(path, params=ONLY_VALUES)
            except DHIS2HTTPError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                return None

        if (answer := self._ask(asked, post)) is None:
            return ""
        endpoint = (self._object(answer, asked).get("response") or {}).get("relativeNotifierEndpoint")
        if not isinstance(endpoint, str) or not endpoint.startswith("/api/"):
            raise Dhis2Error(f"DHIS2 at {self._client.base_url} answered {asked} without where its notifications are")
        return endpoint

    def notifications(self, path: str) -> list[dict[str, Any]]:
        """Return what DHIS2 says of a task of its own, the newest first; nothing before it has begun."""
        answer: Any = self._ask(f"GET {path}", lambda: self._client.get(path))
        return [note for note in answer if isinstance(note, dict)] if isinstance(answer, list) else []

    def _org_units(self, filters: Sequence[str]) -> list[dict[str, Any]]:
        params = {"filter": list(filters), "fields": ORG_UNIT_FIELDS, "paging": "false"}
        found: list[dict[str, Any]] = self._get("/api/organisationUnits", params).get("organisationUnits", [])
        return found

    def _data_values(self, params: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer, or None where nothing that was asked for exists."""
        path = "/api/dataValueSets"

        def get() -> Any:
            try:
                return self._client.get(path, params=params)
            except DHIS2HTTPError as error:
                if error.payload.get("errorCode") not in NOTHING_SELECTED:
                    raise
                return None

        answer = self._ask(f"GET {path}", get)
        return None if answer is None else self._object(answer, f"GET {path}")

    def _data_sets_of(self, data_element: str) -> list[str]:
        found = self.matching("dataElements", f"id:eq:{data_element}", "dataSetElements[dataSet[id]]")
        return [member["dataSet"]["id"] for element in found for member in element.get("dataSetElements", [])]

    def _get(self, path: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        asked = f"GET {path}"
        return self._object(self._ask(asked, lambda: self._client.get(path, params=params)), asked)

    def _ask(self, asked: str, ask: Callable[[], Any]) -> Any:
        """Return the server's answer without our secrets, which it or a proxy may repeat; raises only our errors."""
        with translating(self._client.base_url, asked, self._secrets):
            try:
                return without_known(ask(), self._secrets, but=IDENTIFIERS)
            except DHIS2HTTPError as error:
                payload = without_known(error.payload, self._secrets)
                raise DHIS2HTTPError(error.status_code, error.path, payload) from None

    def _object(self, answer: Any, asked: str) -> dict[str, Any]:
        if isinstance(answer, dict):
            return answer
        raise Dhis2Error(f"DHIS2 at {self._client.base_url} answered {asked} with a {type(answer).__name__}, no object")


def _org_unit_filters(levels: Sequence[int], parent: str, group: str) -> list[str]:
    filters = []
    if levels:
        filters.append(_any_of("level", [str(level) for level in levels]))
    if parent:
        filters.append(f"path:like:{parent}")
    if group:
        filters.append(f"organisationUnitGroups.id:eq:{group}")
    return filters


def _any_of(name: str, values: Sequence[str]) -> str:
    return f"{name}:eq:{values[0]}" if len(values) == 1 else f"{name}:in:[{','.join(values)}]"


def _flat(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values with all their dimensions; what they have in common 2.43 says once, beside them."""
    common = {name: answer[name] for name in ("period", "orgUnit", "attributeOptionCombo") if name in answer}
    return [common | value for value in answer.get("dataValues", [])]


def _import_summary(answer: Any) -> dict[str, Any] | None:
    """Return the import summary of an answer; until 2.37 it is the answer itself."""
    summary = answer.get("response", answer) if isinstance(answer, dict) else None
    return summary if isinstance(summary, dict) and "importCount" in summary else None


def _redacted(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return an import summary without what looks like a secret in DHIS2's words."""
    conflicts = [
        conflict | {"value": redact(str(conflict.get("value") or ""))} for conflict in summary.get("conflicts") or []
    ]
    return {**summary, "description": redact(str(summary.get("description") or "")), "conflicts": conflicts}
