"""Aggregate a dataset whose values are divided by groups, such as ages: each group, and all of them together."""

import json
from collections.abc import Callable, Sequence

import geopandas as gpd
import numpy as np
import xarray as xr

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.zonal.step import Aggregated, aggregate_to_org_units
from eo_pygeoapi.pipeline.zonal.streaming import Means
from eo_pygeoapi.store.features import GROUPS


def aggregate_groups(
    open_group: Callable[[str], xr.DataArray],
    units: gpd.GeoDataFrame,
    periods: Sequence[Period],
    dataset: Dataset,
    progress: Callable[[float], None] = lambda _done: None,
    means: Means | None = None,
) -> Aggregated:
    """Aggregate each group to the units and periods, and add them up.

    `open_group` returns the grid of a group. In the frame, `value` is the sum of the groups as they are rounded, null
    where one of them is, and `groups` has the values of all as JSON, by their names; `validFraction` is the smallest.
    """
    names, found = list(dataset.options.divided_by()), list[Aggregated]()
    for number, name in enumerate(names):

        def part(done: float, before: int = number) -> None:
            progress((before + done) / len(names))

        found.append(aggregate_to_org_units(open_group(name), units, periods, dataset, part, means))
    frame, left_out = found[0].frame.copy(), dict[str, LeftOut]()
    for one in found:
        left_out |= {entry.model_dump_json(): entry for entry in one.left_out}
    values = np.stack([one.frame["value"].to_numpy() for one in found])
    frame["value"] = values.sum(axis=0)
    frame["validFraction"] = np.min([one.frame["validFraction"].to_numpy() for one in found], axis=0)
    frame[GROUPS] = [_text(names, of_row) for of_row in values.T.tolist()]
    return Aggregated(frame, list(left_out.values()))


def _text(names: Sequence[str], values: Sequence[float]) -> str:
    return json.dumps({n: v if np.isfinite(v) else None for n, v in zip(names, values, strict=True)})
