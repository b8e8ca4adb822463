"""Checks before an import: the data element, its numbers, and how DHIS2 aggregates them."""

from collections.abc import Mapping
from math import inf, isfinite

from eo_pygeoapi.contract.day_statistics import OVER_PERIODS, day_statistic
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.limits import value_limits
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.findings import Findings, error, warning
from eo_pygeoapi.pipeline.dhis2.identifiers import named

NUMBERS = ("NUMBER", "PERCENTAGE", "UNIT_INTERVAL")
WHOLE_NUMBERS = ("INTEGER", "INTEGER_POSITIVE", "INTEGER_NEGATIVE", "INTEGER_ZERO_OR_POSITIVE")
# by value type: the lowest and the highest number that it takes
LIMITS: Mapping[str, tuple[float, float]] = {
    "PERCENTAGE": (0, 100),
    "UNIT_INTERVAL": (0, 1),
    "INTEGER_POSITIVE": (1, inf),
    "INTEGER_NEGATIVE": (-inf, -1),
    "INTEGER_ZERO_OR_POSITIVE": (0, inf),
}
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


def takes(type_: str, dataset: Dataset) -> bool:
    """Tell whether a value type takes all numbers that the dataset's values can be."""
    (lowest, highest), (low, high) = LIMITS.get(type_, (-inf, inf)), value_limits(dataset)
    return lowest <= (-inf if low is None else low) and (inf if high is None else high) <= highest


def check_data_element(facts: Facts, payload: Payload, dataset: Dataset) -> Findings:
    """Is there the data element, and does it take such numbers?"""
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
            f"{_so_many(payload.fraction_count, payload, 'values')} are no whole numbers, which {named(element)} "
            f"({type_}) does not take; set decimals: 0 in the dataset's eo: block, or the value type to NUMBER",
        )
    elif not takes(type_, dataset) and (type_ != "INTEGER_ZERO_OR_POSITIVE" or (value_limits(dataset)[0] or 0) < 0):
        lowest, highest = LIMITS[type_]
        allowed = (
            f"from {lowest:g} to {highest:g}" if isfinite(highest - lowest) else "above 0" if lowest > 0 else "below 0"
        )
        yield warning(
            "value-type",
            f"{named(element)} takes {type_} alone, numbers {allowed}, and DHIS2 refuses any other; set the "
            "value type to NUMBER or INTEGER, or say between which numbers all values lie (plausible in the eo: block)",
        )


def check_zeros(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    """Does DHIS2 store zeros of the data element?"""
    element = facts.element or {"zeroIsSignificant": True}
    if element.get("zeroIsSignificant") or element.get("aggregationType") in KEEP_ZEROS:
        return
    what = f"{named(element)} does not store zeros (zeroIsSignificant is false)"
    do = "tick 'Store zero data values' of the data element in DHIS2's Maintenance app"
    if payload.zero_count and not facts.is_new:
        dropped = _so_many(payload.zero_count, payload, "them")
        yield error("zeros", f"{what}: DHIS2 would drop {dropped}; {do}")
    else:
        yield warning("zeros", f"{what}: values of 0 are missing in analytics; {do}")


def check_aggregation_over_time(facts: Facts, _payload: Payload, dataset: Dataset) -> Findings:
    """Does DHIS2 aggregate several periods as the dataset aggregates its time steps?"""
    type_ = (facts.element or {}).get("aggregationType")
    of_days, ours = day_statistic(dataset.aggregation.temporal), over_periods(dataset)
    theirs = OVER_TIME.get(str(type_))
    if theirs and theirs != ours and not dataset.period_type == "yearly":
        made = f"{dataset.aggregation.temporal} of several periods is their {ours}"
        made = made if of_days else f"a period's value is the {ours} of its steps"
        yield warning(
            "aggregation",
            f"{made}, but of several periods DHIS2 shows the {theirs} "
            f"({named(facts.element)} has aggregation type {type_}); set the aggregation type accordingly",
        )


def over_periods(dataset: Dataset) -> str:
    """Return by which statistic the values of several periods make one."""
    of_days = day_statistic(dataset.aggregation.temporal)
    return OVER_PERIODS[of_days.kind] if of_days else dataset.aggregation.temporal


def check_aggregation_over_units(facts: Facts, payload: Payload, dataset: Dataset) -> Findings:
    """Does DHIS2 show a higher unit's own value, or an aggregate of the lower units that is wrong?"""
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
    kept_apart = {int(level) for level in element.get("aggregationLevels") or []}
    missing = set(levels[:-1]) - kept_apart
    if missing:
        yield warning(
            "aggregation-levels",
            f"there are values for units of the levels {', '.join(map(str, levels))}, and DHIS2 adds those of lower "
            f"levels to those of higher ones; {set_levels}",
        )
    elif ours != theirs and levels[0] > 1 and len(levels) == 1 and not set(above) <= kept_apart:
        yield warning(
            "aggregation-levels",
            f"a unit's value is the {ours} of its cells, but above level {levels[0]} DHIS2 shows the {theirs} of its "
            f"units' values; import values for the levels above too (orgUnits.level), and {set_levels}",
        )


def _so_many(part: int, payload: Payload, unknown: str) -> str:
    """Return how many of the values; `unknown` where no value is there yet, and they can only be foreseen."""
    return f"{part} of {payload.count} values" if payload.count else unknown
