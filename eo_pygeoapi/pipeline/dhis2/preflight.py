"""The check before an import, also before a dry one: would DHIS2 take the values, and would it show them right?

Each check says what is wrong and what to do. An error keeps the import from being made, for nothing, or something
wrong, would come of it; a warning does not.
"""

from collections.abc import Callable, Sequence

from eo_pygeoapi.contract.models import Finding
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.analytics import AUTHORITY
from eo_pygeoapi.pipeline.dhis2.checks_of_data_set import check_combinations, check_data_set, check_input_periods
from eo_pygeoapi.pipeline.dhis2.checks_of_values import check_opening_dates, check_periods, check_units
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.findings import Findings, error, warning
from eo_pygeoapi.pipeline.dhis2.identifiers import named

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


def preflight(facts: Facts, payload: Payload, dataset: Dataset) -> list[Finding]:
    """Return everything that speaks against importing the payload, errors first."""
    findings = [finding for check in CHECKS for finding in check(facts, payload, dataset)]
    return sorted(findings, key=lambda finding: finding.severity)  # stable, and `error` is before `warning`


def _version(facts: Facts, _payload: Payload, _dataset: Dataset) -> Findings:
    low, high = KNOWN_VERSIONS
    if not low <= facts.version[:2] <= high:
        shown, known = (".".join(map(str, v)) for v in (facts.version[:2], low))
        yield warning(
            "version",
            f"this is DHIS2 {shown}; imports were tested with {known} to {high[0]}.{high[1]}: look at a dry run first",
        )


def _calendar(facts: Facts, _payload: Payload, _dataset: Dataset) -> Findings:
    if facts.calendar not in CALENDARS:
        yield error(
            "calendar",
            f"DHIS2 uses the calendar {facts.calendar!r}, where our periods would mean other days; "
            f"allowed: {', '.join(CALENDARS)} (System settings, Calendar)",
        )


def _identifiers(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    target = payload.target
    for key, name in (
        ("dataElement", target.data_element),
        ("dataSet", target.data_set),
        ("categoryOptionCombo", target.category_option_combo),
        ("attributeOptionCombo", target.attribute_option_combo),
    ):
        if words := facts.ambiguous.get(name):
            yield error("identifiers", f"dhis2.{key}: {words}; use the code of the one, or the UID of the other")


def _authority(facts: Facts, _payload: Payload, _dataset: Dataset) -> Findings:
    if not facts.may("F_DATAVALUE_ADD"):
        yield error(
            "authority",
            f"user {facts.user.username!r} may not add data values; "
            "give one of its roles the authority F_DATAVALUE_ADD",
        )
    access = ((facts.data_set or {}).get("access") or {}).get("data") or {}
    if access.get("write") is False:
        yield error(
            "sharing",
            f"user {facts.user.username!r} may not write to the data set {named(facts.data_set)}; "
            "in its sharing settings give the user, or a group of it, 'can capture data'",
        )
    # from 2.44 on a data element has a sharing of its own for data
    own = ((facts.element or {}).get("access") or {}).get("data") or {}
    if own.get("write") is False:
        yield error(
            "sharing",
            f"user {facts.user.username!r} may not write values of the data element {named(facts.element)}; "
            "in its sharing settings give the user, or a group of it, 'can capture data'",
        )


def _analytics(facts: Facts, _payload: Payload, dataset: Dataset) -> Findings:
    if any(then.analytics for then in dataset.after) and not facts.may(AUTHORITY):
        yield warning(
            "analytics",
            f"user {facts.user.username!r} may not start analytics, as `after: [{{analytics: true}}]` wants it; "
            f"give one of its roles the authority {AUTHORITY}",
        )


def _data_element(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    element = facts.element
    if element is None:
        if payload.target.data_element in facts.ambiguous:
            return
        yield error(
            "data-element",
            f"there is no data element {payload.target.data_element!r} that user {facts.user.username!r} may see; "
            "check dhis2.dataElement (UID or code) and the sharing",
        )
        return
    if element.get("domainType", "AGGREGATE") != "AGGREGATE":
        yield error("data-element", f"{named(element)} is a tracker data element; choose an aggregate one")
    type_ = element.get("valueType")
    if type_ not in NUMBERS + WHOLE_NUMBERS:
        allowed = ", ".join(NUMBERS + WHOLE_NUMBERS)
        yield error("value-type", f"{named(element)} takes {type_}, no numbers; allowed value types: {allowed}")
    elif type_ in WHOLE_NUMBERS and payload.fraction_count:
        yield error(
            "value-type",
            f"{payload.fraction_count} of {payload.count} values are no whole numbers, which {named(element)} "
            f"({type_}) does not take; set decimals: 0 in the dataset's eo: block, or the value type to NUMBER",
        )


def _zeros(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    element = facts.element or {"zeroIsSignificant": True}
    if element.get("zeroIsSignificant") or element.get("aggregationType") in KEEP_ZEROS:
        return
    what = f"{named(element)} does not store zeros (zeroIsSignificant is false)"
    do = "tick 'Store zero data values' of the data element in DHIS2's Maintenance app"
    if payload.zero_count and not facts.is_new:
        yield error("zeros", f"{what}: DHIS2 would drop {payload.zero_count} of {payload.count} values; {do}")
    else:
        yield warning("zeros", f"{what}: values of 0 are missing in analytics; {do}")


def _aggregation_over_time(facts: Facts, _payload: Payload, dataset: Dataset) -> Findings:
    type_ = (facts.element or {}).get("aggregationType")
    theirs, ours = OVER_TIME.get(str(type_)), dataset.aggregation.temporal
    if theirs and theirs != ours and not dataset.period_type == "yearly":
        yield warning(
            "aggregation",
            f"a period's value is the {ours} of its steps, but of several periods DHIS2 shows the {theirs} "
            f"({named(facts.element)} has aggregation type {type_}); set the aggregation type accordingly",
        )


def _aggregation_over_units(facts: Facts, payload: Payload, dataset: Dataset) -> Findings:
    element = facts.element or {}
    theirs, ours = OVER_UNITS.get(str(element.get("aggregationType"))), dataset.aggregation.spatial
    levels = sorted({int(unit["level"]) for unit in facts.units.values() if unit.get("level")})
    if not theirs or not levels:
        return
    above = levels[:-1] or list(range(1, levels[0]))
    set_levels = (
        f"set the aggregation levels of {named(element)} to {', '.join(map(str, above))} "
        "(Maintenance app), so that each level shows its own values"
    )
    missing = set(levels[:-1]) - {int(level) for level in element.get("aggregationLevels") or []}
    if missing:
        yield warning(
            "aggregation-levels",
            f"there are values for units of the levels {', '.join(map(str, levels))}, and DHIS2 adds those of lower "
            f"levels to those of higher ones; {set_levels}",
        )
    elif ours != theirs and levels[0] > 1 and len(levels) == 1:
        yield warning(
            "aggregation-levels",
            f"a unit's value is the {ours} of its cells, but above level {levels[0]} DHIS2 shows the {theirs} of its "
            f"units' values; import values for the levels above too (orgUnits.level), and {set_levels}",
        )


CHECKS: Sequence[Callable[[Facts, Payload, Dataset], Findings]] = (
    _version,
    _calendar,
    _identifiers,
    _authority,
    _analytics,
    _data_element,
    _zeros,
    check_data_set,
    check_combinations,
    check_input_periods,
    check_units,
    check_opening_dates,
    check_periods,
    _aggregation_over_time,
    _aggregation_over_units,
)
