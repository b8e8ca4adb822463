"""Aggregate the periods of each year with the people of that year."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Aggregation, LeftOut
from eo_pygeoapi.pipeline.grids.people import People
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.zonal.people import Weigher
from eo_pygeoapi.pipeline.zonal.streaming import Found, Means

Nobody = dict[int, NDArray[np.bool_]]  # the units without people, by year


class Compute(Protocol):
    """Aggregates a grid to periods and geometries, such as `aggregate_periods`."""

    def __call__(
        self,
        grid: xr.DataArray,
        geometries: NDArray[np.object_],
        complete: Sequence[PeriodSteps],
        aggregation: Aggregation,
        means: Means,
        progress: Callable[[float], None] | None = None,
        weigher: Weigher | None = None,
    ) -> Found:
        """Return values and valid fractions; `weigher` weighs cells by people."""


def aggregate_by_people(
    compute: Compute,
    grid: xr.DataArray,
    geometries: NDArray[np.object_],
    complete: Sequence[PeriodSteps],
    aggregation: Aggregation,
    means: Means,
    people: People,
    progress: Callable[[float], None] | None = None,
) -> tuple[Found, Nobody]:
    """Aggregate with the people of each period's own year, or the nearest, as weights of cells.

    Units without people keep the weights of their area, and are returned for each year.
    """
    found: list[Found] = []
    nobody: Nobody = {}
    for year, some in groupby(complete, lambda steps: people.year_for(steps.period)):
        same, done = list(some), sum(len(each.values) for each in found)
        weigher = Weigher(people, year, means.cache, np.zeros(len(geometries), bool))
        share = _part(progress, done, len(same), len(complete)) if progress else None
        found.append(compute(grid, geometries, same, aggregation, means, share, weigher))
        nobody[year] = weigher.nobody
    return _joined(found), nobody


def _part(progress: Callable[[float], None], done: int, count: int, of_all: int) -> Callable[[float], None]:
    return lambda share: progress((done + share * count) / of_all)


def _joined(found: Sequence[Found]) -> Found:
    """Join the results of consecutive periods."""
    impossible = None
    if any(each.impossible is not None for each in found):
        parts = [np.zeros_like(each.values) if each.impossible is None else each.impossible for each in found]
        impossible = np.concatenate(parts)
    ranges = [each.between for each in found if each.between is not None]
    return Found(
        values=np.concatenate([each.values for each in found]),
        fractions=np.concatenate([each.fractions for each in found]),
        on_grid=found[0].on_grid,
        impossible=impossible,
        between=(min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None,
    )


def nobody_there(nobody: Nobody, org_units: Sequence[str], name: str, instead: str) -> Iterator[LeftOut]:
    """Yield an entry for each unit in which nobody lives, with what its value is instead."""
    for unit, org_unit in enumerate(org_units):
        years = [str(year) for year, empty in nobody.items() if empty[unit]]
        if years:
            yield LeftOut(org_unit=org_unit, reason=f"nobody lives in it in {', '.join(years)} ({name}); {instead}")
