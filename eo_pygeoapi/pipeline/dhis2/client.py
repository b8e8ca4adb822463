"""The one module that talks to DHIS2, through dhis2-client.

It raises Dhis2Error for a refusal and Dhis2UnavailableError where a retry may help, and no other exception. HTTP 409
with an import summary is an answer, not an error: DHIS2 has then imported only a part.
"""

import atexit
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from http import HTTPStatus
from typing import Any

from dhis2_client import DHIS2Client
from dhis2_client.errors import DHIS2HTTPError

from eo_pygeoapi.errors import Dhis2Error, Dhis2UnavailableError
from eo_pygeoapi.pipeline.dhis2.addresses import COMMA, addressable
from eo_pygeoapi.pipeline.dhis2.connection import open_client, secrets_of
from eo_pygeoapi.pipeline.dhis2.errors import LoginPageError, translating
from eo_pygeoapi.pipeline.dhis2.import_report import import_report, messages
from eo_pygeoapi.redaction import redact, without_known
from eo_pygeoapi.settings import Dhis2Connection

READ_TIMEOUT = 300.0  # an import that DHIS2 is still working on when the client gives up is stored nevertheless
CONNECT_TIMEOUT = 15.0
ORG_UNIT_FIELDS = "id,code,name,level,path,geometry,openingDate,closedDate"
# "at least one data element, data set … must be specified" and "at least one organisation unit …": none was found
NOTHING_SELECTED = ("E2001", "E2006")
# members that answers are looked up by; a password may be a word that a code has in it
COMMON = ("period", "orgUnit", "attributeOptionCombo")
IDENTIFIERS = ("id", "code", "path", "dataElement", "orgUnit", "period", "categoryOptionCombo", "attributeOptionCombo")
# members of a data value that hold free text, or what a person has set
SAID = ("value", "storedBy", "lastUpdated", "comment")
# of the user: whom the values are compared with, and which units may be written to and read
USER_FIELDS = "username,authorities,organisationUnits[id],dataViewOrganisationUnits[id]"

# analytics tables are made of data values alone, and not of tracked entities
ONLY_VALUES = {"skipEvents": "true", "skipEnrollment": "true", "skipTrackedEntities": "true"}

UID = re.compile(r"[A-Za-z][A-Za-z0-9]{10}")

Connect = Callable[[], AbstractContextManager["Dhis2"]]


@contextmanager
def connect(
    connection: Dhis2Connection,
    *,
    read_timeout: float = READ_TIMEOUT,
    connect_timeout: float = CONNECT_TIMEOUT,
    secrets: Sequence[str] = (),
) -> Iterator["Dhis2"]:
    """Open a connection to the DHIS2 of `connection`, and close it at the end; timeouts are in seconds.

    This sends no request. `secrets` are kept out of messages beside those of the connection. Raises Dhis2Error for an
    invalid address, and without credentials.
    """
    client = open_client(connection, read_timeout, connect_timeout)
    try:
        yield Dhis2(client, [*secrets_of(connection), *secrets], by_token=connection.token is not None)
    finally:
        client.close()
        atexit.unregister(client.close)  # the client registers this, which keeps it in memory for ever


