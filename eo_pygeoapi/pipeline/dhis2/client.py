"""The one module that talks to DHIS2, through dhis2-client.

What DHIS2 refuses becomes Dhis2Error, and what another try may mend Dhis2UnavailableError; no other exception leaves
this module. An import that DHIS2 took only in part comes as HTTP 409 too, but is an answer, not an error.
"""

import atexit
import logging
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from itertools import batched, product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dhis2_client import DHIS2Client
from dhis2_client.errors import DHIS2HTTPError

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.errors import translating
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import Dhis2Connection

READ_TIMEOUT = 300.0  # an import that DHIS2 is still working on when the client gives up is stored nevertheless
CONNECT_TIMEOUT = 15.0
# Tomcat refuses requests whose head is over 8 KiB; a UID and its parameter's name are 20 bytes, a code up to 60
IDS_IN_URL = 100
ORG_UNIT_FIELDS = "id,code,name,level,path,geometry,openingDate,closedDate"
# "at least one data element, data set … must be specified" and "at least one organisation unit …": none was found
NOTHING_SELECTED = ("E2001", "E2006")
# the UID that DHIS2 gives to the option combination `default` when it makes the database
DEFAULT_OPTION_COMBO = "HllvX50cXC0"

UID = re.compile(r"[A-Za-z][A-Za-z0-9]{10}")

Connect = Callable[[], AbstractContextManager["Dhis2"]]


@contextmanager
def connect(
    connection: Dhis2Connection, *, read_timeout: float = READ_TIMEOUT, connect_timeout: float = CONNECT_TIMEOUT
) -> Iterator["Dhis2"]:
    """Open a connection to the DHIS2 of `connection`, and close it at the end; timeouts are in seconds.

    Nothing is sent yet. Raises Dhis2Error for an address that is none, and where there is nothing to log in with.
    """
    _quiet_client_log()
    own_trust = _trusting(connection.ca_file) if connection.ca_file else None
    client = DHIS2Client(
        _base_url(connection),
        **_credentials(connection),
        timeout=read_timeout,
        connect_timeout=connect_timeout,
        retries=0,  # dhis2-client tries again at once; the task tries again later
    )
    if own_trust:
        client.close()  # its HTTP client is made again, now with this, at the first request
        client.verify_ssl = own_trust  # type: ignore[assignment]  # declared bool, and handed to httpx, which takes both
    try:
        yield Dhis2(client, _secrets(connection))
    finally:
        client.close()
        atexit.unregister(client.close)  # registered by the client, and keeps it in memory for ever


