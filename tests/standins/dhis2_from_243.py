"""How DHIS2 takes data values from 2.43 on, after its source (DataEntryPipeline, DefaultDataEntryService).

The values are one group for one data set. One mistake in what they refer to (E80xx, E81xx) refuses all of them, with
nothing counted; only a bad value (E812x) is left out by itself. Everything that is stored counts as updated, zeros
are values, and there is no CREATE or UPDATE. The wording of the messages is not DHIS2's own.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.standins.dhis2_metadata import DEFAULT_COMBO
from tests.standins.dhis2_periods import latest_open, parse_period
from tests.standins.dhis2_store import UID, Checked, Import, Object, is_valid, outer


class Refused(Exception):
    """The whole group is refused; `indexes` of its values, or -1 where it could not even be read."""

    def __init__(self, code: str, message: str, indexes: Sequence[int] = (-1,)) -> None:
        super().__init__(message)
        self.code, self.indexes = code, indexes


def import_as_group(run: Import) -> dict[str, Any]:
    """Return the import summary, with what it says stored unless this is a dry run."""
    try:
        values = [_decode(run, index, given) for index, given in enumerate(run.payload.get("dataValues", []))]
        if not values:
            return run.summary("SUCCESS", "")
        every = range(len(values))
        data_set = _data_set(run, values, every)
        _check_group(run, values, data_set, every)
    except Refused as refused:
        run.conflicts[()] = {
            "value": str(refused),
            "errorCode": refused.code,
            "objects": {"args": ""},
            "indexes": list(refused.indexes),
        }
        run.rejected.update(index for index in refused.indexes if index >= 0)
        return run.summary("ERROR", "")
    valid = [checked for checked in values if _has_valid_value(run, checked)]
    for checked in valid:
        run.save("deleted" if run.option("importStrategy", "") == "DELETE" else "updated", checked)
    run.counts["ignored"] = len(values) - len(valid)
    bad = "WARNING" if valid else "ERROR"
    return run.summary(bad if run.conflicts else "SUCCESS", "")


def _decode(run: Import, index: int, given: Object) -> Checked:
    """Find what a value refers to; well-formed UIDs are looked at later, anything else is a mistake at once."""
    given = {**outer(run.payload), "dataElement": run.payload.get("dataElement"), **given}
    checked = Checked(index, given)
    found = {}
    for name, collection, scheme, code in (
        ("dataElement", "dataElements", "dataElementIdScheme", "E8103"),
        ("orgUnit", "organisationUnits", "orgUnitIdScheme", "E8107"),
        ("categoryOptionCombo", "categoryOptionCombos", "categoryOptionComboIdScheme", "E8108"),
        ("attributeOptionCombo", "categoryOptionCombos", "attributeOptionComboIdScheme", "E8110"),
    ):
        if identifier := given.get(name):
            found[name] = run.find(collection, identifier, scheme)
            is_uid = run.option(scheme, run.option("idScheme", "UID")).upper() == "UID"
            if not found[name] and not (is_uid and UID.fullmatch(identifier)):
                raise Refused(code, f"Value #{index}: `{identifier}` is no {name}")
            found[name] = found[name] or {"id": identifier, "path": ""}
    if "dataElement" not in found or "orgUnit" not in found or not given.get("period"):
        raise Refused("E8102", f"Value #{index}: data element, period and org unit must be specified")
    checked.element, checked.unit = found["dataElement"], found["orgUnit"]
    default = {"id": DEFAULT_COMBO}
    checked.combos = (
        found.get("categoryOptionCombo", default)["id"],
        found.get("attributeOptionCombo", default)["id"],
    )
    checked.period = parse_period(str(given["period"]))
    return checked


def _data_set(run: Import, values: Sequence[Checked], every: Sequence[int]) -> Any:
    if given := run.payload.get("dataSet"):
        if found := run.find("dataSets", given, "dataSetIdScheme"):
            return found
        raise Refused("E8005", f"Data set not found: `{given}`")
    candidates = {data_set["id"] for checked in values for data_set in run.data_sets_of(checked.element)}
    if not candidates:
        raise Refused("E8003", "The data elements belong to no data set", every)
    if len(candidates) > 1:
        raise Refused("E8002", f"The data set must be specified, one of {sorted(candidates)}", every)
    return run.metadata.find("dataSets", candidates.pop())


def _check_group(run: Import, values: Sequence[Checked], data_set: Any, every: Sequence[int]) -> None:
    units = {unit["id"] for unit in data_set["organisationUnits"]}
    elements = {member["dataElement"]["id"] for member in data_set["dataSetElements"]}
    if not run.user.get("superuser"):
        _refuse(
            every, "E8011", "not in the user's hierarchy", [v.unit["id"] for v in values if not run.below_user(v.unit)]
        )
    name = f"data set `{data_set['id']}`"
    _refuse(every, "E8020", f"not in {name}", [v.element["id"] for v in values if v.element["id"] not in elements])
    _refuse(every, "E8022", f"not assigned to {name}", [v.unit["id"] for v in values if v.unit["id"] not in units])
    other = [str(v.given["period"]) for v in values if not v.period or v.period.type != data_set["periodType"]]
    _refuse(every, "E8021", f"not of the period type of {name}", other)
    repeated = [" ".join(key) for key, count in Counter(v.key for v in values).items() if count > 1]
    _refuse(every, "E8128", "more than one value", repeated)
    open_periods = data_set.get("openFuturePeriods", 0)
    shut = [v.period.id for v in values if v.period and v.period.start > latest_open(v.period, run.today, open_periods)]
    _refuse(every, "E8030", f"not open in {name}", shut)


def _refuse(every: Sequence[int], code: str, what: str, found: Sequence[str]) -> None:
    if found:
        raise Refused(code, f"{', '.join(dict.fromkeys(found))}: {what}", every)


def _has_valid_value(run: Import, checked: Checked) -> bool:
    if not checked.value:
        run.conflict(checked.index, "E8120", f"Value #{checked.index}: no value", {"args": str(checked.index)})
        return False
    type_ = checked.element["valueType"]
    if is_valid(checked.value, type_):
        return True
    names = {"args": f"{checked.index}-{checked.value}-{type_}"}
    run.conflict(checked.index, "E8122", f"Value #{checked.index}: `{checked.value}` is no {type_}", names)
    return False
