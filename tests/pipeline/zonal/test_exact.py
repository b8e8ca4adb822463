"""The cells of units, as exactextract finds them."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from shapely.geometry import MultiPolygon, Point, Polygon, box

from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.zonal import coverage_weights
from eo_pygeoapi.pipeline.zonal.coverage import as_wkb
from eo_pygeoapi.pipeline.zonal.exact import covered_cells
from eo_pygeoapi.pipeline.zonal.weights_cache import WeightsCache


def test_cells_of_large_and_small_units_stay_with_their_units() -> None:
    frame = Frame((600, 600), 0.0, 0.0, 600.0, 600.0)  # more cells in a unit than wait to be taken over together
    rows, columns = np.indices(frame.shape)
    squares = [(0, 0, 300, 300), (10, 590, 12, 592), (300, 0, 600, 300), (0.5, 300, 2, 301), (0, 301, 600, 600)]
    found = covered_cells(frame, as_wkb(np.array([box(*one) for one in squares])).tolist(), np.zeros(len(squares)))
    ends = np.cumsum(found.lengths)
    for n, (west, south, east, north) in enumerate(squares):
        ids, shares = (each[ends[n] - found.lengths[n] : ends[n]] for each in (found.ids, found.shares))
        wide = np.clip(np.minimum(columns + 1, east) - np.maximum(columns, west), 0, None)
        high = np.clip(np.minimum(600 - rows, north) - np.maximum(599 - rows, south), 0, None)
        expected = (wide * high).ravel()
        assert np.array_equal(np.sort(ids), np.flatnonzero(expected))
        assert np.array_equal(shares, expected[ids].astype("float32"))


def test_cells_that_a_unit_covers_to_its_least_share_are_left_out() -> None:
    frame = Frame((1, 3), 0.0, 0.0, 3.0, 1.0)
    unit = as_wkb(np.array([box(0.75, 0, 2.5, 1)] * 2)).tolist()
    found = covered_cells(frame, unit, np.array([0.25, 0.1]))
    assert found.lengths.tolist() == [2, 3]
    assert found.ids.tolist() == [1, 2, 0, 1, 2]
    assert found.shares.tolist() == [1.0, 0.5, 0.25, 1.0, 0.5]


@pytest.mark.parametrize(
    "outline",
    [
        Polygon([(0, 0), (4, 4), (4, 0), (0, 4)]),  # crosses itself
        MultiPolygon([box(0, 0, 2, 4), Polygon()]),  # has an empty part
    ],
    ids=["crossed", "empty part"],
)
def test_the_public_function_repairs_outlines(outline: Polygon | MultiPolygon) -> None:
    cells = xr.DataArray(np.ones((4, 4)), dims=("y", "x"), coords={"y": 3.5 - np.arange(4), "x": 0.5 + np.arange(4)})
    units = gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1), outline, box(3, 3, 4, 4)], crs="EPSG:4326")
    weights = coverage_weights(cells, units, cache=WeightsCache())
    assert weights.inside.tolist() == [1.0, 8.0, 1.0]
    assert weights.area.tolist() == [1.0, 8.0, 1.0]


def test_geometries_become_the_wkb_that_geos_writes() -> None:
    holed = box(0, 0, 4, 4).difference(box(1, 1, 2, 2))
    raised = Polygon([(0, 0, 7), (1, 0, 7), (1, 1, 7)])
    geometries = np.array(
        [box(0, 0, 1, 1), holed, raised, Polygon(), None, Point(1, 2), MultiPolygon([holed, box(5, 5, 6, 6)])]
    )
    assert as_wkb(geometries).tolist() == shapely.to_wkb(geometries, output_dimension=2).tolist()
    assert as_wkb(geometries[:0]).tolist() == []
