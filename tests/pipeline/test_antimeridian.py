"""Countries on both sides of 180 degrees, such as Fiji, on grids of either kind of longitudes."""

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Point, box

from eo_pygeoapi.models import Interval
from eo_pygeoapi.pipeline.grids import cut_to_box
from eo_pygeoapi.pipeline.periods import periods_in
from eo_pygeoapi.pipeline.sources.era5_land import box_of
from eo_pygeoapi.pipeline.zonal import aggregate_to_org_units
from tests.pipeline import made

WEST, EAST = box(-180, -19, -179, -17), box(178, -19, 180, -17)
UNITS = made.units({"both": MultiPolygon([WEST, EAST]), "west": WEST, "point": Point(-179.5, -18.5)})
JULY_1 = Interval.model_validate({"start": "2025-07-01", "end": "2025-07-01"})


def world(longitudes: NDArray[np.float64]) -> xr.DataArray:
    """A day whose values tell the longitude, -180 to 180."""
    latitudes = np.arange(-10.5, -25, -1.0)
    values = np.broadcast_to((longitudes + 180) % 360 - 180, (1, latitudes.size, longitudes.size)).copy()
    coordinates = {"time": [np.datetime64("2025-07-01", "ns")], "lat": latitudes, "lon": longitudes}
    return xr.DataArray(values, dims=("time", "lat", "lon"), coords=coordinates)


@pytest.mark.parametrize("longitudes", [np.arange(0.5, 360), np.arange(-179.5, 180)])
def test_units_on_both_sides_have_the_cells_of_both(longitudes: NDArray[np.float64]) -> None:
    west, south, east, north = UNITS.total_bounds
    assert (west, east) == (-180, 180)
    grid = cut_to_box(world(longitudes), (west, south, east, north), "world").assign_attrs(step="day", units="")
    assert grid["x"].values[[0, -1]].tolist() == [-179.5, 179.5]
    found = aggregate_to_org_units(grid, UNITS, periods_in(JULY_1, "daily"), made.dataset())
    assert found.frame["value"].tolist() == pytest.approx([(178.5 + 179.5 - 179.5) / 3, -179.5, -179.5])
    assert found.frame["validFraction"].tolist() == [1, 1, 1]


def test_the_box_asked_of_a_provider_ends_at_180_degrees() -> None:
    assert box_of((-180.0, -19.0, 180.0, -17.0)) == (-180.0, -19.1, 180.0, -16.9)
