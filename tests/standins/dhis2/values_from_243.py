"""How DHIS2 takes data values from 2.43 on, after its source (DataEntryPipeline, DefaultDataEntryService).

The values are one group for one data set. One mistake in what they refer to (E80xx, E81xx) refuses all of them, with
nothing counted; only a bad value (E812x) is left out by itself. Everything that is stored counts as updated, zeros
are values, and there is no CREATE or UPDATE.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import Object, refusal
from tests.standins.dhis2.imports import Checked, Import, outer
from tests.standins.dhis2.metadata import category_combo_of, is_below, is_operating
from tests.standins.dhis2.periods import latest_open, parse_period
from tests.standins.dhis2.value_types import fault_of, normalised
from tests.standins.dhis2.values_read import UID
from tests.standins.dhis2_metadata import DEFAULT_COMBO

MESSAGES = {
    "E8002": "Data set detection failed, found multiple sets: `{0}`",
    "E8003": "Data set detection failed, found no set for data element(s): `{0}`",
    "E8004": "Data set UID not valid: `{0}`",
    "E8005": "Data set not found: `{0}`",
    "E8010": "Current user cannot enter data for data set: `{0}`",
    "E8011": "Current user cannot enter data for org unit(s): `{0}`",
    "E8012": "Current user cannot enter data for category option(s): `{0}`",
    "E8020": "Data set {0} not usable with data element(s): `{1}`",
    "E8021": "Data set {0} not usable with period(s): `{1}`",
    "E8022": "Data set {0} not usable with org unit(s): `{1}`",
    "E8023": "Data set {0} not usable with attribute option combo(s): `{1}`",
    "E8024": "Data set {0} + data element {1} not usable with category option combo(s): `{2}`",
    "E8030": "Untimely data entry for data set {0} and period(s): `{1}`",
    "E8031": "Untimely data entry for org unit {0} and period(s): `{1}`",
    "E8100": "Value #{0} period not defined in group or value: `{1}`",
    "E8102": "Value #{0} data element not defined in group or value: `{1}`",
    "E8103": "Value #{0} data element not found: `{1}`",
    "E8104": "Value #{0} data element UID not valid: `{1}`",
    "E8105": "Value #{0} org unit not defined in group or value: `{1}`",
    "E8106": "Value #{0} org unit UID is not valid: `{1}`",
    "E8107": "Value #{0} org unit not found: `{1}`",
    "E8108": "Value #{0} category option combo not found: `{1}`",
    "E8109": "Value #{0} category option combo UID is not valid: `{1}`",
    "E8110": "Value #{0} attribute option combo not found: `{1}`",
    "E8111": "Value #{0} attribute option combo UID is not valid: `{1}`",
    "E8120": "Value #{0} value is required",
    "E8122": "Value #{0} value `{1}` is no valid {2}: {3}",
    "E8128": "Value #{0} all affect the same data value: `{1}`",
}
# by what a value names: its collection and scheme, and what is said where it is missing, unknown or no UID
NAMED = {
    "dataElement": ("dataElements", "dataElementIdScheme", "E8102", "E8103", "E8104"),
    "orgUnit": ("organisationUnits", "orgUnitIdScheme", "E8105", "E8107", "E8106"),
    "categoryOptionCombo": ("categoryOptionCombos", "categoryOptionComboIdScheme", "", "E8108", "E8109"),
    "attributeOptionCombo": ("categoryOptionCombos", "attributeOptionComboIdScheme", "", "E8110", "E8111"),
}
NO_GROUP = 'Cannot invoke "org.hisp.dhis.datavalue.DataEntryGroup.deletion()" because "group" is null'


class Refused(Exception):
    """All values are refused; `early` where they could not even be read."""

    def __init__(self, code: str, *args: Any, early: bool = False) -> None:
        self.code, self.early = code, early
        self.words = [_listing(arg) if isinstance(arg, list) else str(arg) for arg in args]
        super().__init__(MESSAGES[code].format(*self.words))


def _listing(found: Sequence[Any]) -> str:
    return f"[{', '.join(str(entry) for entry in found)}]"


def import_as_group(run: Import) -> Object:
    """Return the import summary, with what it says stored unless this is a dry run."""
    given = run.payload.get("dataValues") or []
    if not given:
        return run.summary("SUCCESS")
    try:
        values = _read(run, given)
        Group(run, values).check()
    except Refused as refused:
        return _all_refused(run, refused, len(given))
    valid = [checked for checked in values if _has_valid_value(run, checked)]
    run.steps.append(("INFO", f"Upserting group ds={run.payload.get('dataSet', '')} ({len(valid)} values)"))
    what = "deleted" if run.strategy == "DELETE" else "updated"
    if not run.flag("dryRun") and run.server.periods.write(checked.period for checked in valid if checked.period):
        run.counts["ignored"] = len(values)
        return run.summary("SUCCESS")
    for checked in valid:
        value = normalised(checked.value, checked.element["valueType"])
        run.save(what, checked.key, {"value": value, "comment": checked.given.get("comment")})
    run.counts["ignored"] = len(values) - len(valid)
    bad = "WARNING" if valid else "ERROR"
    return run.summary(bad if run.conflicts else "SUCCESS")


def unreadable(content: bytes) -> Exception:
    """Return the refusal of a body that is no JSON."""
    if not content:
        text = "Unexpected character at position 0,\n\n^ expected a JSON value but found EOI"
        return refusal(HTTPStatus.BAD_REQUEST, text)
    return refusal(HTTPStatus.BAD_REQUEST, f"Expected ] but reach EOI: {content.decode()}")


def _all_refused(run: Import, refused: Refused, count: int) -> Object:
    indexes = [-1] if refused.early else list(range(count))
    conflict = {"objects": {"args": "-".join(refused.words)}, "value": str(refused), "errorCode": refused.code}
    run.conflicts[()] = conflict | {"indexes": indexes}
    run.rejected.update(index for index in indexes if index >= 0)
    run.steps.append(("ERROR", str(refused)))
    return run.summary("ERROR", complete=not refused.early)


def _read(run: Import, given: Sequence[Object]) -> list[Checked]:
    count = f"({len(given)} values)"
    common = [f"{short}={run.payload.get(name, '')}" for short, name in (("ou", "orgUnit"), ("pe", "period"))]
    text = f"Decoding group ds={run.payload.get('dataSet', '')} [de= {' '.join(common)} aoc=]{count}"
    run.steps.append(("INFO", text))
    values = [_decode(run, index, value) for index, value in enumerate(given)]
    run.steps.append(("INFO", f"Validating group ds={run.payload.get('dataSet', '')} {count}"))
    return values


def _decode(run: Import, index: int, given: Object) -> Checked:
    """Find what a value refers to; well-formed UIDs are looked at later, anything else is a mistake at once."""
    given = {**outer(run.payload), "dataElement": run.payload.get("dataElement"), **given}
    if not given.get("period"):
        raise Refused("E8100", index, given, early=True)
    period = parse_period(str(given["period"]))
    if period is None:
        raise refusal(HTTPStatus.INTERNAL_SERVER_ERROR, NO_GROUP)
    found = {name: _named(run, index, given, name) for name in NAMED}
    default = {"id": DEFAULT_COMBO}
    combos = [(found[name] or default)["id"] for name in ("categoryOptionCombo", "attributeOptionCombo")]
    return Checked(index, given, found["dataElement"], period, found["orgUnit"], (combos[0], combos[1]))


def _named(run: Import, index: int, given: Object, name: str) -> Any:
    collection, scheme, missing, unknown, no_uid = NAMED[name]
    if not (identifier := given.get(name)):
        if missing:
            raise Refused(missing, index, given, early=True)
        return None
    found = run.find(collection, identifier, scheme)
    if found is None and run.scheme(scheme) != "UID":
        raise Refused(unknown, index, identifier, early=True)
    if found is None and not UID.fullmatch(identifier):
        raise Refused(no_uid, index, identifier, early=True)
    return found or {"id": identifier}


class Group:
    """The checks of all values of a group together, in DHIS2's order."""

    def __init__(self, run: Import, values: Sequence[Checked]) -> None:
        self.run, self.values = run, values
        self.uid, self.data_set = self._data_set()

    def check(self) -> None:
        if not sharing.is_super(self.run.user, self.run.metadata):
            self._access()
        self._consistency()
        self._combos()
        self._operation()
        if not self.run.forced:
            self._timeliness()
        self._uniqueness()

    def _data_set(self) -> tuple[str, Object]:
        run, given = self.run, self.run.payload.get("dataSet")
        if given:
            found = run.find("dataSets", given, "dataSetIdScheme")
            if found is None and run.scheme("dataSetIdScheme") != "UID":
                raise Refused("E8005", given, early=True)
            if found is None and not UID.fullmatch(given):
                raise Refused("E8004", given, early=True)
            return (found or {"id": given})["id"], found or {}
        candidates = {d["id"]: d for v in self.values for d in run.metadata.data_sets_of(v.element)}
        if not candidates:
            raise Refused("E8003", _distinct(v.element["id"] for v in self.values))
        if len(candidates) > 1:
            raise Refused("E8002", sorted(candidates))
        return candidates.popitem()

    def _access(self) -> None:
        run, user = self.run, self.run.user
        if self.data_set and not sharing.sees(user, run.metadata, "dataSets", self.data_set, sharing.WRITE_DATA):
            raise Refused("E8010", self.uid)
        self._refuse("E8011", (), lambda v: v.unit["id"], lambda v: _is_outside(v.unit, user))
        options = [o["id"] for v in self.values for uid in v.combos for o in self._options(uid)]
        found = {uid: run.metadata.find("categoryOptions", uid) or {} for uid in options}
        closed = [
            uid
            for uid, option in found.items()
            if not sharing.sees(user, run.metadata, "categoryOptions", option, sharing.WRITE_DATA)
        ]
        if closed:
            raise Refused("E8012", closed)

    def _options(self, combo: str) -> list[Object]:
        return list((self.run.metadata.find("categoryOptionCombos", combo) or {}).get("categoryOptions", []))

    def _consistency(self) -> None:
        elements = {member["dataElement"]["id"] for member in self.data_set.get("dataSetElements", [])}
        units = {unit["id"] for unit in self.data_set.get("organisationUnits", [])}
        type_ = self.data_set.get("periodType")
        name = (self.uid,)
        self._refuse("E8020", name, lambda v: v.element["id"], lambda v: v.element["id"] not in elements)
        self._refuse("E8022", name, lambda v: v.unit["id"], lambda v: v.unit["id"] not in units)
        self._refuse("E8021", name, _period_id, lambda v: not v.period or v.period.type != type_)

    def _combos(self) -> None:
        mine = {combo["id"] for combo in self.run.metadata.combos_of(category_combo_of(self.data_set))}
        given_one = (v for v in self.values if v.given.get("attributeOptionCombo"))
        if wrong := _distinct(v.combos[1] for v in given_one if v.combos[1] not in mine):
            raise Refused("E8023", self.uid, wrong)
        for element in {v.element["id"]: v.element for v in self.values}.values():
            ours = {combo["id"] for combo in self.run.metadata.combos_of(self._category_combo(element))}
            given = [v for v in self.values if v.element == element and v.given.get("categoryOptionCombo")]
            wrong = _distinct(v.combos[0] for v in given if v.combos[0] not in ours)
            if wrong:
                raise Refused("E8024", self.uid, element["id"], wrong)

    def _category_combo(self, element: Object) -> str:
        """Return the category combination of an element, which a data set may replace."""
        members = [m for m in self.data_set["dataSetElements"] if m["dataElement"]["id"] == element["id"]]
        return category_combo_of(next((m for m in members if m.get("categoryCombo")), element))

    def _operation(self) -> None:
        """A period that begins while a unit is not open; only the first such unit is named."""
        closed = [v for v in self.values if v.period and not is_operating(v.unit, v.period.start)]
        if closed:
            unit = closed[0].unit["id"]
            raise Refused("E8031", unit, _distinct(_period_id(v) for v in closed if v.unit["id"] == unit))

    def _timeliness(self) -> None:
        today, name = self.run.server.today, (self.uid,)
        spans = {entry["period"]["id"]: entry for entry in self.data_set.get("dataInputPeriods", [])}
        if spans:
            self._refuse("E8030", name, _period_id, lambda v: not _is_open(spans.get(_period_id(v)), today))
        elif not sharing.may(self.run.user, self.run.metadata, "F_EDIT_EXPIRED"):
            expiry = int(self.data_set.get("expiryDays", 0))
            self._refuse("E8030", name, _period_id, lambda v: bool(expiry) and today > _end(v) + timedelta(expiry))
            last = latest_open(self.data_set["periodType"], today, self.data_set.get("openFuturePeriods", 0))
            self._refuse("E8030", name, _period_id, lambda v: v.period is not None and v.period.start > last.start)

    def _uniqueness(self) -> None:
        by_key: dict[tuple[Any, ...], list[Checked]] = {}
        for checked in self.values:
            by_key.setdefault(checked.key, []).append(checked)
        for same in by_key.values():
            if len(same) > 1:
                raise Refused("E8128", [checked.index for checked in same], _key_text(same[0]))

    def _refuse(
        self, code: str, names: tuple[str, ...], what: Callable[[Checked], str], wrong: Callable[[Checked], bool]
    ) -> None:
        found = _distinct(what(checked) for checked in self.values if wrong(checked))
        if found:
            raise Refused(code, *names, found)


