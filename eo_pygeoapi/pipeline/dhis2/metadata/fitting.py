"""Which value type, aggregation type and aggregation levels of a data element fit a dataset's statistic.

DHIS2 has one aggregation type for both directions. It must fit over time; where it does not fit over units, each level
has values of its own, and the aggregation levels keep DHIS2 from adding those of lower levels to them.
"""

from collections.abc import Collection

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.checks_of_data_element import (
    NUMBERS,
    OVER_TIME,
    OVER_UNITS,
    WHOLE_NUMBERS,
    over_periods,
    takes,
)

# by the statistic over time, and whether the one over cells adds them up
_TYPES = {
    ("sum", False): "SUM",
    ("sum", True): "SUM",
    ("mean", False): "AVERAGE",
    ("mean", True): "AVERAGE_SUM_ORG_UNIT",
    ("min", False): "MIN",
    ("min", True): "MIN_SUM_ORG_UNIT",
    ("max", False): "MAX",
    ("max", True): "MAX_SUM_ORG_UNIT",
}
_SINCE_2_40 = ("MIN_SUM_ORG_UNIT", "MAX_SUM_ORG_UNIT")
_ADDING = ("sum", "count")


def aggregation_type(dataset: Dataset, version: tuple[int, ...]) -> str:
    """Return the aggregation type that this version of DHIS2 has for the dataset's statistics."""
    type_ = _TYPES[over_periods(dataset), dataset.aggregation.spatial in _ADDING]
    return type_.partition("_")[0] if type_ in _SINCE_2_40 and version < (2, 40) else type_


def fitting_aggregation_types(dataset: Dataset, version: tuple[int, ...]) -> set[str]:
    """Return all aggregation types that do over time what the dataset does; over years, any will do over time."""
    best = aggregation_type(dataset, version)
    alike = {
        type_
        for type_, over_units in OVER_UNITS.items()
        if over_units == OVER_UNITS[best]
        and (OVER_TIME.get(type_) == over_periods(dataset) or dataset.period_type == "yearly")
    }
    return {best, *alike} - ({"SUM"} if dataset.period_type == "yearly" and best != "SUM" else set())


def aggregation_levels(dataset: Dataset, type_: str, levels: Collection[int]) -> list[int]:
    """Return the levels at which DHIS2 must not aggregate the values of lower levels.

    These are the levels that have values of their own, but for the lowest; where a unit's value is not what DHIS2
    makes of the units below it, also the levels above them, which then show nothing rather than something wrong.
    """
    if not levels:
        return []
    adds = dataset.aggregation.spatial in _ADDING
    ours = "sum" if adds else dataset.aggregation.spatial
    if OVER_UNITS[type_] != ours:
        return list(range(1, max(levels)))
    return sorted(set(levels) - {max(levels)})


def value_type(dataset: Dataset) -> str:
    """Return the value type of the dataset's values: whole numbers where it rounds to such."""
    if dataset.decimals != 0:
        return "NUMBER"
    return "INTEGER_ZERO_OR_POSITIVE" if takes("INTEGER_ZERO_OR_POSITIVE", dataset) else "INTEGER"


def fitting_value_types(dataset: Dataset) -> set[str]:
    """Return all value types that take every value of the dataset."""
    types = NUMBERS if dataset.decimals != 0 else (*NUMBERS, *WHOLE_NUMBERS)
    return {type_ for type_ in types if takes(type_, dataset)}
