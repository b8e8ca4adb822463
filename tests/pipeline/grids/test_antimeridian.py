"""Countries on both sides of 180 degrees, such as Fiji, on grids of either kind of longitudes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Point, Polygon, box

from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.antimeridian import box_around, joined_at_180
from eo_pygeoapi.pipeline.grids.geometry import usable_geometry
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.org_units import load as org_units
from eo_pygeoapi.pipeline.sources.by_halves import ByHalves
from eo_pygeoapi.pipeline.sources.chirps3.source import Chirps3Source
from eo_pygeoapi.pipeline.sources.era5_land.source import Era5LandSource, box_of
from eo_pygeoapi.pipeline.sources.step import Extract, Source, SourceRequest, extract_source_data, open_source_data
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.pipeline.sources.test_chirps3 import quick_gdal
from tests.pipeline.sources.test_destine import ask, make_store
from tests.standins import cds, chc

WEST, EAST = box(-180, -19, -179, -17), box(178, -19, 180, -17)
UNITS = made.units({"both": MultiPolygon([WEST, EAST]), "west": WEST, "point": Point(-179.5, -18.5)})
STATISTICS = ("mean", "sum", "min", "max", "count", "std")
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


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_a_ring_with_an_edge_from_179_to_minus_179_goes_across_180_degrees(start: int) -> None:
    corners = [(178.0, -19.0), (-179.0, -19.0), (-179.0, -17.0), (178.0, -17.0)]
    hole = [(-179.9, -18.5), (-179.5, -18.5), (-179.5, -18.0), (-179.9, -18.5)]
    ring = corners[start:] + corners[: start + 1]
    found = usable_geometry({"type": "Polygon", "coordinates": [ring, hole]})
    assert not isinstance(found, str)
    assert found.area == pytest.approx(WEST.area + EAST.area - 0.1)
    assert sorted(shapely.bounds(shapely.get_parts(found)).tolist()) == [[-180, -19, -179, -17], [178, -19, 180, -17]]


@pytest.mark.parametrize(
    "ring",
    [
        [(-180, -60), (180, -60), (180, 70), (-180, 70), (-180, -60)],  # the edges lie on one parallel
        [(-180, -80), (0, -70), (180, -80), (180, -90), (-180, -90), (-180, -80)],  # around a pole
        [(0, 0), (170, 0), (170, 10), (0, 10), (0, 0)],
    ],
)
def test_other_wide_rings_stay_as_they_are(ring: list[tuple[float, float]]) -> None:
    found = usable_geometry({"type": "Polygon", "coordinates": [ring]})
    assert not isinstance(found, str)
    assert found.equals(Polygon(ring))


def test_a_box_goes_across_180_degrees_where_that_is_less_than_half_the_earth() -> None:
    assert box_around(UNITS.geometry.to_numpy()) == (178, -19, -179, -17)
    around = [box(-180, -19, -20, -17), box(10, -19, 180, -17)]
    for wide in (around, [box(-170, 0, 170, 1)], [Point(-80, 0), Point(80, 0)]):
        assert box_around(np.array(wide)) == tuple(shapely.total_bounds(wide).tolist())
    assert box_around(np.array([Point(-170, 1), Point(170, 0)])) == (170, 0, -170, 1)


def test_a_file_is_read_at_all_longitudes() -> None:
    grid = cut_to_box(world(np.arange(0.5, 360)), (178, -19, -179, -17), "world")
    assert grid["x"].values[[0, -1]].tolist() == [-179.5, 179.5]


def test_grids_that_do_not_meet_are_refused() -> None:
    east, west = world(np.arange(175.5, 180)), world(np.arange(-178.5, -175))
    before, after = (cut_to_box(part, (-180, -19, 180, -17), "x") for part in (east, west))
    with pytest.raises(SourceError, match="x: its cells on both sides of 180 degrees do not make one grid"):
        joined_at_180(before, after, "x")


def test_only_what_both_halves_have_is_had() -> None:
    def half(name: str, *left_out: str) -> Extract:
        return Extract(files=[name], left_out=[LeftOut(period=period, reason="not yet") for period in left_out])

    class Published:
        def extract(self, request: SourceRequest) -> Extract:
            return half("east", "1", "2") if request.bbox[2] == 180 else half("west", "2", "3")

        def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
            raise NotImplementedError

    dataset = Dataset.model_validate({"id": "x", "source": "chirps3", "options": {}})
    found = ByHalves(Published()).extract(SourceRequest(dataset, JULY_1, (178, -19, -179, -17), Path()))
    assert [entry.period for entry in found.left_out] == ["1", "2", "3"]
    assert (found.files, found.beyond and found.beyond.files) == (["east"], ["west"])
    assert Extract.model_validate(found.to_json()) == found


def same_as_the_whole_band(
    source: Source, request: SourceRequest, units: gpd.GeoDataFrame, statistics: Sequence[str]
) -> xr.DataArray:
    """See that both halves give what all longitudes give; return their grid."""
    across = org_units.bbox(org_units.OrgUnits(units, []))
    west, south, east, north = across
    assert west > east
    grids = {}
    for name, bbox in (("halves", across), ("band", (-180.0, south, 180.0, north))):
        asked = replace(request, bbox=bbox, cache=request.cache / name)
        extract = Extract.model_validate(ByHalves(source).extract(asked).to_json())
        grids[name] = ByHalves(source).open(asked, extract)
    periods = periods_in(request.interval, "daily")
    for statistic in statistics:
        aggregation = {"spatial": statistic, "temporal": "sum"}
        dataset = made.dataset(aggregation=aggregation, decimals=None)
        halves, band = (aggregate_to_org_units(grids[name], units, periods, dataset) for name in ("halves", "band"))
        assert halves.left_out == band.left_out
        without_sum = [unit for unit in units["orgUnit"] if unit == "point"] if statistic == "sum" else []
        assert [entry.org_unit for entry in halves.left_out] == without_sum
        whole = pytest.approx(band.frame["value"].tolist(), rel=1e-6, nan_ok=True)
        assert halves.frame["value"].tolist() == whole, statistic
        assert halves.frame["validFraction"].tolist() == pytest.approx(band.frame["validFraction"].tolist())
    grid = grids["halves"]
    same = grids["band"].sel(x=(grid["x"].values + 180) % 360 - 180, method="nearest")
    assert np.array_equal(grid.values, same.values)
    return grid


def test_chirps_of_both_halves_is_that_of_the_whole_band(tmp_path: Path) -> None:
    with quick_gdal(), chc.running(tmp_path / "served") as server:
        for day in (date(2025, 8, 1), date(2025, 8, 2)):
            chc.make_day(server.root, day, "final", "rnl", chc.rain(day, (80, 7200)), west=-180.0, north=-16.0)
        options = {"baseUrl": server.url}
        dataset = Dataset.model_validate({"id": "rain", "source": "chirps3", "options": options})
        interval = Interval(start=date(2025, 8, 1), end=date(2025, 8, 2))
        request = SourceRequest(dataset, interval, (0, 0, 0, 0), tmp_path)
        source = Chirps3Source(lambda: date(2025, 8, 15))
        grid = same_as_the_whole_band(source, request, UNITS, [*STATISTICS, "median"])
    # 60 columns, and one more at either end
    assert grid["x"].values[[0, -1]] == pytest.approx([177.975, 181.025])
    sizes = {path.parts[-4]: path.stat().st_size for path in tmp_path.rglob("*_2025-08-01.nc")}
    assert 20 * sizes["halves"] < sizes["band"]


def test_era5_land_of_both_halves_is_that_of_the_whole_band(tmp_path: Path) -> None:
    store = make_store(tmp_path / "era5-land.zarr")
    turned = shapely.transform(UNITS.geometry.to_numpy(), lambda xy: xy * [1, 0.3] + [0, 12.9])
    units = made.units(dict(zip(UNITS["orgUnit"], turned, strict=True)))
    request = ask(tmp_path / "cache", store, "2026-03-29", "2026-03-29", "2m_temperature")
    source = Era5LandSource(lambda: date(2026, 5, 1))
    # the cell across 180 degrees is one, and at the ends of the band two halves, which weigh otherwise in a median
    grid = same_as_the_whole_band(source, request, units, STATISTICS)
    assert grid["x"].values[[0, -1]] == pytest.approx([177.9, 181.1])


def test_the_climate_data_store_is_asked_for_two_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset.model_validate({"id": "t", "source": "era5-land", "options": {"variable": "2m_temperature"}})
    across = SourceRequest(dataset, JULY_1, (178.0, -19.0, -179.0, -17.0), tmp_path)
    with cds.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        grid = open_source_data(across, extract_source_data(across))
        areas = [tuple(entry["area"]) for entry in server.executions()]
    assert areas == [(-16.9, 177.9, -19.1, 180.0), (-16.9, -180.0, -19.1, -178.9)]
    assert grid["x"].values == pytest.approx(np.arange(177.9, 181.15, 0.1))
    assert float(grid[5, 0, 0]) == pytest.approx(cds.temperature(np.datetime64("2025-07-01T05", "h")))


def test_the_box_asked_of_a_provider_ends_at_180_degrees() -> None:
    assert box_of((-180.0, -19.0, 180.0, -17.0)) == (-180.0, -19.1, 180.0, -16.9)