def _distinct(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _is_outside(unit: Object, user: Object) -> bool:
    return "path" in unit and not is_below(unit, user["organisationUnits"])


def _period_id(checked: Checked) -> str:
    return checked.period.id if checked.period else ""


def _end(checked: Checked) -> date:
    assert checked.period
    return checked.period.end


def _is_open(span: Mapping[str, Any] | None, today: date) -> bool:
    if span is None:
        return False
    opening, closing = (str(span.get(name) or "")[:10] for name in ("openingDate", "closingDate"))
    day = today.isoformat()
    return (not opening or opening <= day) and (not closing or day <= closing)


def _key_text(checked: Checked) -> str:
    combos = [checked.given.get(name) or "null" for name in ("categoryOptionCombo", "attributeOptionCombo")]
    return (
        f"DataValueKey[dataElement={checked.element['id']}, orgUnit={checked.unit['id']}, "
        f"categoryOptionCombo={combos[0]}, attributeOptionCombo={combos[1]}, period={_period_id(checked)}]"
    )


def _has_valid_value(run: Import, checked: Checked) -> bool:
    if run.strategy == "DELETE":
        return True
    if not checked.value:
        return _note(run, checked.index, "E8120", str(checked.index))
    type_ = checked.element["valueType"]
    fault = fault_of(normalised(checked.value, type_), type_)
    return not fault or _note(run, checked.index, "E8122", str(checked.index), checked.value, type_, fault.key)


def _note(run: Import, index: int, code: str, *words: str) -> bool:
    """Note a conflict of one value."""
    conflict = {"objects": {"args": "-".join(words)}, "value": MESSAGES[code].format(*words), "errorCode": code}
    run.conflicts[code, str(index)] = conflict | {"indexes": [index]}
    run.rejected.add(index)
    return False
