"""How DHIS2 takes data values until 2.42, after its source (DataValueSetImportValidator, DefaultDataValueSetService).

Every value is checked by itself; what is wrong is ignored, with a conflict (E76xx), and the rest is stored. What is
stored already is ignored too. A zero that is not significant is not counted at all, or deletes what was stored; of two
new values of one cell the second is not counted either.
"""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import Object
from tests.standins.dhis2.imports import Checked, Import, outer
from tests.standins.dhis2.metadata import is_below
from tests.standins.dhis2.periods import Period, latest_open, parse_period
from tests.standins.dhis2.store import Key
from tests.standins.dhis2.value_types import fault_of, normalised
from tests.standins.dhis2_metadata import DEFAULT_COMBO

COMPLETED = "Import process completed successfully"
UNREADABLE = "The import process failed: Post-condition was null"


def import_one_by_one(run: Import) -> Object:
    """Return the import summary, with what it says stored unless this is a dry run."""
    if run.payload.get("dataSet") and not _takes_data_set(run, run.payload["dataSet"]):
        return run.summary("ERROR", "Import process was aborted", complete=False)
    values = [Checked(n, {**outer(run.payload), **given}) for n, given in enumerate(run.payload.get("dataValues", []))]
    checks = Checks(run, values)
    for checked in values:
        if any(check(checks, checked) for check in CHECKS):
            run.counts["ignored"] += 1
        else:
            _save(run, checked, checks.added)
    return run.summary("WARNING" if run.conflicts else "SUCCESS", COMPLETED)


def unreadable(run: Import) -> Object:
    """Return the summary of an import whose body is no JSON."""
    return run.summary("ERROR", UNREADABLE, complete=False)


def _takes_data_set(run: Import, given: str) -> bool:
    found = run.find("dataSets", given, "dataSetIdScheme")
    code, text = "E7600", f"Data set not found or not accessible: `{given}`"
    if found and sharing.sees(run.user, run.metadata, "dataSets", found):
        if sharing.sees(run.user, run.metadata, "dataSets", found, sharing.WRITE_DATA):
            return True
        code, text = "E7601", f"User does not have write access for DataSet: `{given}`"
    names = {"object": given, "objects": {"dataSet": given}, "value": text}
    run.conflicts[()] = names | {"errorCode": code, "property": "dataSet"}
    return False


