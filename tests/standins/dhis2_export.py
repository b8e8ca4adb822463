"""Reading values from the DHIS2 stand-in: GET /api/dataValueSets, until 2.42 and from 2.43 on.

Until 2.42 there is no parameter `dataElement`. From 2.43 on data sets and data elements add up, and what all values
have in common stands once, beside the values.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from tests.standins.dhis2_metadata import Metadata
from tests.standins.dhis2_periods import parse_period
from tests.standins.dhis2_store import UID, Store

Params = Mapping[str, Sequence[str]]
NEW = (2, 43)
E2001 = "At least one data element, data set or data element group must be specified"
E2002 = "At least one period, start/end dates, last updated or last updated duration must be specified"
E2003 = "Both periods and start/end date cannot be specified"
E2006 = "At least one organisation unit or organisation unit group must be specified"
E2012 = "User is not allowed to view org unit: `{}`"
COMBOS = ("categoryOptionCombo", "attributeOptionCombo")


class ExportError(Exception):
    """A request that DHIS2 answers with an error, its code and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def export_values(
    metadata: Metadata, store: Store, params: Params, user: Mapping[str, Any], version: tuple[int, int]
) -> dict[str, Any]:
    """Return the stored values that the parameters select, with identifiers as the schemes want them."""
    data_sets = _ids(metadata, "dataSets", params, "dataSet", "inputDataSetIdScheme", version)
    elements = _ids(metadata, "dataElements", params, "dataElement", "inputDataElementIdScheme", version)
    elements = elements if version >= NEW else []
    units = _ids(metadata, "organisationUnits", params, "orgUnit", "inputOrgUnitIdScheme", version)
    _check(params, [*data_sets, *elements], units, version)
    wanted = {*elements, *_elements_of(metadata, data_sets)}
    for uid in [] if version >= NEW and user.get("superuser") else units:
        path = (metadata.find("organisationUnits", uid) or {"path": ""})["path"]
        if not {root["id"] for root in user["organisationUnits"]} & set(path.split("/")):
            raise ExportError("E2012", E2012.format(uid))
    if params.get("children", ["false"])[0] == "true":
        paths = [metadata.find("organisationUnits", uid) or {"path": "?"} for uid in units]
        within = [
            unit for unit in metadata.all("organisationUnits") for above in paths if above["path"] in unit["path"]
        ]
        units = [unit["id"] for unit in within]
    found = store.selected(wanted, set(units), _in_time(params))
    values = [_encoded(metadata, value, params) for value in found]
    return _with_common_part(values, params, units) if version >= NEW else {"dataValues": values}


def _elements_of(metadata: Metadata, data_sets: Sequence[str]) -> set[str]:
    found = [metadata.find("dataSets", uid) for uid in data_sets]
    return {member["dataElement"]["id"] for data_set in found if data_set for member in data_set["dataSetElements"]}


def _ids(
    metadata: Metadata, collection: str, params: Params, name: str, scheme_name: str, version: tuple[int, int]
) -> list[str]:
    scheme = params.get(scheme_name, params.get("inputIdScheme", ["UID"]))[0]
    given = params.get(name, [])
    malformed = [uid for uid in given if not UID.fullmatch(uid)]
    if version >= NEW and scheme_name in params and scheme == "UID" and malformed:
        raise ExportError("E1003", f"UID must be an alphanumeric string of 11 characters: {malformed[0]}", 400)
    if version >= NEW and scheme == "UID":
        return [uid for uid in given if UID.fullmatch(uid)]  # whether they exist, only the SQL finds out
    found = [metadata.find(collection, identifier, scheme) for identifier in given]
    return [entry["id"] for entry in found if entry]


def _check(params: Params, selected: Sequence[str], units: Sequence[str], version: tuple[int, int]) -> None:
    dates = "startDate" in params and "endDate" in params
    broken = [
        ("E2001", E2001, not selected),
        ("E2002", E2002, "period" not in params and not dates),
        ("E2003", E2003, "period" in params and dates),
        ("E2006", E2006, not units),
    ]
    errors = [(code, message) for code, message, is_broken in broken if is_broken]
    if errors:  # the older code says the last one it finds
        raise ExportError(*errors[0 if version >= NEW else -1])


def _in_time(params: Params) -> Callable[[str], bool]:
    if "period" in params:
        wanted = {known.id for known in map(parse_period, params["period"]) if known}
        return lambda period: period in wanted
    first, last = (date.fromisoformat(params[name][0]) for name in ("startDate", "endDate"))

    def within(period: str) -> bool:
        found = parse_period(period)
        return found is not None and found.start >= first and found.end <= last

    return within


def _encoded(metadata: Metadata, value: Mapping[str, Any], params: Params) -> dict[str, Any]:
    encoded = dict(value)
    for name, collection, scheme_name in (
        ("dataElement", "dataElements", "dataElementIdScheme"),
        ("orgUnit", "organisationUnits", "orgUnitIdScheme"),
        ("categoryOptionCombo", "categoryOptionCombos", "categoryOptionComboIdScheme"),
        ("attributeOptionCombo", "categoryOptionCombos", "attributeOptionComboIdScheme"),
    ):
        if params.get(scheme_name, params.get("idScheme", ["UID"]))[0].upper() == "CODE":
            encoded[name] = (metadata.find(collection, value[name]) or {}).get("code")
    return encoded


def _with_common_part(values: list[dict[str, Any]], params: Params, units: Sequence[str]) -> dict[str, Any]:
    """Move the one data set, period or unit that was asked for out of the values."""
    answer: dict[str, Any] = {}
    if len(params.get("dataSet", [])) == 1:
        answer["dataSet"] = params["dataSet"][0]
    if len(params.get("period", [])) == 1:
        answer["period"] = params["period"][0]
    if len(units) == 1 and values:
        answer["orgUnit"] = values[0]["orgUnit"]
    common = [name for name in ("period", "orgUnit") if name in answer]
    rest = [{name: v for name, v in value.items() if name not in common} for value in values]
    return answer | {"dataValues": rest}