class Dhis2:
    """A DHIS2 server that somebody is logged in to; `connect` makes it."""

    def __init__(self, client: DHIS2Client, secrets: Sequence[str] = ()) -> None:
        self._client = client
        self._secrets = secrets

    def system_info(self) -> dict[str, Any]:
        """Return `version`, `calendar` and what else the server says of itself."""
        return self._get("/api/system/info")

    def found(self, collection: str, identifiers: Sequence[str], fields: str, scheme: str = "UID") -> list[Any]:
        """Return the objects of a collection (`dataSets`) that have these UIDs, or codes, with the fields asked for.

        What does not exist, or may not be seen, is missing.
        """
        objects: list[Any] = []
        for some in batched(identifiers, IDS_IN_URL):
            named = _any_of("code" if scheme == "CODE" else "id", some)
            params = {"filter": named, "fields": fields, "paging": "false"}
            objects += self._get(f"/api/{collection}", params).get(collection, [])
        return objects

    def me(self) -> dict[str, Any]:
        """Return who is logged in: `username`, `authorities` and the `organisationUnits` that may be written to."""
        return self._get("/api/me", {"fields": "username,authorities,organisationUnits[id]"})

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
        self,
        data_element: str,
        periods: Sequence[str],
        org_units: Sequence[str],
        *,
        data_set: str = "",
        id_schemes: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the values of the data element that DHIS2 holds for the periods and units.

        Each has `period`, `orgUnit`, `categoryOptionCombo`, `attributeOptionCombo`, `value` and `storedBy`.
        `id_schemes` says what the identifiers are, here and in the answer: `{"orgUnitIdScheme": "CODE", …}`; UIDs
        where it does not.
        """
        schemes = dict(id_schemes or {})
        selected = {"dataSet": [data_set]} if data_set else {"dataElement": [data_element]}
        values: list[dict[str, Any]] = []
        for some_periods, some_units in product(batched(periods, IDS_IN_URL), batched(org_units, IDS_IN_URL)):
            where = {"period": list(some_periods), "orgUnit": list(some_units)}
            answer = self._data_values(selected | where | _schemes_to_read(schemes))
            if answer is None and "dataElement" in selected:  # a parameter since 2.43 only
                selected = {"dataSet": self._data_sets_of(data_element, schemes)}
                schemes["dataSetIdScheme"] = "UID"
                answer = self._data_values(selected | where | _schemes_to_read(schemes))
            values += _flat(answer or {})
        return [value for value in values if value.get("dataElement") == data_element]

    def default_option_combo(self) -> str:
        """Return the UID of the category option combination `default`, which DHIS2 takes where none is given."""
        params = {"filter": "name:eq:default", "fields": "id", "paging": "false"}
        found = self._get("/api/categoryOptionCombos", params).get("categoryOptionCombos", [])
        return str(found[0]["id"]) if found else DEFAULT_OPTION_COMBO

    def data_value_sets(
        self,
        data_value_set: Mapping[str, Any],
        *,
        dry_run: bool,
        import_strategy: str = "CREATE_AND_UPDATE",
        id_schemes: Mapping[str, str] | None = None,
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
            **(id_schemes or {}),
        }
        with self._translating(f"POST {path}"):
            try:
                answer = self._client.post(path, params=params, json=dict(data_value_set))
            except DHIS2HTTPError as error:
                if error.status_code != HTTPStatus.CONFLICT or not _import_summary(error.payload):
                    raise
                answer = error.payload
        if summary := _import_summary(answer):
            return summary
        raise Dhis2Error(f"DHIS2 at {self._client.base_url} answered POST {path} without an import summary")

    def _org_units(self, filters: Sequence[str]) -> list[dict[str, Any]]:
        params = {"filter": list(filters), "fields": ORG_UNIT_FIELDS, "paging": "false"}
        found: list[dict[str, Any]] = self._get("/api/organisationUnits", params).get("organisationUnits", [])
        return found

    def _data_values(self, params: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer, or None where nothing that was asked for exists."""
        asked = "GET /api/dataValueSets"
        with self._translating(asked):
            try:
                answer = self._client.get("/api/dataValueSets", params=params)
            except DHIS2HTTPError as error:
                if error.payload.get("errorCode") not in NOTHING_SELECTED:
                    raise
                return None
        return self._object(answer, asked)

    def _data_sets_of(self, data_element: str, schemes: Mapping[str, str]) -> list[str]:
        named_by = "code" if schemes.get("dataElementIdScheme") == "CODE" else "id"
        params = {
            "filter": f"{named_by}:eq:{data_element}",
            "fields": "dataSetElements[dataSet[id]]",
            "paging": "false",
        }
        found = self._get("/api/dataElements", params).get("dataElements", [])
        return [member["dataSet"]["id"] for element in found for member in element.get("dataSetElements", [])]

    def _get(self, path: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        asked = f"GET {path}"
        with self._translating(asked):
            answer = self._client.get(path, params=params)
        return self._object(answer, asked)

    def _object(self, answer: Any, asked: str) -> dict[str, Any]:
        if isinstance(answer, dict):
            return answer
        raise Dhis2Error(f"DHIS2 at {self._client.base_url} answered {asked} with a {type(answer).__name__}, no object")

    def _translating(self, asked: str) -> AbstractContextManager[None]:
        return translating(self._client.base_url, asked, self._secrets)


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


def _schemes_to_read(schemes: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters for reading: a scheme says what the answer holds, `input…` what was asked with."""
    return dict(schemes) | {f"input{name[:1].upper()}{name[1:]}": scheme for name, scheme in schemes.items()}


def _flat(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values with all their dimensions; what they have in common 2.43 says once, beside them."""
    common = {name: answer[name] for name in ("period", "orgUnit", "attributeOptionCombo") if name in answer}
    return [common | value for value in answer.get("dataValues", [])]


def _import_summary(answer: Any) -> dict[str, Any] | None:
    """Return the import summary of an answer; until 2.37 it is the answer itself."""
    summary = answer.get("response", answer) if isinstance(answer, dict) else None
    return summary if isinstance(summary, dict) and "importCount" in summary else None


def _base_url(connection: Dhis2Connection) -> str:
    parts = urlsplit(connection.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Dhis2Error(
            f"{redact(connection.url)!r} is no address of a DHIS2; allowed: http(s)://host/path, without /api"
        )
    if "@" in parts.netloc:
        raise Dhis2Error(
            f"the address of the DHIS2 at {parts.hostname} holds a user name or password; "
            "set EO_DHIS2_<NAME>_USERNAME and _PASSWORD, or _TOKEN, instead"
        )
    return connection.url.rstrip("/").removesuffix("/api")  # dhis2-client adds /api itself


def _credentials(connection: Dhis2Connection) -> dict[str, Any]:
    if connection.token:  # alone: with a user name beside it, dhis2-client would log in by that
        return {"token": connection.token.get_secret_value()}
    if connection.username and connection.password:
        return {"username": connection.username, "password": connection.password.get_secret_value()}
    raise Dhis2Error(
        f"nothing to log in with at the DHIS2 at {_base_url(connection)}; "
        "set EO_DHIS2_<NAME>_TOKEN, or EO_DHIS2_<NAME>_USERNAME and _PASSWORD"
    )


def _secrets(connection: Dhis2Connection) -> list[str]:
    return [secret.get_secret_value() for secret in (connection.token, connection.password) if secret]


def _trusting(ca_file: Path) -> ssl.SSLContext:
    """Return what trusts the certificate authorities in `ca_file` instead of the system's."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also where it holds no certificate
        raise Dhis2Error(f"cannot read the certificate authorities of DHIS2 in {ca_file}: {error}") from error


def _quiet_client_log() -> None:
    """Keep dhis2-client from printing whole answers, which Python does for errors that no handler takes."""
    logger = logging.getLogger("dhis2_client")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