class Checks:
    """The checks of one import's values, and what they remember from one value to the next."""

    def __init__(self, run: Import, values: Sequence[Checked]) -> None:
        self.run = run
        self.added: set[Key] = set()
        given = [parse_period(str(checked.given.get("period"))) for checked in values]
        self.not_met = run.server.periods.write(period for period in given if period)
        self.input_period: dict[str, str] = {}  # of each data set, the first that was looked at

    def element(self, checked: Checked) -> bool:
        given = checked.given.get("dataElement")
        found = self.run.find("dataElements", given, "dataElementIdScheme")
        visible = found and sharing.sees(self.run.user, self.run.metadata, "dataElements", found)
        checked.element = found if visible else None
        if not checked.element:
            text = f"Data element not found or not accessible: `{given}`"
            self.run.conflict(checked.index, "E7610", text, {"dataElement": str(given)}, "dataElement")
        return not checked.element

    def period(self, checked: Checked) -> bool:
        given = str(checked.given.get("period"))
        found = parse_period(given)
        checked.period = None if found and found.id in self.not_met else found
        if not checked.period:
            self.run.conflict(checked.index, "E7611", f"Period not valid: `{given}`", {"period": given}, "period")
        return not checked.period

    def unit(self, checked: Checked) -> bool:
        given = checked.given.get("orgUnit")
        checked.unit = self.run.find("organisationUnits", given, "orgUnitIdScheme")
        if not checked.unit:
            text = f"Organisation unit not found or not accessible: `{given}`"
            self.run.conflict(checked.index, "E7612", text, {"organisationUnit": str(given)}, "orgUnit")
        return not checked.unit

    def combos(self, checked: Checked) -> bool:
        found = []
        for name, code, kind in (
            ("categoryOptionCombo", "E7613", "Category"),
            ("attributeOptionCombo", "E7615", "Attribute"),
        ):
            given = checked.given.get(name)
            # one scheme for both, whatever attributeOptionComboIdScheme says
            combo = self.run.find("categoryOptionCombos", given, "categoryOptionComboIdScheme") if given else None
            if given and not (combo and self._may_use(combo)):
                text = f"{kind} option combo not found or not accessible for writing data: `{given}`"
                self.run.conflict(checked.index, code, text, {"categoryOptionCombo": given}, name)
                return True
            found.append(combo["id"] if combo else DEFAULT_COMBO)
        checked.combos = (found[0], found[1])
        return False

    def _may_use(self, combo: Object) -> bool:
        metadata = self.run.metadata
        options = [metadata.find("categoryOptions", option["id"]) or {} for option in combo.get("categoryOptions", [])]
        return all(sharing.sees(self.run.user, metadata, "categoryOptions", o, sharing.WRITE_DATA) for o in options)

    def hierarchy(self, checked: Checked) -> bool:
        inside = is_below(checked.unit, self.run.user["organisationUnits"])
        if not inside:
            names = {"organisationUnit": checked.unit["id"], "user": self.run.user["id"]}
            text = f"Organisation unit: `{checked.unit['id']}` not in hierarchy of current user: `{names['user']}`"
            self.run.conflict(checked.index, "E7617", text, names, "orgUnit")
        return not inside

    def value(self, checked: Checked) -> bool:
        uid, type_ = checked.element["id"], checked.element["valueType"]
        given = checked.given["dataElement"]
        if not checked.value and not checked.given.get("comment") and self.run.strategy != "DELETE":
            text = f"Data value or comment not specified for data element: `{given}`"
            self.run.conflict(checked.index, "E7618", text, {"dataElement": given}, "value")
            return True
        fault = fault_of(normalised(checked.value, type_), type_) if checked.value else None
        if fault:
            names = {"dataElement": given, "value": fault.key}
            text = f"Value must match value type of data element `{uid}`: `{fault.words}`"
            self.run.conflict(checked.index, "E7619", text, names, "value")
        return bool(fault)

    def period_type(self, checked: Checked) -> bool:
        types = {data_set["periodType"] for data_set in self.run.metadata.data_sets_of(checked.element)}
        if not self.run.flag("strictPeriods") or self._period(checked).type in types:
            return False
        names = {"period": str(checked.given["period"]), "dataElement": checked.given["dataElement"]}
        text = f"Period type of period: `{names['period']}` not valid for data element: `{names['dataElement']}`"
        self.run.conflict(checked.index, "E7632", text, names)
        return True

    def assignment(self, checked: Checked) -> bool:
        data_sets = self.run.metadata.data_sets_of(checked.element)
        assigned = any({"id": checked.unit["id"]} in data_set["organisationUnits"] for data_set in data_sets)
        if assigned or not self.run.flag("strictOrganisationUnits"):
            return False
        names = {"organisationUnit": checked.given["orgUnit"], "dataElement": checked.given["dataElement"]}
        text = f"Data element: `{names['dataElement']}` must be assigned through data sets to organisation unit: "
        self.run.conflict(checked.index, "E7636", f"{text}`{names['organisationUnit']}`", names, "orgUnit")
        return True

    def expired(self, checked: Checked) -> bool:
        period, today = self._period(checked), self.run.server.today
        exempt = sharing.may(self.run.user, self.run.metadata, "F_EDIT_EXPIRED")
        for data_set in [] if exempt else self._targets(checked):
            expiry = data_set.get("expiryDays", 0)
            if expiry and today > period.end + timedelta(expiry):
                names = {"period": str(checked.given["period"]), "dataSet": data_set["id"]}
                text = f"Current date is past expiry days for period: `{names['period']}`  and data set: "
                self.run.conflict(checked.index, "E7640", f"{text}`{names['dataSet']}`", names, "period")
                return True
        return False

    def future(self, checked: Checked) -> bool:
        for data_set in self._targets(checked):
            last = latest_open(data_set["periodType"], self.run.server.today, data_set.get("openFuturePeriods", 0))
            if self._period(checked).start > last.start:
                given = checked.given
                names = {"period": given["period"], "dataElement": given["dataElement"], "dataSet": data_set["id"]}
                text = f"Period: `{given['period']}` is after latest open future period: `{last.id}` for data element: "
                text += f"`{given['dataElement']}` and data set: `{data_set['id']}`"
                self.run.conflict(checked.index, "E7641", text, names, "period")
                return True
        return False

    def input_periods(self, checked: Checked) -> bool:
        """Of the periods of one payload only the first is found to be open, if it is."""
        period, now = self._period(checked), self.run.server.today.isoformat()
        for data_set in self._targets(checked):
            open_ = {p["period"]["id"] for p in data_set.get("dataInputPeriods", []) if _holds(p, now)}
            if not data_set.get("dataInputPeriods"):
                continue
            if self.input_period.setdefault(data_set["id"], period.id) != period.id or period.id not in open_:
                names = {"period": str(checked.given["period"]), "dataSet": data_set["id"]}
                text = f"Period: `{names['period']}` is not open for this data set at this time: `{data_set['id']}`"
                self.run.conflict(checked.index, "E7643", text, names, "period")
                return True
        return False

    def _targets(self, checked: Checked) -> list[Object]:
        """Return the data sets that decide when values may be entered: the payload's, or the element's."""
        if self.run.forced:
            return []
        given = self.run.find("dataSets", self.run.payload.get("dataSet"), "dataSetIdScheme")
        return [given] if given else self.run.metadata.data_sets_of(checked.element)

    def _period(self, checked: Checked) -> Period:
        assert checked.period
        return checked.period


