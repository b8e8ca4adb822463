"""Aggregate a dataset whose values are divided by groups, such as ages: each group, and all of them together."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

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
    What is left out of some groups only names them, and values that have no sum for that are listed.
    """
    names, found = list(dataset.options.divided_by()), list[Aggregated]()
    for number, name in enumerate(names):

        def part(done: float, before: int = number) -> None:
            progress((before + done) / len(names))

        found.append(aggregate_to_org_units(open_group(name), units, periods, dataset, part, means))
    frame = found[0].frame.copy()
    values = np.stack([one.frame["value"].to_numpy() for one in found])
    frame["value"] = values.sum(axis=0)
    frame["validFraction"] = np.min([one.frame["validFraction"].to_numpy() for one in found], axis=0)
    frame[GROUPS] = [_text(names, of_row) for of_row in values.T.tolist()]
    left_out = [*_of_groups(dict(zip(names, found, strict=True))), *_without_sum(frame, names, values)]
    return Aggregated(frame, left_out)


def _of_groups(found: Mapping[str, Aggregated]) -> Iterator[LeftOut]:
    """Yield what is left out, once, with the groups that it is left out of, unless these are all."""
    groups: dict[str, list[str]] = {}
    for name, one in found.items():
        for entry in one.left_out:
            groups.setdefault(entry.model_dump_json(), []).append(name)
    for text, names in groups.items():
        entry = LeftOut.model_validate_json(text)
        whole = len(names) == len(found)
        yield entry if whole else entry.model_copy(update={"reason": f"{', '.join(names)}: {entry.reason}"})


def _without_sum(frame: pd.DataFrame, names: Sequence[str], values: NDArray[np.float64]) -> Iterator[LeftOut]:
    """Yield an entry for each row that has no sum though some of its groups have a value; values are (group, row)."""
    known = np.isfinite(values)
    for row in np.flatnonzero(known.any(axis=0) & ~known.all(axis=0)).tolist():
        unit, period = frame["orgUnit"].iat[row], frame["period"].iat[row]
        with_value = ", ".join(name for name, is_known in zip(names, known[:, row], strict=True) if is_known)
        reason = f"only {with_value} have a value; the sum of the groups is null"
        yield LeftOut(org_unit=unit, period=period, reason=reason)


def _text(names: Sequence[str], values: Sequence[float]) -> str:
    return json.dumps({n: v if np.isfinite(v) else None for n, v in zip(names, values, strict=True)})
