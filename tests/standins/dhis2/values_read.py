"""Reading values: `GET /api/dataValueSets`, until 2.42 and from 2.43 on.

From 2.43 on data sets and data elements add up also where they do not exist, and what all values have in common
stands once, beside the values.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import Answer, Object, Request, refusal
from tests.standins.dhis2.metadata import is_below
from tests.standins.dhis2.periods import parse_period
from tests.standins.dhis2.state import Server
from tests.standins.dhis2.store import ago

UID = re.compile(r"[A-Za-z][A-Za-z0-9]{10}")
NOT_SELECTED = {
    "E2001": "At least one data element, data set or data element group must be specified",
    "E2002": "At least one period, start/end dates, last updated or last updated duration must be specified",
    "E2003": "Both periods and start/end date cannot be specified",
    "E2006": "At least one organisation unit or organisation unit group must be specified",
}
NO_UID = "UID must be an alphanumeric string of 11 characters starting with a letter, but was: {}"
# by what is selected: its collection
SELECTED = {"dataSet": "dataSets", "dataElement": "dataElements", "orgUnit": "organisationUnits"}
WRITTEN = {
    "dataElement": "dataElements",
    "orgUnit": "organisationUnits",
    "categoryOptionCombo": "categoryOptionCombos",
    "attributeOptionCombo": "categoryOptionCombos",
}
SCHEMES = (*SELECTED, "categoryOptionCombo", "attributeOptionCombo", "category", "categoryOption")


def values(server: Server, request: Request) -> Answer:
    """Return the stored values that the parameters select, with identifiers as the schemes want them."""
    reading = Reading(server, request)
    reading.check()
    if hidden := reading.hidden_units():
        if not server.differences.values_as_a_group:
            return Answer(HTTPStatus.OK, None)  # the same as an empty DHIS2
        text = f"User is not allowed to view org unit(s): `[{', '.join(hidden)}]`"
        raise refusal(HTTPStatus.CONFLICT, text, "E2012")
    return Answer(HTTPStatus.OK, reading.found())


class Reading:
    """One request for values."""

    def __init__(self, server: Server, request: Request) -> None:
        self.server, self.request = server, request
        self.new = server.differences.values_as_a_group
        self.ids = {name: self._ids(name) for name in SELECTED}
        self.periods = self._periods()

    def check(self) -> None:
        """Refuse what selects nothing, or too much."""
        query = self.request.query
        dates = "startDate" in query and "endDate" in query
        broken = {
            "E2001": not self.ids["dataSet"] and not self.ids["dataElement"],
            "E2002": not (self.periods or dates or {"lastUpdated", "lastUpdatedDuration"} & set(query)),
            "E2003": bool(self.periods) and dates,
            "E2006": not self.ids["orgUnit"],
        }
        codes = [code for code, is_broken in broken.items() if is_broken]
        if codes:  # the older code says the last one it finds
            code = codes[0 if self.new else -1]
            raise refusal(HTTPStatus.CONFLICT, NOT_SELECTED[code], code)

    def hidden_units(self) -> list[str]:
        """Return the units that the user may not see values of."""
        user, metadata = self.request.user, self.server.metadata
        if self.new and sharing.is_super(user, metadata):
            return []
        roots = user.get("dataViewOrganisationUnits") or user["organisationUnits"]
        units = (metadata.find("organisationUnits", uid) for uid in self.ids["orgUnit"])
        return [unit["id"] for unit in units if unit and not is_below(unit, roots)]

    def found(self) -> Object:
        duration, store = self.request.one("lastUpdatedDuration"), self.server.store
        keys = store.selected(
            self._elements(),
            self._units(),
            self._in_time(),
            deleted=self.request.flag("includeDeleted"),
            since=ago(duration) if duration else None,
        )
        keys = keys[: int(self.request.one("limit", str(len(keys))))]
        self.server.cost.read(self.new, len(keys))
        rows = [self._row(store.shown(key)) for key in keys]
        return self._with_common_part(rows) if self.new else {"dataValues": rows}

    def _ids(self, name: str) -> list[str]:
        """Return the ids of what is selected; until 2.42 of what there is and may be seen."""
        scheme_name = f"input{name[:1].upper()}{name[1:]}IdScheme"
        scheme = self.request.one(scheme_name, self.request.one("inputIdScheme", "UID"))
        given, collection = self.request.query.get(name, []), SELECTED[name]
        if self.new and scheme == "UID":
            malformed = [uid for uid in given if not UID.fullmatch(uid)]
            if malformed:
                raise refusal(HTTPStatus.BAD_REQUEST, NO_UID.format(malformed[0]))
            return given
        objects = [self.server.metadata.find(collection, identifier, scheme) for identifier in given]
        return [o["id"] for o in objects if o and (self.new or self._sees(collection, o))]

    def _sees(self, collection: str, entry: Object) -> bool:
        return sharing.sees(self.request.user, self.server.metadata, collection, entry)

    def _periods(self) -> set[str]:
        given = self.request.query.get("period", [])
        found = {text: parse_period(text) for text in given}
        if self.new and (unknown := [text for text, period in found.items() if not period]):
            text = f"Invalid Period `{unknown[0]}`, expected a digit at position 0 but found: `{unknown[0][:1]}`"
            raise refusal(HTTPStatus.BAD_REQUEST, text)
        if not self.new:
            self.server.periods.read(period for period in found.values() if period)
        return {period.id for period in found.values() if period}

    def _elements(self) -> set[str]:
        found = [self.server.metadata.find("dataSets", uid) for uid in self.ids["dataSet"]]
        members = {m["dataElement"]["id"] for data_set in found if data_set for m in data_set["dataSetElements"]}
        if "dataElement" in self.request.query and "dataSet" in self.request.query:
            return set(self.ids["dataElement"]) | members
        return set(self.ids["dataElement"]) or members

    def _units(self) -> set[str]:
        units = set(self.ids["orgUnit"])
        if not self.request.flag("children"):
            return units
        every = self.server.metadata.all("organisationUnits")
        return {unit["id"] for unit in every if units & set(unit["path"].split("/"))}

    def _in_time(self) -> Callable[[str], bool]:
        if self.periods:
            return self.periods.__contains__
        if "startDate" not in self.request.query:
            return lambda period: True
        first, last = (date.fromisoformat(self.request.one(name)) for name in ("startDate", "endDate"))

        def within(period: str) -> bool:
            found = parse_period(period)
            return found is not None and found.start >= first and found.end <= last

        return within

    def _scheme(self, name: str) -> str:
        return self.request.one(f"{name}IdScheme", self.request.one("idScheme", "UID")).upper()

    def _written(self, name: str, collection: str, uid: str) -> Any:
        if self._scheme(name) != "CODE":
            return uid
        return (self.server.metadata.find(collection, uid) or {}).get("code")

    def _row(self, value: Mapping[str, Any]) -> Object:
        row = dict(value)
        for name, collection in WRITTEN.items():
            row[name] = self._written(name, collection, value[name])
        if not self.server.differences.remarks_always:
            row = {name: v for name, v in row.items() if name != "followup" and (name != "comment" or v is not None)}
        return row

    def _with_common_part(self, rows: list[Object]) -> Object:
        """Move the one data set, period or unit that was asked for out of the values, and say the schemes."""
        answer: Object = {}
        if len(self.ids["dataSet"]) == 1:
            answer["dataSet"] = self._written("dataSet", "dataSets", self.ids["dataSet"][0])
        if len(self.request.query.get("period", [])) == 1:
            answer["period"] = next(iter(self.periods))
        if len(self.ids["orgUnit"]) == 1 and not self.request.flag("children"):
            answer["orgUnit"] = self._written("orgUnit", "organisationUnits", self.ids["orgUnit"][0])
        common = answer.keys() & {"period", "orgUnit"}
        answer |= {f"{name}IdScheme": self._scheme(name) for name in SCHEMES if self._scheme(name) != "UID"}
        return answer | {"dataValues": [{n: v for n, v in row.items() if n not in common} for row in rows]}
