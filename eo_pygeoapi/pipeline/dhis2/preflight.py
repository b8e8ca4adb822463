"""The check before an import, also before a dry one: would DHIS2 take the values, and would it show them right?

Each check says what is wrong and what to do. An error keeps the import from being made, for nothing, or something
wrong, would come of it; a warning does not.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Literal

from eo_pygeoapi.contract.models import Finding
from eo_pygeoapi.contract.periods import period_with_id
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts

NAMED = 5  # so many of many names stand in a message
KNOWN_VERSIONS = ((2, 38), (2, 43))
CALENDARS = ("iso8601", "gregorian")
NUMBERS = ("NUMBER", "PERCENTAGE", "UNIT_INTERVAL")
WHOLE_NUMBERS = ("INTEGER", "INTEGER_POSITIVE", "INTEGER_NEGATIVE", "INTEGER_ZERO_OR_POSITIVE")
# what DHIS2 makes of the values of several periods, and of several units, by aggregation type
OVER_TIME = {
    "SUM": "sum",
    "AVERAGE": "mean",
    "AVERAGE_SUM_ORG_UNIT": "mean",
    "MIN": "min",
    "MAX": "max",
    "MIN_SUM_ORG_UNIT": "min",
    "MAX_SUM_ORG_UNIT": "max",
}
OVER_UNITS = {
    "SUM": "sum",
    "AVERAGE": "mean",
    "AVERAGE_SUM_ORG_UNIT": "sum",
    "LAST": "sum",
    "LAST_IN_PERIOD": "sum",
    "FIRST": "sum",
    "LAST_AVERAGE_ORG_UNIT": "mean",
    "LAST_IN_PERIOD_AVERAGE_ORG_UNIT": "mean",
    "FIRST_AVERAGE_ORG_UNIT": "mean",
    "MIN": "min",
    "MAX": "max",
    "MIN_SUM_ORG_UNIT": "sum",
    "MAX_SUM_ORG_UNIT": "sum",
}
KEEP_ZEROS = ("AVERAGE", "AVERAGE_SUM_ORG_UNIT")

Found = Iterator[Finding]


def preflight(facts: Facts, payload: Payload, dataset: Dataset) -> list[Finding]:
    """Return everything that speaks against importing the payload, errors first."""
    findings = [finding for check in CHECKS for finding in check(facts, payload, dataset)]
    return sorted(findings, key=lambda finding: finding.severity)  # stable, and `error` is before `warning`


def _version(facts: Facts, _payload: Payload, _dataset: Dataset) -> Found:
    low, high = KNOWN_VERSIONS
    if not low <= facts.version <= high:
        shown, known = (".".join(map(str, v)) for v in (facts.version, low))
        yield _warning(
            "version",
            f"this is DHIS2 {shown}; imports were tested with {known} to {high[0]}.{high[1]}: look at a dry run first",
        )


def _calendar(facts: Facts, _payload: Payload, _dataset: Dataset) -> Found:
    if facts.calendar not in CALENDARS:
        yield _error(
            "calendar",
            f"DHIS2 uses the calendar {facts.calendar!r}, where our periods would mean other days; "
            f"allowed: {', '.join(CALENDARS)} (System settings, Calendar)",
        )


def _authority(facts: Facts, _payload: Payload, _dataset: Dataset) -> Found:
    if not facts.may("F_DATAVALUE_ADD"):
        yield _error(
            "authority",
            f"user {facts.username!r} may not add data values; give one of its roles the authority F_DATAVALUE_ADD",
        )
    access = ((facts.data_set or {}).get("access") or {}).get("data") or {}
    if access.get("write") is False:
        yield _error(
            "sharing",
            f"user {facts.username!r} may not write to the data set {_named(facts.data_set)}; "
            "in its sharing settings give the user, or a group of it, 'can capture data'",
        )


def _data_element(facts: Facts, payload: Payload, _dataset: Dataset) -> Found:
    element = facts.element
    if element is None:
        yield _error(
            "data-element",
            f"there is no data element {payload.target.data_element!r} that user {facts.username!r} may see; "
            "check dhis2.dataElement (UID or code) and the sharing",
        )
        return
    if element.get("domainType", "AGGREGATE") != "AGGREGATE":
        yield _error("data-element", f"{_named(element)} is a tracker data element; choose an aggregate one")
    type_ = element.get("valueType")
    if type_ not in NUMBERS + WHOLE_NUMBERS:
        allowed = ", ".join(NUMBERS + WHOLE_NUMBERS)
        yield _error("value-type", f"{_named(element)} takes {type_}, no numbers; allowed value types: {allowed}")
    elif type_ in WHOLE_NUMBERS and payload.fraction_count:
        yield _error(
            "value-type",
            f"{payload.fraction_count} of {payload.count} values are no whole numbers, which {_named(element)} "
            f"({type_}) does not take; set decimals: 0 in the dataset's eo: block, or the value type to NUMBER",
        )


def _zeros(facts: Facts, payload: Payload, _dataset: Dataset) -> Found:
    element = facts.element or {"zeroIsSignificant": True}
    if element.get("zeroIsSignificant") or element.get("aggregationType") in KEEP_ZEROS:
        return
    what = f"{_named(element)} does not store zeros (zeroIsSignificant is false)"
    do = "tick 'Store zero data values' of the data element in DHIS2's Maintenance app"
    if payload.zero_count and not facts.is_new:
        yield _error("zeros", f"{what}: DHIS2 would drop {payload.zero_count} of {payload.count} values; {do}")
    else:
        yield _warning("zeros", f"{what}: values of 0 are missing in analytics; {do}")


def _aggregation_over_time(facts: Facts, _payload: Payload, dataset: Dataset) -> Found:
    type_ = (facts.element or {}).get("aggregationType")
    theirs, ours = OVER_TIME.get(str(type_)), dataset.aggregation.temporal
    if theirs and theirs != ours and not dataset.period_type == "yearly":
        yield _warning(
            "aggregation",
            f"a period's value is the {ours} of its steps, but of several periods DHIS2 shows the {theirs} "
            f"({_named(facts.element)} has aggregation type {type_}); set the aggregation type accordingly",
        )


def _aggregation_over_units(facts: Facts, payload: Payload, dataset: Dataset) -> Found:
    element = facts.element or {}
    theirs, ours = OVER_UNITS.get(str(element.get("aggregationType"))), dataset.aggregation.spatial
    levels = sorted({int(unit["level"]) for unit in facts.units.values() if unit.get("level")})
    if not theirs or not levels:
        return
    above = levels[:-1] or list(range(1, levels[0]))
    set_levels = (
        f"set the aggregation levels of {_named(element)} to {', '.join(map(str, above))} "
        "(Maintenance app), so that each level shows its own values"
    )
    missing = set(levels[:-1]) - {int(level) for level in element.get("aggregationLevels") or []}
    if missing:
        yield _warning(
            "aggregation-levels",
            f"there are values for units of the levels {', '.join(map(str, levels))}, and DHIS2 adds those of lower "
            f"levels to those of higher ones; {set_levels}",
        )
    elif ours != theirs and levels[0] > 1 and len(levels) == 1:
        yield _warning(
            "aggregation-levels",
            f"a unit's value is the {ours} of its cells, but above level {levels[0]} DHIS2 shows the {theirs} of its "
            f"units' values; import values for the levels above too (orgUnits.level), and {set_levels}",
        )


def _data_set(facts: Facts, payload: Payload, dataset: Dataset) -> Found:
    given = payload.target.data_set
    if facts.data_set is None:
        if given:
            yield _error(
                "data-set",
                f"there is no data set {given!r} that user {facts.username!r} may see; "
                "check dhis2.dataSet (UID or code) and the sharing",
            )
        elif facts.element and not facts.data_set_count:
            yield _error("data-set", f"{_named(facts.element)} is in no data set; assign it to one")
        elif facts.data_set_count:
            words = f"{_named(facts.element)} is in {facts.data_set_count} data sets; set dhis2.dataSet to one of them"
            yield _error("data-set", words) if facts.is_new else _warning("data-set", words)
        return
    members = {member["dataElement"]["id"] for member in facts.data_set.get("dataSetElements", [])}
    if facts.element and facts.element["id"] not in members:
        yield _error(
            "data-set", f"the data set {_named(facts.data_set)} does not hold {_named(facts.element)}; add it there"
        )
    type_ = str(facts.data_set.get("periodType", ""))
    if type_.lower() != dataset.period_type.lower():
        yield _error(
            "period-type",
            f"the values are {dataset.period_type}, but the data set {_named(facts.data_set)} is {type_}; "
            "set periodType in the dataset's eo: block, or choose another data set",
        )


def _units(facts: Facts, payload: Payload, _dataset: Dataset) -> Found:
    unknown = [unit for unit in payload.org_units if unit not in facts.units]
    foreign = [id_ for id_, unit in facts.units.items() if not facts.may_write_to(unit)]
    assigned = facts.assigned()
    others = [id_ for id_, unit in facts.units.items() if assigned is not None and unit["id"] not in assigned]
    total = len(payload.org_units)
    for code, names, what in (
        ("org-units", unknown, "do not exist in DHIS2, or may not be seen; check the ids (orgUnits)"),
        ("hierarchy", foreign, f"lie outside the data capture units of user {facts.username!r}; add them to the user"),
        ("assignment", others, f"are not assigned to the data set {_named(facts.data_set)}; assign them"),
    ):
        if names:
            words = f"{len(names)} of {total} organisation units {what} ({_some(names)})"
            # until 2.42 DHIS2 takes values of units that are not assigned; they are missing in data entry only
            bad = len(names) == total and (facts.is_new or code != "assignment")
            yield _error(code, words) if bad else _warning(code, words)


def _open_periods(facts: Facts, payload: Payload, dataset: Dataset) -> Found:
    last, days = facts.open_until(), int((facts.data_set or {}).get("expiryDays") or 0)
    periods = [period for id_ in payload.periods if (period := period_with_id(id_, dataset.period_type))]
    ahead = [period.id for period in periods if last and period.start > last]
    if ahead:
        yield _warning(
            "open-periods",
            f"{len(ahead)} of {len(payload.periods)} periods are not open yet ({_some(ahead)}), today being "
            f"{facts.today}; raise openFuturePeriods of the data set {_named(facts.data_set)}, or import later",
        )
    expired = [period.id for period in periods if days and (facts.today - period.end).days > days]
    if expired and not facts.may("F_EDIT_EXPIRED"):
        yield _warning(
            "open-periods",
            f"{len(expired)} of {len(payload.periods)} periods are closed ({_some(expired)}): the data set "
            f"{_named(facts.data_set)} expires after {days} days; raise that, or give the user F_EDIT_EXPIRED",
        )


CHECKS: Sequence[Callable[[Facts, Payload, Dataset], Found]] = (
    _version,
    _calendar,
    _authority,
    _data_element,
    _zeros,
    _data_set,
    _units,
    _open_periods,
    _aggregation_over_time,
    _aggregation_over_units,
)


def _error(code: str, message: str) -> Finding:
    return _finding("error", code, message)


def _warning(code: str, message: str) -> Finding:
    return _finding("warning", code, message)


def _finding(severity: Literal["error", "warning"], code: str, message: str) -> Finding:
    return Finding(severity=severity, code=code, message=message)


def _named(entry: object) -> str:
    """Return a name that a person finds in DHIS2, with the UID."""
    found = entry if isinstance(entry, dict) else {}
    return f"{found.get('name') or found.get('code') or 'unnamed'} ({found.get('id', 'no UID')})"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(islice(names, NAMED))}{more}"
