"""Step 4 of datasets of the source `derived`: see published values against their reference period."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import geopandas as gpd
import numpy as np

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, calendar_of
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.climatology.history import History
from eo_pygeoapi.pipeline.climatology.statistics import Floats, statistic
from eo_pygeoapi.pipeline.climatology.undefined import why_not
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.sources.derived.options import DerivedOptions
from eo_pygeoapi.pipeline.zonal.left_out import judged
from eo_pygeoapi.pipeline.zonal.step import Aggregated, as_frame
from eo_pygeoapi.pipeline.zonal.streaming import Found
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
    period than `minYears` have one, where the statistic is not defined, or where it is not `plausible` or of a smaller
    part of the unit than `minValidFraction`.
    """
    options, ids = cast(DerivedOptions, dataset.options), list(units["orgUnit"])
    history = _history(reader, options, dataset.period_type, ids, periods)
    values, fractions = np.full((len(periods), len(ids)), np.nan), np.zeros((len(periods), len(ids)))
    reasons: list[list[str]] = []
    for number, period in enumerate(periods):
        year, time = int(period.id[:4]) - history.first, period.id[4:]
        known = partial(history.sums, months=options.months) if options.months else history.values
        reference, own = history.of_years(options.years, time, known), known(time)[year]
        found = statistic(options.statistic, own, reference)
        reasons.append(why_not(options, found, own, reference))
        values[number] = np.where(np.array(reasons[-1], dtype=bool), np.nan, found)
        of_value = history.fractions(time)[year] if options.statistic != "normal" else 1.0
        fractions[number] = np.where(np.isnan(values[number]), 0.0, of_value)
        if progress:
            progress((number + 1) / len(periods))
    left_out = [*_judged(values, fractions, dataset, ids, periods), *_listed(reasons, ids, periods)]
    if dataset.decimals is not None:
        values = values.round(dataset.decimals) + 0.0
    return Aggregated(as_frame(values, fractions, ids, periods), left_out)


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


def _judged(
    values: Floats, fractions: Floats, dataset: Dataset, ids: Sequence[str], periods: Sequence[Period]
) -> list[LeftOut]:
    """Make null, in place, what is not plausible or of too little of the unit; return the list of it."""
    computed = np.isfinite(values)
    judgement = judged(Found(values, fractions, np.ones(len(ids), bool)), dataset)
    judgement = replace(judgement, why=judgement.why * computed)
    values[judgement.null] = np.nan
    return judgement.left_out(ids, [PeriodSteps(period, 0, 0) for period in periods])


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
