"""Cells weighed by the people in them, on the fine grid, and on real files with rasterio and numpy alone."""

from datetime import date
from pathlib import Path
from typing import Any

import exactextract
import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
import xarray as xr
from exactextract.raster import NumPyRasterSource
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.sources.step import (
    SourceRequest,
    extract_source_data,
    open_people_of,
    open_source_data,
)
from eo_pygeoapi.pipeline.zonal.coverage import weights_of
from eo_pygeoapi.pipeline.zonal.people import people_in_cells
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.pipeline.zonal.test_people import WEIGHED, aggregated, people, values_of
from tests.pipeline.zonal.test_step import DATA, real_data


def on_the_fine_grid(
    fine: NDArray[np.float64], frame: Frame, values: NDArray[np.float64], unit: Any, ops: list[str]
) -> list[float]:
    """What exactextract says of values on the fine grid, weighed by the people of its cells."""
    edges = (frame.west, frame.south, frame.east, frame.north)
    sources = [NumPyRasterSource(array, *edges, nodata=np.nan) for array in (values, fine)]
    features = gpd.GeoDataFrame({"unit": [0]}, geometry=[unit], crs="EPSG:4326")
    (found,) = exactextract.exact_extract(sources[0], features, ops, weights=sources[1])
    return [float(found["properties"][op]) for op in ops]


corner = st.floats(0.05, 2.95).map(lambda number: round(number, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(corner, corner), min_size=3, max_size=7), st.integers(0, 2**32 - 1))
def test_it_is_the_computation_on_the_fine_grid(corners: Any, seed: int) -> None:
    unit = shapely.MultiPoint(corners).convex_hull
    if unit.area < 0.01:
        return
    random = np.random.default_rng(seed)
    fine = np.where(random.random((12, 12)) < 0.6, random.random((12, 12)) * 1000, 0.0)
    coarse = random.random((3, 3)) * 40
    weights = on_the_fine_grid(
        fine, Frame((12, 12), 0, 0, 3, 3), coarse.repeat(4, 0).repeat(4, 1), unit, ["weighted_mean", "weighted_sum"]
    )
    found = aggregated({"unit": unit}, coarse, people(fine, cell=0.25))
    if not found.left_out:
        assert values_of(found) == pytest.approx(weights[:1], rel=1e-6)
    hot = (coarse > 20).astype("float64").repeat(4, 0).repeat(4, 1)
    (exposed,) = on_the_fine_grid(fine, Frame((12, 12), 0, 0, 3, 3), hot, unit, ["weighted_sum"])
    counted = aggregated({"unit": unit}, coarse, people(fine, cell=0.25), exposure={"above": 20}, aggregation={})
    assert values_of(counted) == pytest.approx([exposed], rel=1e-6, abs=1e-6)


def test_fine_cells_that_lie_across_cells_are_shared_by_area() -> None:
    coarse = made.grid(np.zeros((3, 3)))
    square = np.array([shapely.box(0, 0, 3, 3)], dtype=object)
    weights = weights_of(Frame.of(coarse), square)
    # cells of 0.75 degrees: the second lies in the first column by a third, in the second by two thirds
    fine = made.grid(np.ones((4, 4)), cell=0.75).isel(time=0)
    counted = people_in_cells(weights, square, fine).reshape(3, 3)
    along = np.array([4 / 3, 4 / 3, 4 / 3])
    assert counted == pytest.approx(np.outer(along, along))
    only = xr.zeros_like(fine)
    only[0, 1] = 90.0
    assert people_in_cells(weights, square, only).reshape(3, 3)[0] == pytest.approx([30.0, 60.0, 0.0])


def test_people_beyond_180_degrees_are_found_there() -> None:
    coarse = made.grid(np.zeros((2, 4))).assign_coords(x=[178.5, 179.5, 180.5, 181.5])
    world = xr.DataArray(np.zeros((2, 360)), dims=("y", "x"), coords={"y": [1.5, 0.5], "x": np.arange(-179.5, 180)})
    world.loc[{"x": -179.5}] = 7.0
    world.loc[{"x": 178.5}] = 5.0
    unit = np.array([shapely.box(178, 0, 182, 2)], dtype=object)
    counted = people_in_cells(weights_of(Frame.of(coarse), unit), unit, world)
    assert counted.reshape(2, 4).tolist() == [[5.0, 0, 7.0, 0]] * 2


# Real files