class Dhis2:
    """A DHIS2 server, with credentials; `connect` makes it."""

    def __init__(self, client: DHIS2Client, secrets: Sequence[str] = (), *, by_token: bool = False) -> None:
        self.by_token = by_token
        self._client = client
        self._secrets = secrets
        self._has_answered = False  # what is refused from then on is not for the credentials

    def system_info(self) -> dict[str, Any]:
        """Return the server's description of itself: `version`, `calendar` and more."""
        return self._get("/api/system/info", needed="version")

    def period_types(self) -> list[str]:
        """Return the names of the period types that this version has (`WeeklyWednesday`)."""
        return [str(found["name"]) for found in self._list("periodTypes", {"fields": "name"})]

    def found(
        self, collection: str, identifiers: Sequence[str], fields: str, by: str = "id", *, as_is: bool = False
    ) -> list[Any]:
        """Return the objects of a collection (`dataSets`) that have these UIDs, or `by` code these codes.

        The result lacks objects that do not exist or that the user may not see. Objects that are to be sent back must
        come `as_is`: with the words that a secret of ours happens to occur in.
        """
        # a list of codes ends at a comma or bracket within one of them
        together = [name for name in identifiers if not re.search(r"[,\[\]]", name)]
        alone = [[name] for name in identifiers if name not in set(together)]
        objects: list[Any] = []
        for some in [*addressable(together, COMMA), *alone]:
            objects += self.matching(collection, _any_of(by, some), fields, as_is=as_is)
        return objects

    def matching(self, collection: str, condition: str, fields: str, *, as_is: bool = False) -> list[Any]:
        """Return the objects of a collection that match DHIS2's filter, with these fields."""
        params = {"filter": condition, "fields": fields, "paging": "false"}
        return self._list(collection, params, as_is=as_is)

    def import_metadata(self, objects: Mapping[str, Sequence[Mapping[str, Any]]], *, only_check: bool) -> list[str]:
        """Make or change all of these objects, by collection, or none of them; returns what DHIS2 has against it.

        With `only_check` nothing is stored.
        """
        mode = "VALIDATE" if only_check else "COMMIT"
        params = {"importMode": mode, "importStrategy": "CREATE_AND_UPDATE", "atomicMode": "ALL"}
        report = self._reported("/api/metadata", params, objects, import_report, "import report")
        return list(dict.fromkeys(redact(message) for message in messages(report)))

    def make_option_combos(self) -> None:
        """Have DHIS2 make the option combinations of category combinations that have none yet."""
        path = "/api/maintenance"
        self._ask(f"POST {path}", lambda: self._client.post(path, params={"categoryOptionComboUpdate": "true"}))

    def me(self) -> dict[str, Any]:
        """Return our user, with the members of USER_FIELDS."""
        return self._get("/api/me", {"fields": USER_FIELDS}, needed="username")

    def tokens(self) -> list[Any]:
        """Return the personal access tokens of who is logged in: `expire`, in milliseconds since 1970, and `createdBy`.

        DHIS2 does not say which of them is used here.
        """
        params = {"fields": "id,expire,createdBy[username]", "paging": "false"}
        return self._list("apiToken", params)

    def levels(self) -> dict[int, str]:
        """Return the names of the organisation unit levels, by level."""
        found = self._list("organisationUnitLevels", {"fields": "level,name", "paging": "false"})
        return {entry["level"]: entry.get("name", "") for entry in sorted(found, key=lambda entry: entry["level"])}

    def org_units(
        self,
        levels: Sequence[int] = (),
        parent: str = "",
        group: str = "",
        ids: Sequence[str] = (),
        fields: str = ORG_UNIT_FIELDS,
    ) -> list[dict[str, Any]]:
        """Return the organisation units that match all arguments, with or without a geometry.

        They are of any of the `levels`, have any of the UIDs `ids`, lie below the unit `parent` (UID), which is not
        among them, and belong to the `group` (UID). Each has those members of `fields` that DHIS2 has.
        """
        filters = [_any_of("level", [str(level) for level in levels])] if levels else []
        filters += [f"path:like:{parent}"] if parent else []
        filters += [f"organisationUnitGroups.id:eq:{group}"] if group else []
        wanted = [[_any_of("id", some)] for some in addressable(ids, COMMA)] if ids else [[]]
        units: list[dict[str, Any]] = []
        for some in wanted:
            params = {"filter": filters + some, "fields": fields, "paging": "false"}
            units += self._list("organisationUnits", params)
        # DHIS2 finds the parent itself too: its path holds its own UID
        return [unit for unit in units if unit["id"] != parent] if parent else units

    def stored_values(
        self,
        data_element: str,
        first: date,
        last: date,
        org_units: Sequence[str],
        *,
        data_set: str = "",
        deleted: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the values of the data element that DHIS2 holds for periods within these days, by UIDs.

        Each has `period`, `orgUnit`, `categoryOptionCombo`, `attributeOptionCombo`, `value`, `storedBy` and
        `lastUpdated`; with `deleted` there are also those that were, which say so. The request names days, not
        periods, for until 2.42 DHIS2 creates each period that a request names.
        """
        days = {"startDate": first.isoformat(), "endDate": last.isoformat()}
        days |= {"includeDeleted": "true"} if deleted else {}
        selected = {"dataSet": [data_set]} if data_set else {"dataElement": [data_element]}
        values: list[dict[str, Any]] = []
        for some in addressable(org_units, "&orgUnit="):
            where = days | {"orgUnit": some}
            answer = self._data_values(selected | where)
            if answer is None and "dataElement" in selected:  # a parameter since 2.43 only
                found = self.matching("dataElements", f"id:eq:{data_element}", "dataSetElements[dataSet[id]]")
                members = [member for element in found for member in element.get("dataSetElements", [])]
                selected = {"dataSet": [member["dataSet"]["id"] for member in members]}
                answer = self._data_values(selected | where)
            found = (answer or {}).get("dataValues", [])
            # what the values have in common, 2.43 says once, beside them
            common = {name: answer[name] for name in COMMON if name in answer} if answer else {}
            values += [common | value for value in found] if common else found
        ours = [value for value in values if value.get("dataElement") == data_element]
        # nearly never has one a secret of ours in it, and they may be many
        said = " ".join([str(value.get(name, "")) for value in ours for name in SAID])
        free = without_known(said, self._secrets) == said
        return ours if free else without_known(ours, self._secrets, but=IDENTIFIERS)

    def name_periods(self, periods: Sequence[str], data_element: str, org_unit: str, *, data_set: str = "") -> None:
        """Read values of periods, so that DHIS2 creates the periods that it does not have; it does so until 2.42.

        Raises CollisionError if another request names one of them at the same moment.
        """
        selected = {"dataSet": data_set} if data_set else {"dataElement": data_element}
        for some in addressable(periods, "&period="):
            self._data_values({**selected, "period": some, "orgUnit": org_unit})

    def data_value_sets(
        self, data_value_set: Mapping[str, Any], *, dry_run: bool, import_strategy: str = "CREATE_AND_UPDATE"
    ) -> dict[str, Any]:
        """Import a data value set, or with `dry_run` ask what an import would do; return DHIS2's import summary.

        DHIS2 may have imported only a part, or nothing: its `status` and `conflicts` tell.
        """
        params = {
            "dryRun": str(dry_run).lower(),
            "importStrategy": import_strategy,
            "strictPeriods": "true",
            "async": "false",
        }
        summary = self._reported("/api/dataValueSets", params, data_value_set, _import_summary, "import summary")
        conflicts = summary.get("conflicts") or []
        for conflict in conflicts:
            conflict["value"] = redact(str(conflict.get("value") or ""))
        return {**summary, "description": redact(str(summary.get("description") or "")), "conflicts": conflicts}

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

    def _reported(
        self,
        path: str,
        params: Mapping[str, str],
        body: Mapping[str, Any],
        report_in: Callable[[Any], dict[str, Any] | None],
        kind: str,
    ) -> dict[str, Any]:
        """Post, and return what `report_in` finds in the answer, which may be a 409; Dhis2Error where that is nothing.

        `kind` is what it is called in DHIS2.
        """

        def post() -> Any:
            try:
                return self._client.post(path, params=dict(params), json=dict(body))
            except DHIS2HTTPError as error:
                if error.status_code != HTTPStatus.CONFLICT or not report_in(error.payload):
                    raise
                return error.payload

        asked = f"POST {path}"
        if report := report_in(self._ask(asked, post)):
            return report
        raise self._no_answer(asked, f"without an {kind}")

    def _data_values(self, params: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer as it is, or None if nothing that the request names exists."""
        path = "/api/dataValueSets"

        def get() -> Any:
            try:
                return self._client.get(path, params=params)
            except DHIS2HTTPError as error:
                if error.payload.get("errorCode") not in NOTHING_SELECTED:
                    raise
                return None

        answer = self._ask(f"GET {path}", get, as_is=True)
        return None if answer is None else self._object(answer, f"GET {path}")

    def _list(self, collection: str, params: dict[str, Any], *, as_is: bool = False) -> list[Any]:
        """Return the objects of a collection, which may be none; an answer that does not say so is no answer."""
        found = self._get(f"/api/{collection}", params, as_is=as_is, needed=collection)[collection]
        if isinstance(found, list):
            return found
        raise self._no_answer(f"GET /api/{collection}", f"with a {type(found).__name__} of {collection}, no list")

    def _get(
        self, path: str, params: dict[str, Any] | None = None, *, as_is: bool = False, needed: str
    ) -> dict[str, Any]:
        """Return an object; Dhis2UnavailableError where it lacks the member `needed`, which DHIS2 always has."""
        asked = f"GET {path}"
        found = self._object(self._ask(asked, lambda: self._client.get(path, params=params), as_is=as_is), asked)
        if needed in found:
            return found
        raise self._no_answer(asked, f"without {needed!r}")

    def _ask(self, asked: str, ask: Callable[[], Any], *, as_is: bool = False) -> Any:
        """Return the server's answer without our secrets, which it or a proxy may repeat; raises only our errors."""
        with translating(self._client.base_url, asked, self._secrets):
            try:
                answer = ask()
                self._has_answered = True
                return answer if as_is else without_known(answer, self._secrets, but=IDENTIFIERS)
            except DHIS2HTTPError as error:
                payload = without_known(error.payload, self._secrets)
                raise DHIS2HTTPError(error.status_code, error.path, payload) from None
            except LoginPageError as error:
                if not self._has_answered:
                    raise
                raise self._no_answer(asked, "with a redirect to its login page, though it had let us in") from error

    def _object(self, answer: Any, asked: str) -> dict[str, Any]:
        if isinstance(answer, dict):
            return answer
        raise self._no_answer(asked, f"with a {type(answer).__name__}, no object")

    def _no_answer(self, asked: str, how: str) -> Dhis2UnavailableError:
        return Dhis2UnavailableError(f"DHIS2 at {self._client.base_url} answered {asked} {how}; it may be starting")


def _any_of(name: str, values: Sequence[str]) -> str:
    return f"{name}:eq:{values[0]}" if len(values) == 1 else f"{name}:in:[{','.join(values)}]"


def _import_summary(answer: Any) -> dict[str, Any] | None:
    """Return the import summary of an answer; until 2.37 it is the answer itself."""
    summary = answer.get("response", answer) if isinstance(answer, dict) else None
    return summary if isinstance(summary, dict) and "importCount" in summary else None