def _holds(input_period: Object, day: str) -> bool:
    opening, closing = (str(input_period.get(name) or "")[:10] for name in ("openingDate", "closingDate"))
    return (not opening or opening <= day) and (not closing or day <= closing)


CHECKS: Sequence[Callable[[Checks, Checked], bool]] = (
    Checks.element,
    Checks.period,
    Checks.unit,
    Checks.combos,
    Checks.hierarchy,
    Checks.value,
    Checks.period_type,
    Checks.assignment,
    Checks.expired,
    Checks.future,
    Checks.input_periods,
)


def _is_insignificant_zero(value: str, element: Object) -> bool:
    averaged = element["aggregationType"] in ("AVERAGE", "AVERAGE_SUM_ORG_UNIT")
    return not element.get("zeroIsSignificant") and not averaged and re.fullmatch(r"0(\.0*)?", value) is not None


def _save(run: Import, checked: Checked, added: set[Key]) -> None:
    held, strategy = run.server.store.held(checked.key), run.strategy
    if checked.key in added:
        held = None  # what this import adds it does not find
    zero = _is_insignificant_zero(checked.value, checked.element)
    if zero and (held is None or strategy == "CREATE"):
        return  # counted nowhere
    content = {
        "value": normalised(checked.value, checked.element["valueType"]),
        "comment": checked.given.get("comment"),
        "followup": bool(checked.given.get("followup")),
    }
    if held is None:
        _create(run, checked, content, added)
    elif strategy == "CREATE":
        run.counts["ignored"] += 1
        run.rejected.add(checked.index)
    elif zero or strategy == "DELETE":
        run.save("deleted", checked.key)
    elif all(held[name] == value for name, value in content.items()):
        run.counts["ignored"] += 1
    else:
        run.save("updated", checked.key, content)


def _create(run: Import, checked: Checked, content: Any, added: set[Key]) -> None:
    if run.strategy not in ("CREATE", "CREATE_AND_UPDATE"):
        run.counts["ignored"] += 1
        run.rejected.add(checked.index)
    elif checked.key not in added or run.flag("dryRun"):
        added.add(checked.key)
        run.save("imported", checked.key, content)
