"""Tell which units have no statistic against their reference period, and why."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.pipeline.climatology.statistics import Floats, count, mean
from eo_pygeoapi.pipeline.sources.derived.options import DerivedOptions

_Case = tuple[NDArray[np.bool_], Callable[[int], str]]
_LEAST_WET = 4  # years that a gamma distribution is fitted to, as the R package SPEI has it


def why_not(options: DerivedOptions, found: Floats, values: Floats, reference: Floats) -> list[str]:
    """Return why each unit has no value, '' where it has the one that was `found`.

    `values` are those of the other dataset, shape (unit,), and `reference` has their reference period, (year, unit).
    """
    reasons = [""] * len(values)
    for where, why in reversed(list(_cases(options, found, values, reference))):
        for unit in np.flatnonzero(where).tolist():
            reasons[unit] = why(unit)
    return reasons


def _cases(options: DerivedOptions, found: Floats, values: Floats, reference: Floats) -> Iterator[_Case]:
    """Yield units without a value and the reason; the first reason counts."""
    (first, last), of, seen = options.years, options.of, count(reference)
    needed, there_are = options.needed_years, last - first + 1
    yield (
        seen < needed,
        lambda unit: (
            f"{seen[unit]} of the {there_are} years {first} to {last} have a value in {of}; minYears is {needed}"
        ),
    )
    if options.statistic != "normal":
        in_one = f" in one of {options.months} months" if options.months else ""
        yield np.isnan(values), lambda _: f"{of} has no value{in_one}"
    not_defined = f"{options.statistic} is not defined"
    if options.statistic == "percent-of-normal":
        normal, least = mean(reference), options.least_normal
        yield (
            (normal <= 0) | (normal < least),
            lambda unit: f"{not_defined}: the normal is {normal[unit]:.3g}; leastNormal is {least:g}",
        )
    if options.months:
        wet, dry = (reference > 0).sum(axis=0), (reference == 0).sum(axis=0)
        below = (reference < 0).any(axis=0) | (values < 0)
        yield below, lambda _: f"{not_defined}: {of} has values below 0, and the index is one of amounts"
        yield (
            (dry > seen / 2) | (wet < _LEAST_WET),
            lambda unit: f"{not_defined}: {dry[unit]} of {seen[unit]} years of the reference period have 0",
        )
    yield np.isnan(found), lambda _: f"{not_defined}: the same value each year"
