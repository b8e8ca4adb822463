"""Step 4 of datasets of the source `derived`: see published values against their reference period."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import LeftOut, PeriodType
from eo_pygeoapi.contract.periods import Period, calendar_of
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.climatology.history import History
from eo_pygeoapi.pipeline.climatology.statistics import count, statistic
from eo_pygeoapi.pipeline.sources.derived.options import DerivedOptions
from eo_pygeoapi.pipeline.zonal.step import Aggregated, as_frame
from eo_pygeoapi.store.reader import PublishedReader

_MOST_YEARS_OF_SUMS = 2  # that sums of 24 months reach back


def compare_with_normal(
    units: gpd.GeoDataFrame,
    periods: Sequence[Period],
    dataset: Dataset,
    reader: PublishedReader,
    progress: Callable[[float], None] | None = None,
) -> Aggregated:
    """Compute the dataset's statistic for units and periods from the published values of another dataset.

    A value is null, and listed with the reason, where the other dataset has none, where fewer years of the reference
    period than `minYears` have one, or where the statistic is not defined.
    """
    options, ids = cast(DerivedOptions, dataset.options), list(units["orgUnit"])
    history = _history(reader, options, dataset.period_type, ids, periods)
    values, fractions = np.full((len(periods), len(ids)), np.nan), np.zeros((len(periods), len(ids)))
    reasons: list[list[str]] = []
    for number, period in enumerate(periods):
        year, time = int(period.id[:4]) - history.first, period.id[4:]
        known = partial(history.sums, months=options.months) if options.months else history.values
        reference, own = history.of_years(options.years, time, known), known(time)[year]
        seen = count(reference)
        found = statistic(options.statistic, own, reference)
        needs_value = options.statistic != "normal"
        lacking = np.isnan(own) & needs_value
        values[number] = np.where((seen < options.min_years) | lacking, np.nan, found)
        fractions[number] = np.where(np.isnan(values[number]), 0.0, history.fractions(time)[year] if needs_value else 1)
        reasons.append(_reasons(values[number], lacking, seen, options))
        if progress:
            progress((number + 1) / len(periods))
    if dataset.decimals is not None:
        values = values.round(dataset.decimals) + 0.0
    return Aggregated(as_frame(values, fractions, ids, periods), list(_listed(reasons, ids, periods)))


def _history(
    reader: PublishedReader,
    options: DerivedOptions,
    period_type: PeriodType,
    units: Sequence[str],
    periods: Sequence[Period],
) -> History:
    """Return the values of the years of the periods, and of the reference period, whose years are Gregorian ones."""
    years = [int(period.id[:4]) for period in periods]
    ahead = [year - period.year for year, period in zip(years, periods, strict=True)]
    # the first day of a Gregorian year has not the same local date each year
    room = 0 if calendar_of(period_type) == "iso8601" else 1
    first = min([options.years[0] + min(ahead, default=0), *years]) - room
    last = max([options.years[1] + max(ahead, default=0), *years]) + room
    return History(reader, options.of, units, period_type, first - _MOST_YEARS_OF_SUMS, last)


def _reasons(
    values: NDArray[np.float64], lacking: NDArray[np.bool_], seen: NDArray[np.int64], options: DerivedOptions
) -> list[str]:
    """Return why each unit has no value, '' where it has one."""
    first, last = options.years
    found = []
    for value, no_value, years in zip(values.tolist(), lacking.tolist(), seen.tolist(), strict=True):
        if value == value:
            found.append("")
        elif years < options.min_years:
            of_all = f"{years} of the {last - first + 1} years {first} to {last} have a value in {options.of}"
            found.append(f"{of_all}; minYears is {options.min_years}")
        elif no_value:
            found.append(f"{options.of} has no value" + (f" in one of {options.months} months" * bool(options.months)))
        else:
            found.append(f"{options.statistic} is not defined: nothing but zeros, or the same value each year")
    return found


def _listed(reasons: Sequence[Sequence[str]], ids: Sequence[str], periods: Sequence[Period]) -> Iterator[LeftOut]:
    """Yield an entry for each unit without a value: one where the reason is the same in all periods."""
    for unit, org_unit in enumerate(ids):
        own = [of_period[unit] for of_period in reasons]
        if len(set(own)) == 1 and own[0]:
            yield LeftOut(org_unit=org_unit, reason=own[0])
            continue
        for period, reason in zip(periods, own, strict=True):
            if reason:
                yield LeftOut(org_unit=org_unit, period=period.id, reason=reason)