@real_data
def test_the_heat_of_real_districts_where_people_live(tmp_path: Path) -> None:
    heat = {"href": str(DATA / "era5-land-t2m-daily-sierra-leone-2025-07.nc"), "variable": "t2m"}
    population = {"source": "file", "options": {"href": str(DATA / "worldpop-sierra-leone-2026-1km.tif"), "time": 2026}}
    dataset = made.dataset(options=heat, population=population, units={"from": "K", "to": "degC"}, **WEIGHED)
    districts = gpd.read_file(DATA / "sierra-leone-districts.geojson")
    units = made.units(dict(zip(districts["id"], districts.geometry, strict=True)))
    day = Interval(start=date(2025, 7, 1), end=date(2025, 7, 2))
    asked = SourceRequest(dataset, day, tuple(units.total_bounds), tmp_path)
    extract = extract_source_data(asked)
    assert extract.people is not None and extract.note_of_all == ("people of file; those of 2026 stand for 2025")
    grid = open_source_data(asked, extract)
    found = aggregate_to_org_units(
        grid, units, periods_in(day, "daily"), dataset, people=open_people_of(asked, extract)
    )
    first = found.frame[found.frame["period"] == "20250701"].set_index("orgUnit")["value"]
    assert len(first) == 13 and not found.left_out

    expected, exposed = with_rasterio_and_numpy(districts, above=24.0)
    assert np.abs(first[list(expected)].to_numpy() - np.array(list(expected.values()))).max() < 1e-6
    plain = aggregate_to_org_units(grid, units, periods_in(day, "daily"), made.dataset(
        options=heat, units={"from": "K", "to": "degC"}
    )).frame["value"][:13]  # fmt: skip
    assert 0.05 < np.abs(first.to_numpy() - plain.to_numpy()).max() < 1.0

    in_heat = made.dataset(
        options=heat, population=population, units={"from": "K", "to": "degC"}, exposure={"above": 24}
    )
    counted = aggregate_to_org_units(
        grid, units, periods_in(day, "daily"), in_heat, people=open_people_of(asked, extract)
    ).frame  # fmt: skip
    people_in_heat = counted[counted["period"] == "20250701"].set_index("orgUnit")["value"]
    assert 10_000 < sum(exposed.values()) < 9_000_000
    assert people_in_heat[list(exposed)].to_numpy() == pytest.approx(np.array(list(exposed.values())), rel=1e-6)


def with_rasterio_and_numpy(districts: Any, above: float) -> tuple[dict[str, float], dict[str, float]]:
    """Weigh the temperature at each cell of people by the people in the share of the cell that the district covers.

    Return the mean temperature of the first day, and the people where it is above a threshold, of each district.
    """
    with rasterio.open(f"netcdf:{DATA / 'era5-land-t2m-daily-sierra-leone-2025-07.nc'}:t2m") as file:
        celsius, cells_of = file.read(1).astype("float64") - 273.15, file.transform
    lines, posts = np.arange(celsius.shape[0]), np.arange(celsius.shape[1])
    south, east = cells_of.f + (lines + 0.5) * cells_of.e, cells_of.c + (posts + 0.5) * cells_of.a
    with rasterio.open(DATA / "worldpop-sierra-leone-2026-1km.tif") as file:
        counted, transform, nodata = file.read(1).astype("float64"), file.transform, file.nodata
    counted[counted == nodata] = 0.0
    rows, columns = np.indices(counted.shape)
    longitude, latitude = transform.c + (columns + 0.5) * transform.a, transform.f + (rows + 0.5) * transform.e
    down = shared(-latitude[:, 0], transform.a, -south)
    along = shared(longitude[0], transform.a, east)
    # where a cell of people lies across cells of the temperature, each counts by area; the sea has none
    heat = down @ np.nan_to_num(celsius) @ along.T
    there = down @ ~np.isnan(celsius) @ along.T
    hot = down @ (celsius > above) @ along.T
    means, exposed = {}, {}
    for id_, unit in zip(districts["id"], districts.geometry, strict=True):
        touched = rasterio.features.rasterize([unit], counted.shape, transform=transform, all_touched=True) == 1
        touched &= (counted > 0) & (there > 0)
        half = transform.a / 2
        x, y = longitude[touched], latitude[touched]
        cells = shapely.box(x - half, y - half, x + half, y + half)
        shapely.prepare(unit)
        shares = np.ones(len(cells))
        border = ~shapely.contains_properly(unit, cells)
        shares[border] = shapely.area(shapely.intersection(cells[border], unit)) / shapely.area(cells[border])
        by_people = counted[touched] * shares
        means[id_] = float((by_people * heat[touched]).sum() / (by_people * there[touched]).sum())
        exposed[id_] = float((by_people * hot[touched]).sum())
    return means, exposed


def shared(centres: NDArray[np.float64], size: float, of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Which share of each interval around these centres lies in each of the intervals around others."""
    cell = (of[-1] - of[0]) / (of.size - 1)
    begin = np.maximum(centres[:, None] - size / 2, of - cell / 2)
    end = np.minimum(centres[:, None] + size / 2, of + cell / 2)
    return np.asarray(np.clip(end - begin, 0, None) / size)
