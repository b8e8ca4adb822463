"""Aggregate the periods of each year with the people of that year."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Aggregation, LeftOut
from eo_pygeoapi.pipeline.grids.people import People
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.zonal.left_out import Listed, between
from eo_pygeoapi.pipeline.zonal.people import Weigher
from eo_pygeoapi.pipeline.zonal.points import are_points
from eo_pygeoapi.pipeline.zonal.streaming import Found, Means

_ROUNDING = 1e-9


class Units(NamedTuple):
    """Organisation units: their ids, and their geometries in the same order."""

    ids: Sequence[str]
    geometries: NDArray[np.object_]


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
    units: Units,
    complete: Sequence[PeriodSteps],
    aggregation: Aggregation,
    means: Means,
    people: People,
    progress: Callable[[float], None] | None = None,
) -> tuple[Found, list[LeftOut]]:
    """Aggregate with the people of each period's own year, or the nearest, as weights of cells.

    Units without people, or whose people all live in cells without data, have the value of their area. With the
    statistic `sum` the values are numbers of people: 0 without any, null for a point, which has no area to live in,
    and for a unit whose people all live in cells without data. All these are listed.
    """
    parts: list[Found] = []
    counted: list[Weigher] = []
    for year, some in groupby(complete, lambda steps: people.year_for(steps.period)):
        same, done = list(some), sum(len(each.values) for each in parts)
        none = np.zeros(len(units.geometries))
        counted.append(Weigher(people, year, means.cache, none.astype(bool), none))
        share = _part(progress, done, len(same), len(complete)) if progress else None
        parts.append(compute(grid, units.geometries, same, aggregation, means, share, counted[-1]))
    found = _joined(parts)
    rows = [counted[number] for number, part in enumerate(parts) for _ in part.values]
    nobody, listed = np.stack([each.nobody for each in rows]), Listed(units.ids, complete)
    of_people = aggregation.spatial == "sum"
    left_out = list(_of_years(counted, units.ids, "its value is 0" if of_people else "its value is that of its area"))
    unseen = (found.fractions == 0) & found.on_grid & ~nobody & ~are_points(units.geometries)
    if of_people:
        found, more = _numbers_of_people(found, units, nobody, unseen, listed)
    else:
        found, more = _with_values_of_area(found, partial(compute, grid), units, complete, aggregation, means, unseen)
    return found, left_out + more


def _numbers_of_people(
    found: Found, units: Units, nobody: NDArray[np.bool_], unseen: NDArray[np.bool_], listed: Listed
) -> tuple[Found, list[LeftOut]]:
    """Return the numbers of people without what is none, and the list of units that have none, or a part."""
    found.values[nobody & found.on_grid] = 0.0
    points = np.broadcast_to(are_points(units.geometries) & found.on_grid, nobody.shape)
    found.values[points | unseen] = np.nan
    shares = found.fractions
    in_part = (shares > 0) & (shares < 1 - _ROUNDING) & ~nobody & ~points
    left_out = listed.of(points.astype("int8"), lambda *_: "is a point, and has no area in which people live")
    left_out += listed.of(unseen.astype("int8"), lambda *_: "all its people live in cells without data")
    left_out += listed.of(
        in_part.astype("int8"),
        lambda unit, periods: (
            f"its value counts only those {between(shares[periods, unit] * 100)} % of its people who live in cells "
            "with data"
        ),
    )
    return found._replace(listed=points | unseen), left_out


def _with_values_of_area(
    found: Found,
    compute: Callable[..., Found],
    units: Units,
    complete: Sequence[PeriodSteps],
    aggregation: Aggregation,
    means: Means,
    unseen: NDArray[np.bool_],
) -> tuple[Found, list[LeftOut]]:
    """Return the results with those of their area for units whose people live in cells without data, and their list."""
    if not (some := np.flatnonzero(unseen.any(axis=0))).size:
        return found, []
    of_area = compute(units.geometries[some], complete, aggregation, means)
    fractions, instead = found.fractions.copy(), np.zeros(unseen.shape, bool)
    instead[:, some] = unseen[:, some] & np.isfinite(of_area.values)
    found.values[instead] = of_area.values[instead[:, some]]
    fractions[instead] = of_area.fractions[instead[:, some]]
    reason = "all its people live in cells without data; its value is that of its area"
    return found._replace(fractions=fractions), Listed(units.ids, complete).of(
        instead.astype("int8"), lambda *_: reason
    )


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


def _of_years(counted: Sequence[Weigher], org_units: Sequence[str], instead: str) -> Iterator[LeftOut]:
    """Yield an entry for each unit without people, with what its value is instead, and for cells that hold none."""
    name = counted[0].people.name
    for unit, org_unit in enumerate(org_units):
        if years := [str(each.year) for each in counted if each.nobody[unit]]:
            yield LeftOut(org_unit=org_unit, reason=f"nobody lives in it in {', '.join(years)} ({name}); {instead}")
        if wrong := [each for each in counted if each.unusable[unit] > 0]:
            cells = max(1, round(max(each.unusable[unit] for each in wrong)))
            said = f"{cells} cells of its people in {', '.join(str(each.year) for each in wrong)} ({name})"
            reason = f"{said} hold less than 0 or a mark for missing data; nobody is counted there"
            yield LeftOut(org_unit=org_unit, reason=reason)
