"""How DHIS2 takes data values until 2.42, after its source (DataValueSetImportValidator, DefaultDataValueSetService).

Every value is checked by itself; what is wrong is ignored, with a conflict (E76xx), and the rest is stored. What is
stored already is ignored too. A zero that is not significant is not counted at all, or deletes what was stored.
"""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from tests.standins.dhis2_metadata import DEFAULT_COMBO
from tests.standins.dhis2_periods import latest_open, parse_period
from tests.standins.dhis2_store import Checked, Import, Object, is_valid, outer


def import_one_by_one(run: Import) -> dict[str, Any]:
    """Return the import summary, with what it says stored unless this is a dry run."""
    data_set = run.payload.get("dataSet")
    if data_set and not run.find("dataSets", data_set, "dataSetIdScheme"):
        message = f"Data set not found or not accessible: `{data_set}`"
        run.conflicts[()] = {
            "object": data_set,
            "objects": {"dataSet": data_set},
            "value": message,
            "errorCode": "E7600",
            "property": "dataSet",
        }
        return run.summary("ERROR", "Import process was aborted")
    for index, given in enumerate(run.payload.get("dataValues", [])):
        checked = Checked(index, {**outer(run.payload), **given})
        if any(check(run, checked) for check in CHECKS):
            run.counts["ignored"] += 1
        else:
            _save(run, checked)
    return run.summary("WARNING" if run.conflicts else "SUCCESS", "Import process completed successfully")


def _check_element(run: Import, checked: Checked) -> bool:
    given = checked.given.get("dataElement")
    checked.element = run.find("dataElements", given, "dataElementIdScheme")
    if not checked.element:
        message = f"Data element not found or not accessible: `{given}`"
        run.conflict(checked.index, "E7610", message, {"dataElement": str(given)}, "dataElement")
    return not checked.element


def _check_period(run: Import, checked: Checked) -> bool:
    given = str(checked.given.get("period"))
    checked.period = parse_period(given)
    if not checked.period:
        run.conflict(checked.index, "E7611", f"Period not valid: `{given}`", {"period": given}, "period")
    return not checked.period


def _check_unit(run: Import, checked: Checked) -> bool:
    given = checked.given.get("orgUnit")
    checked.unit = run.find("organisationUnits", given, "orgUnitIdScheme")
    if not checked.unit:
        message = f"Organisation unit not found or not accessible: `{given}`"
        run.conflict(checked.index, "E7612", message, {"organisationUnit": str(given)}, "orgUnit")
    return not checked.unit


def _check_combos(run: Import, checked: Checked) -> bool:
    found = []
    for name, code, kind in (
        ("categoryOptionCombo", "E7613", "Category"),
        ("attributeOptionCombo", "E7615", "Attribute"),
    ):
        given = checked.given.get(name)
        # one scheme for both, whatever attributeOptionComboIdScheme says
        combo = run.find("categoryOptionCombos", given, "categoryOptionComboIdScheme") if given else None
        if given and not combo:
            message = f"{kind} option combo not found or not accessible for writing data: `{given}`"
            run.conflict(checked.index, code, message, {"categoryOptionCombo": given}, name)
            return True
        found.append(combo["id"] if combo else DEFAULT_COMBO)
    checked.combos = (found[0], found[1])
    return False


def _check_hierarchy(run: Import, checked: Checked) -> bool:
    inside = run.below_user(checked.unit)
    if not inside:
        names = {"organisationUnit": checked.unit["id"], "user": run.user["username"]}
        message = (
            f"Organisation unit: `{names['organisationUnit']}` not in hierarchy of current user: `{names['user']}`"
        )
        run.conflict(checked.index, "E7617", message, names, "orgUnit")
    return not inside


def _check_value(run: Import, checked: Checked) -> bool:
    element = checked.element
    if not checked.value:
        message = f"Data value or comment not specified for data element: `{element['id']}`"
        run.conflict(checked.index, "E7618", message, {"dataElement": element["id"]}, "value")
        return True
    if is_valid(checked.value, element["valueType"]):
        return False
    names = {"dataElement": element["id"], "value": f"value_not_{element['valueType'].lower()}"}
    message = f"Value must match data element's `{element['id']}` type constraints: Data value is not numeric"
    run.conflict(checked.index, "E7619", message, names, "value")
    return True


def _check_period_type(run: Import, checked: Checked) -> bool:
    assert checked.period
    types = {data_set["periodType"] for data_set in run.data_sets_of(checked.element)}
    if not run.flag("strictPeriods") or checked.period.type in types:
        return False
    names = {"period": checked.period.id, "dataElement": checked.element["id"]}
    message = f"Period type of period: `{names['period']}` not valid for data element: `{names['dataElement']}`"
    run.conflict(checked.index, "E7632", message, names)
    return True


def _check_entry_open(run: Import, checked: Checked) -> bool:
    period, data_sets = checked.period, run.data_sets_of(checked.element)
    assert period
    if not data_sets or run.flag("force"):
        return False
    expiry = data_sets[0].get("expiryDays", 0)
    if expiry and run.today > period.end + timedelta(expiry):
        names = {"period": period.id, "dataSet": data_sets[0]["id"]}
        message = f"Current date is past expiry days for period: `{names['period']}` and data set: `{names['dataSet']}`"
        run.conflict(checked.index, "E7640", message, names, "period")
        return True
    # DHIS2 takes the data set that is open the longest
    open_until = max(latest_open(period, run.today, data_set.get("openFuturePeriods", 0)) for data_set in data_sets)
    if period.start > open_until:
        names = {"period": period.id, "dataElement": checked.element["id"]}
        message = f"Period: `{period.id}` is after latest open future period: `{open_until}` for data element: "
        run.conflict(checked.index, "E7641", f"{message}`{names['dataElement']}`", names, "period")
        return True
    return False


CHECKS: Sequence[Callable[[Import, Checked], bool]] = (
    _check_element,
    _check_period,
    _check_unit,
    _check_combos,
    _check_hierarchy,
    _check_value,
    _check_period_type,
    _check_entry_open,
)


def _is_insignificant_zero(value: str, element: Object) -> bool:
    averaged = element["aggregationType"] in ("AVERAGE", "AVERAGE_SUM_ORG_UNIT")
    return not element["zeroIsSignificant"] and not averaged and re.fullmatch(r"-?0(\.0*)?", value) is not None


def _save(run: Import, checked: Checked) -> None:
    held = run.store.values.get(checked.key)
    strategy = run.option("importStrategy", "CREATE_AND_UPDATE")
    zero = _is_insignificant_zero(checked.value, checked.element)
    if zero and (held is None or strategy == "CREATE"):
        return  # counted nowhere
    if strategy == ("UPDATE" if held is None else "CREATE") or (held is None and strategy == "DELETE"):
        run.counts["ignored"] += 1
        run.rejected.add(checked.index)
    elif held is None:
        run.save("imported", checked)
    elif zero or strategy == "DELETE":
        run.save("deleted", checked)
    elif held["value"] == checked.value:
        run.counts["ignored"] += 1
    else:
        run.save("updated", checked)
