"""Rasters over HTTP, by addresses and by a STAC search, beside a stand-in of their provider."""

import json
import pickle
import re
import traceback
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from math import cos, floor, radians
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from shapely.geometry import box

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in, without
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import inspect_datasets
from eo_pygeoapi.errors import (
    NoDataError,
    NotPublishedYetError,
    SourceCredentialError,
    SourceError,
    SourceUnavailableError,
)
from eo_pygeoapi.pipeline.sources.cog.options import CogOptions
from eo_pygeoapi.pipeline.sources.cog.source import CogSource
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest
from eo_pygeoapi.pipeline.zonal.step import Aggregated, aggregate_to_org_units
from tests import canaries
from tests.pipeline import made
from tests.stack import CHECKOUT
from tests.standins import chc, stac

BOX = (-12.0, 8.0, -11.0, 9.0)
WEST_UNIT, EAST_UNIT = box(-11.9, 8.1, -11.6, 8.4), box(-11.4, 8.1, -11.1, 8.4)
UNITS = made.units({"west": WEST_UNIT, "east": EAST_UNIT})
RADIUS = 6371007.181  # of the sphere of MODIS
SINUSOIDAL = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs"
CELL = 2000.0  # metres


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    root = tmp_path_factory.mktemp("rasters")
    with stac.running(root) as server:
        yield server


@pytest.fixture
def server(running: chc.StandIn) -> Iterator[chc.StandIn]:
    yield running
    running.faults()
    running.clear_log()


def write(path: Path, values: NDArray[Any], west: float, north: float, size: float, crs: str, **tags: Any) -> None:
    """Write a tiled GeoTIFF whose north-west corner lies at (west, north)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = values if values.ndim == 3 else values[None]
    scale, offset = tags.pop("scale", None), tags.pop("offset", None)
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": crs,
        "transform": rasterio.transform.from_origin(west, north, size, size),
        "tiled": True,
        "blockxsize": 16,
        "blockysize": 16,
        **tags,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(bands)
        if scale is not None:
            file.scales, file.offsets = (scale,) * len(bands), (offset or 0.0,) * len(bands)


def degrees(path: Path, west: float, east: float, **tags: Any) -> None:
    """Write a raster of 0.1 degrees that has one value in the western half of the box and another in the eastern."""
    values = np.full((20, 20), west, tags.pop("dtype", "float32"))
    values[:, 10:] = east
    write(path, values, -12.5, 9.5, 0.1, "EPSG:4326", **tags)


def dataset(options: dict[str, Any], **eo: Any) -> Dataset:
    return Dataset.model_validate({"id": "rasters", "source": "cog", "options": options, "decimals": 6} | eo)


def ask(dataset: Dataset, start: str, end: str, cache: Path) -> SourceRequest:
    return SourceRequest(dataset, Interval(start=date.fromisoformat(start), end=date.fromisoformat(end)), BOX, cache)


def computed(asked: SourceRequest, source: CogSource) -> tuple[Extract, Aggregated]:
    extract = source.extract(asked)
    assert Extract.model_validate_json(extract.model_dump_json()) == extract
    periods = without(periods_in(asked.interval, asked.dataset.period_type), extract.left_out)
    return extract, aggregate_to_org_units(source.open(asked, extract), UNITS, periods, asked.dataset)


def values(asked: SourceRequest, source: CogSource | None = None) -> dict[tuple[str, str], float]:
    """The values by unit and period, as a job computes them."""
    _, found = computed(asked, source or CogSource())
    return dict(zip(zip(found.frame["orgUnit"], found.frame["period"], strict=True), found.frame["value"], strict=True))


# By a template of addresses


def test_days_are_files_and_one_that_lacks_is_a_gap_or_not_there_yet(server: chc.StandIn, tmp_path: Path) -> None:
    for day in (1, 2, 4):
        degrees(server.root / f"pm/2024/03/pm_202403{day:02}.tif", 10.0 + day, 20.0 + day, nodata=-9999)
    options = {"href": f"{server.url}/pm/{{YYYY}}/{{MM}}/pm_{{YYYY}}{{MM}}{{DD}}.tif", "delay": 3}
    asked = ask(dataset(options), "2024-03-01", "2024-03-05", tmp_path)
    extract, found = computed(asked, CogSource(lambda: date(2024, 3, 7)))
    assert [(e.period, e.reason, e.expected) for e in extract.left_out] == [
        ("20240303", "no raster: 2024-03-03", ""),
        ("20240305", "not there yet: 2024-03-05", "2024-03-08"),
    ]
    by_hand = {("west", f"202403{day:02}"): 10.0 + day for day in (1, 2, 4)}
    by_hand |= {("east", f"202403{day:02}"): 20.0 + day for day in (1, 2, 4)}
    got = zip(zip(found.frame["orgUnit"], found.frame["period"], strict=True), found.frame["value"], strict=True)
    assert dict(got) == by_hand


def test_only_the_window_of_the_units_is_read(server: chc.StandIn, tmp_path: Path) -> None:
    whole = np.random.default_rng(1).random((1800, 2000)).astype("float32")
    write(server.root / "large/2024-03-01.tif", whole, -112.0, 108.0 - 18.0, 0.1, "EPSG:4326")
    size = (server.root / "large/2024-03-01.tif").stat().st_size
    server.clear_log()
    options = {"href": f"{server.url}/large/{{YYYY}}-{{MM}}-{{DD}}.tif"}
    found = values(ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path))
    assert all(0.3 < value < 0.7 for value in found.values()) and len(found) == 2
    ranges = [entry["range"].removeprefix("bytes=").split("-") for entry in server.log() if entry["range"]]
    assert sum(int(last) - int(first) + 1 for first, last in ranges) < 0.1 * size
    assert not [entry for entry in server.log() if entry["method"] == "GET" and not entry["range"]]


@pytest.mark.parametrize(
    ("tags", "given"),
    [
        ({"nodata": 255, "scale": 0.5, "offset": -1.0}, {}),
        ({}, {"nodata": 255, "scale": 0.5, "offset": -1.0}),
        ({"nodata": 255, "scale": 0.5, "offset": -1.0}, {"nodata": 7, "scale": 9.0, "offset": 9.0}),
    ],
)
def test_nodata_scale_and_offset_are_those_of_the_raster_else_of_the_options(
    server: chc.StandIn, tmp_path: Path, tags: dict[str, Any], given: dict[str, Any]
) -> None:
    degrees(server.root / "scaled.tif", 100, 255, dtype="uint8", **tags)
    options = {"href": f"{server.url}/scaled.tif", "time": "2024-03-01", **given}
    asked = ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path)
    found = values(asked)
    assert found[("west", "20240301")] == 100 * 0.5 - 1.0
    assert np.isnan(found[("east", "20240301")])


def test_bands_are_time_steps_or_one_of_them_is_chosen(server: chc.StandIn, tmp_path: Path) -> None:
    bands = np.stack([np.full((20, 20), n, "float32") for n in (1, 2, 3)])
    write(server.root / "months.tif", bands, -12.5, 9.5, 0.1, "EPSG:4326")
    options = {"href": f"{server.url}/months.tif", "time": "2024-01/P1M"}
    found = values(ask(dataset(options, periodType="monthly"), "2024-01-01", "2024-03-31", tmp_path))
    assert [found[("west", month)] for month in ("202401", "202402", "202403")] == [1, 2, 3]
    chosen = {"href": f"{server.url}/months.tif", "time": "2024-02", "band": 3}
    assert (
        values(ask(dataset(chosen, periodType="monthly"), "2024-02-01", "2024-02-29", tmp_path))[("east", "202402")]
        == 3.0
    )


def test_netcdf_and_zarr_are_read_too(server: chc.StandIn, tmp_path: Path) -> None:
    for month, suffix in ((1, "nc"), (2, "zarr")):
        days = np.arange(f"2024-0{month}", f"2024-0{month + 1}", dtype="M8[D]").astype("M8[ns]")
        cells = np.ones((len(days), 20, 20)) * np.arange(1, len(days) + 1)[:, None, None]
        axes = {"time": days, "lat": 9.45 - 0.1 * np.arange(20), "lon": -12.45 + 0.1 * np.arange(20)}
        data = xr.DataArray(cells, axes, ("time", "lat", "lon"), name="pm").to_dataset()
        path = server.root / f"months/2024-0{month}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        data.to_netcdf(path) if suffix == "nc" else data.to_zarr(path, zarr_format=2)
        options = {"href": f"{server.url}/months/{{YYYY}}-{{MM}}.{suffix}", "variable": "pm"}
        asked = ask(dataset(options, periodType="monthly"), f"2024-0{month}-01", str(days[-1])[:10], tmp_path)
        assert values(asked)[("west", f"20240{month}")] == (len(days) + 1) / 2


# By a search of a STAC API


def sinusoidal(path: Path, values: NDArray[Any], west: float, north: float, **tags: Any) -> tuple[float, float]:
    """Write a raster in the projection of MODIS with its corner at about these degrees; return the corner in metres."""
    x = floor(RADIUS * radians(west) * cos(radians(north)) / CELL) * CELL
    y = floor(RADIUS * radians(north) / CELL) * CELL
    write(path, values, x, y, CELL, SINUSOIDAL, **tags)
    return x, y


def item(name: str, first: date, days: int, path: str, **asset: Any) -> dict[str, Any]:
    """An item of the collection ndvi, as Planetary Computer describes those of MODIS."""
    last = first + timedelta(days - 1)
    return {
        "type": "Feature",
        "id": name,
        "collection": "ndvi",
        "bbox": [-13.0, 7.5, -10.0, 9.5],
        "properties": {
            "datetime": None,
            "start_datetime": f"{first}T00:00:00Z",
            "end_datetime": f"{last}T23:59:59Z",
        },
        "assets": {"ndvi": {"href": f"{{root}}/{path}", **asset}},
    }


def publish(server: chc.StandIn, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    (server.root / "items.json").write_text(json.dumps(items))
    return {"stac": f"{server.url}/stac", "collection": "ndvi", "asset": "ndvi"}


NUMBERS = {"raster:bands": [{"scale": 0.0001, "nodata": -3000}]}


def test_the_month_of_sixteen_days_in_a_projection_in_tiles(server: chc.StandIn, tmp_path: Path) -> None:
    items = []
    for first, days, ndvi in (
        (date(2023, 12, 19), 13, 1000),
        (date(2024, 1, 1), 16, 3000),
        (date(2024, 1, 17), 16, 5000),
    ):
        for side, west, more in (("w", -12.6, 0), ("e", -11.5, 1000)):
            tile = np.full((120, 62 if side == "w" else 80), ndvi + more, "int16")
            tile[:, :1] = -3000
            path = f"ndvi/{side}-{first}.tif"
            sinusoidal(server.root / path, tile, west, 9.6)
            items.append(item(f"MOD13Q1.{first}.{side}", first, days, path, **NUMBERS))
            items.append(item(f"MYD13Q1.{first}.{side}", first, days, path, **NUMBERS))
    options = publish(server, items) | {"itemDays": 16, "ids": "MOD13Q1.*"}
    monthly = dataset(options, periodType="monthly")
    found = values(ask(monthly, "2024-01-01", "2024-01-31", tmp_path))
    west = (16 * 0.3 + 15 * 0.5) / 31
    assert found == {
        ("west", "202401"): pytest.approx(west, abs=1e-6),
        ("east", "202401"): pytest.approx(west + 0.1, abs=1e-6),
    }
    # the last composite of a year ends with it, and the one that began in December reaches no further
    by_day = values(ask(dataset(options), "2023-12-30", "2024-01-02", tmp_path))
    labels = ("20231230", "20231231", "20240101", "20240102")
    assert [round(by_day[("west", day)], 4) for day in labels] == [0.1, 0.1, 0.3, 0.3]
    # February has its first day only
    extract, _ = computed(ask(monthly, "2024-01-01", "2024-02-29", tmp_path), CogSource())
    assert [(e.period, e.reason) for e in extract.left_out] == [
        ("202402", "no raster: 2024-02-02, 2024-02-03, 2024-02-04, 2024-02-05, 2024-02-06 and 23 more")
    ]


def test_a_cell_has_the_value_of_the_projected_cell_at_its_centre(server: chc.StandIn, tmp_path: Path) -> None:
    shape = (120, 140)
    numbers = np.arange(shape[0] * shape[1], dtype="int32").reshape(shape)
    x, y = sinusoidal(server.root / "numbers.tif", numbers, -12.6, 9.6, nodata=-1)
    options = publish(server, [item("one", date(2024, 3, 1), 1, "numbers.tif")])
    asked = ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path)
    grid = CogSource().open(asked, CogSource().extract(asked))[0]
    size = 1 / round(111319.49 / CELL)
    assert float(grid.x[1] - grid.x[0]) == pytest.approx(size)
    for lat in grid.y.values[2:-2:7]:
        for lon in grid.x.values[2:-2:7]:
            column = (RADIUS * radians(lon) * cos(radians(lat)) - x) / CELL
            row = (y - RADIUS * radians(lat)) / CELL
            if min(column % 1, 1 - column % 1, row % 1, 1 - row % 1) > 0.15:  # GDAL's transformer is exact to 1/8 cell
                assert float(grid.sel(y=lat, x=lon)) == numbers[floor(row), floor(column)]


def test_a_projected_raster_without_nodata_is_refused(server: chc.StandIn, tmp_path: Path) -> None:
    sinusoidal(server.root / "bare.tif", np.ones((50, 50), "int16"), -12.1, 9.1)
    asked = ask(
        dataset(publish(server, [item("one", date(2024, 3, 1), 1, "bare.tif")])), "2024-03-01", "2024-03-01", tmp_path
    )
    with pytest.raises(SourceError, match=r"bare\.tif: is in .*which number stands for no data; set options\.nodata"):
        CogSource().extract(asked)


def test_no_data_may_be_nan_in_words(server: chc.StandIn, tmp_path: Path) -> None:
    cells = np.full((50, 50), 0.25, "float32")
    sinusoidal(server.root / "float.tif", cells, -12.1, 9.1)
    found = item("one", date(2024, 3, 1), 1, "float.tif", **{"raster:bands": [{"nodata": "nan"}]})
    asked = ask(dataset(publish(server, [found])), "2024-03-01", "2024-03-01", tmp_path)
    assert values(asked)[("west", "20240301")] == 0.25


# Who may read


@pytest.mark.parametrize("way", ["private", "signed"])
def test_what_wants_a_token_gets_it_and_no_one_else_sees_it(server: chc.StandIn, tmp_path: Path, way: str) -> None:
    degrees(server.root / f"{way}/2024-03-01.tif", 1.0, 2.0)
    href = f"{server.url}/{way}/{{YYYY}}-{{MM}}-{{DD}}.tif"
    shown = {"auth": True} if way == "private" else {"sign": f"{server.url}/sign"}
    asked = ask(dataset({"href": href, **shown}), "2024-03-01", "2024-03-01", tmp_path)
    source = CogSource(environ={"EO_COG_TOKEN": stac.TOKEN})
    extract, _ = computed(asked, source)
    assert values(asked, source)[("west", "20240301")] == 1.0
    assert stac.TOKEN not in extract.model_dump_json() and stac.SIGNATURE not in extract.model_dump_json()
    with pytest.raises(SourceError, match=f"{way}/2024-03-01.tif: answers 40[13]") as caught:
        CogSource().extract(ask(dataset({"href": href}), "2024-03-01", "2024-03-01", tmp_path))
    assert not isinstance(caught.value, SourceCredentialError)  # nothing was shown
    server.faults({"path": f"/{way}/*", "status": 403})
    with pytest.raises(SourceCredentialError, match=r"answers 403 Forbidden; it wants another token$"):
        source.extract(asked)


def test_a_stac_api_that_wants_a_token(server: chc.StandIn, tmp_path: Path) -> None:
    degrees(server.root / "private/one.tif", 1.0, 2.0)
    options = publish(server, [item("one", date(2024, 3, 1), 1, "private/one.tif")])
    options |= {"stac": f"{server.url}/private/stac", "auth": True}
    asked = ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path)
    assert values(asked, CogSource(environ={"EO_COG_TOKEN": stac.TOKEN}))[("east", "20240301")] == 2.0
    with pytest.raises(SourceCredentialError, match="ndvi: no token; set EO_COG_TOKEN"):
        CogSource(environ={}).extract(asked)
    with pytest.raises(
        SourceCredentialError, match="answers 401 Unauthorized; it wants a token, or another one"
    ) as caught:
        CogSource(environ={"EO_COG_TOKEN": "wrong-token"}).extract(asked)
    assert "wrong-token" not in str(caught.value)


@pytest.mark.parametrize("tiles", [1, 2])
def test_a_signature_that_expires_is_asked_for_again(server: chc.StandIn, tmp_path: Path, tiles: int) -> None:
    items = []
    for n in range(tiles):
        sinusoidal(server.root / f"signed/tile{n}.tif", np.full((120, 140), n + 1, "int16"), -12.6, 9.6, nodata=-1)
        items.append(item(f"tile{n}", date(2024, 3, 1), 1, f"signed/tile{n}.tif"))
    options = publish(server, items) | {"sign": f"{server.url}/sign"}
    asked = ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path)
    expired = {"path": f"/signed/*{stac.SIGNATURE}", "status": 403}
    anew = {"path": "/sign", "token": stac.NEXT_SIGNATURE}
    extract = CogSource().extract(asked)
    grid = pickle.loads(pickle.dumps(CogSource().open(asked, extract)))
    server.clear_log()
    server.faults(expired, anew)  # before cells are read
    found = aggregate_to_org_units(grid, UNITS, periods_in(asked.interval, "daily"), asked.dataset)
    assert list(found.frame["value"]) == [1.0, 1.0]
    assert len([entry for entry in server.log() if entry["path"] == "/sign"]) == tiles
    server.faults(expired, {"path": "/sign", "token": stac.SIGNATURE, "times": 1}, anew)  # before it is opened
    assert CogSource().open(asked, extract).shape == grid.shape
    server.faults(expired)  # for ever
    with pytest.raises(SourceError, match=r"tile0\.tif: the server refuses; it wants a token") as caught:
        CogSource().open(asked, extract)
    assert stac.SIGNATURE not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("shown", [{"auth": True}, {"sign": "{url}/sign"}])
def test_a_zarr_that_wants_a_token_is_refused(server: chc.StandIn, tmp_path: Path, shown: dict[str, Any]) -> None:
    options = {"href": f"{server.url}/private/{{YYYY}}.zarr"}
    options |= {
        name: value.format(url=server.url) if isinstance(value, str) else value for name, value in shown.items()
    }
    source = CogSource(environ={"EO_COG_TOKEN": stac.TOKEN})
    with pytest.raises(SourceError, match=r"2024\.zarr: Zarr is read without options\.auth and options\.sign alone"):
        source.extract(ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path))


@pytest.mark.parametrize("part", [".z*", "pm/0.*"])
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, SourceError, r"2024-03\.zarr: the server answers 401 Unauthorized; it wants a login, which a netrc"),
        (403, SourceError, r"2024-03\.zarr: the server answers 403 Forbidden; it wants a login, which a netrc"),
        (503, SourceUnavailableError, r"2024-03\.zarr: the server answers 503 Service Unavailable; try again later"),
    ],
)
def test_a_zarr_whose_server_refuses_or_fails(
    server: chc.StandIn, tmp_path: Path, part: str, status: int, error: type[Exception], words: str
) -> None:
    days = np.array(["2024-03-01", "2024-03-02"], "M8[ns]")
    axes = {"time": days, "lat": 9.45 - 0.1 * np.arange(20), "lon": -12.45 + 0.1 * np.arange(20)}
    data = xr.DataArray(np.ones((2, 20, 20)), axes, ("time", "lat", "lon"), name="pm")
    data.to_dataset().to_zarr(server.root / "2024-03.zarr", zarr_format=2, mode="w")
    asked = ask(dataset({"href": f"{server.url}/{{YYYY}}-{{MM}}.zarr"}), "2024-03-01", "2024-03-02", tmp_path)
    server.faults({"path": f"/2024-03.zarr/{part}", "status": status, "method": "GET"})
    with pytest.raises(error, match=words) as caught:
        values(asked)
    assert type(caught.value) is error


# How far the data go


def test_the_newest_day_of_a_stac_collection_is_that_of_its_newest_item(server: chc.StandIn) -> None:
    items = [
        item(f"{name}.{first}", first, 16, f"{first}.tif")
        for name, days in (("MOD13Q1", (1, 17)), ("MYD13Q1", (9, 25)))
        for first in (date(2024, 3, day) for day in days)
    ]
    options = CogOptions.model_validate(publish(server, items) | {"itemDays": 16, "ids": "MOD13Q1.*"})
    assert options.newest(date(2024, 6, 1), lambda _: "") == date(2024, 4, 1)  # 17 March and 15 days more
    assert options.newest(date(2024, 3, 10), lambda _: "") == date(2024, 3, 10)  # of the item that has just begun
    assert options.model_copy(update={"ids": "VNP13.*"}).newest(date(2024, 6, 1), lambda _: "") is None


@pytest.mark.parametrize("way", ["", "private/", "signed/"])
def test_the_newest_day_of_a_template_is_that_of_its_newest_file(server: chc.StandIn, way: str) -> None:
    for day in (1, 2, 4):
        degrees(server.root / f"{way}newest/2024-03-{day:02}.tif", 1.0, 2.0)
    shown: dict[str, dict[str, Any]] = {"private/": {"auth": True}, "signed/": {"sign": f"{server.url}/sign"}}
    options = CogOptions.model_validate(
        {"href": f"{server.url}/{way}newest/{{YYYY}}-{{MM}}-{{DD}}.tif", "delay": 3, **shown.get(way, {})}
    )
    setting = {"EO_COG_TOKEN": stac.TOKEN}.__getitem__
    assert options.newest(date(2024, 3, 6), setting) == date(2024, 3, 4)
    server.clear_log()
    assert options.newest(date(2024, 6, 1), setting) is None  # the last 40 days have none
    assert len([entry for entry in server.log() if entry["method"] == "HEAD"]) == 40


def test_the_newest_day_of_monthly_files_is_today_while_there_is_one_of_this_month(server: chc.StandIn) -> None:
    degrees(server.root / "monthly/2024-03.tif", 1.0, 2.0)
    options = CogOptions.model_validate({"href": f"{server.url}/monthly/{{YYYY}}-{{MM}}.tif"})
    assert options.newest(date(2024, 3, 6), lambda _: "") == date(2024, 3, 6)
    assert options.newest(date(2024, 5, 6), lambda _: "") == date(2024, 3, 31)


def test_one_file_of_all_times_and_files_of_this_machine_are_not_asked() -> None:
    for href in ("http://127.0.0.1:9/all.nc", "/data/{YYYY}.tif"):
        assert CogOptions.model_validate({"href": href}).newest(date(2024, 3, 6), lambda _: "") is None


# What can go wrong


def test_a_search_is_tried_again(server: chc.StandIn, tmp_path: Path) -> None:
    degrees(server.root / "again.tif", 1.0, 2.0)
    options = publish(server, [item("one", date(2024, 3, 1), 1, "again.tif")])
    asked = ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path)
    server.faults(
        {"path": "/stac/search", "status": 503, "times": 2}, {"path": "/stac/search", "status": 429, "times": 1}
    )
    assert values(asked, CogSource(pauses=(0, 0, 0)))[("west", "20240301")] == 1.0
    server.clear_log()
    server.faults({"path": "/stac/search", "status": 503})
    with pytest.raises(SourceUnavailableError, match="answers 503 Service Unavailable; try again later"):
        CogSource(pauses=(0, 0, 0)).extract(asked)
    assert len(server.log()) == 4


def test_nothing_there_says_so_and_when_to_come_back(server: chc.StandIn, tmp_path: Path) -> None:
    options = publish(server, []) | {"itemDays": 16}
    asked = ask(dataset(options), "2024-03-01", "2024-03-05", tmp_path)
    with pytest.raises(NoDataError, match="ndvi: nothing is there for 2024-03-01 to 2024-03-05"):
        CogSource().extract(asked)
    soon = ask(dataset(options | {"delay": 20}), "2024-03-01", "2024-03-05", tmp_path)
    with pytest.raises(NotPublishedYetError, match="expected 2024-03-25"):
        CogSource(lambda: date(2024, 3, 10)).extract(soon)


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        ({"path": "/stac/search", "status": 503}, SourceUnavailableError, "/stac: answers 503 .*try again later"),
        ({"path": "/stac/search", "status": 400}, SourceError, "/stac: answers 400 Bad Request"),
        (
            {"path": "/broken.tif", "status": 500},
            SourceUnavailableError,
            r"broken\.tif: cannot be read; try again later",
        ),
        ({"path": "/broken.tif", "content": "<html>"}, SourceError, r"broken\.tif: is no raster that can be read"),
        ({"path": "/broken.tif", "status": 404}, SourceError, r"broken\.tif: does not exist any more"),
    ],
)
def test_a_provider_that_fails(
    server: chc.StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rule: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    degrees(server.root / "broken.tif", 1.0, 2.0)
    asked = ask(
        dataset(publish(server, [item("one", date(2024, 3, 1), 1, "broken.tif")])), "2024-03-01", "2024-03-01", tmp_path
    )
    server.faults(rule)
    with pytest.raises(error, match=words):
        CogSource(pauses=()).extract(asked)
    server.faults()
    assert values(asked)[("west", "20240301")] == 1.0  # and a later run recovers


@pytest.mark.parametrize("rule", [{"status": 500}, {"drop": 10}])
@pytest.mark.parametrize("way", ["private", "signed"])
def test_a_provider_that_fails_while_cells_are_aggregated(
    server: chc.StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rule: dict[str, Any],
    way: str,
) -> None:
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    sinusoidal(server.root / f"{way}/late.tif", np.ones((120, 140), "int16"), -12.6, 9.6, nodata=-1)
    shown = {"auth": True} if way == "private" else {"sign": f"{server.url}/sign"}
    options = publish(server, [item("one", date(2024, 3, 1), 1, f"{way}/late.tif")]) | shown
    asked = ask(dataset(options), "2024-03-01", "2024-03-01", tmp_path)
    source = CogSource(environ={"EO_COG_TOKEN": stac.TOKEN})
    grid = source.open(asked, source.extract(asked))
    # what another process of a cluster gets
    assert pickle.loads(pickle.dumps(grid)).chunks == grid.chunks
    server.faults({"path": f"/{way}/*"} | rule)
    with pytest.raises(SourceUnavailableError, match=rf"/{way}/late\.tif: cannot be read; try again later") as caught:
        aggregate_to_org_units(grid, UNITS, periods_in(asked.interval, "daily"), asked.dataset)
    said = "".join(traceback.format_exception(caught.value))
    assert not [form for form in canaries.forms([stac.TOKEN, stac.SIGNATURE]) if form.decode() in said]


def test_an_address_that_is_no_stac_api(server: chc.StandIn, tmp_path: Path) -> None:
    asked = dataset({"stac": f"{server.url}/nothing", "collection": "a", "asset": "b"})
    (server.root / "items.json").unlink(missing_ok=True)
    with pytest.raises((SourceError, SourceUnavailableError)):
        CogSource(pauses=()).extract(ask(asked, "2024-03-01", "2024-03-01", tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give either href, or stac"),
        ({"href": "https://a/b.tif", "stac": "https://a"}, "give either href, or stac"),
        ({"stac": "https://a", "collection": "b"}, "stac needs collection and asset"),
        ({"href": "https://a/b.tif", "itemDays": 16}, "item_days: only with stac"),
    ],
)
def test_options_that_do_not_fit_together(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CogOptions.model_validate(options)


def test_the_shipped_blocks_are_right_when_they_are_commented_in() -> None:
    text = (CHECKOUT / "pygeoapi-config.yml").read_text()
    start = text.index("  # modis-ndvi-monthly:")
    lines = re.sub(r"^  # ((?:modis|cams)-|  )", r"  \1", text[start:], flags=re.MULTILINE)
    config = yaml.safe_load(text[:start] + re.sub(r"^  # .*\n", "", lines, flags=re.MULTILINE))
    found = inspect_datasets(config, CHECKOUT)
    assert found.problems == []
    ndvi, dust = (found.right[name] for name in ("modis-ndvi-monthly", "cams-pm25-daily"))
    assert isinstance(ndvi.options, CogOptions) and (ndvi.options.item_days, ndvi.options.scale) == (16, 0.0001)
    assert dust.unit == "ug/m**3" and not {"modis-ndvi-monthly", "cams-pm25-daily"} & set(
        yaml.safe_load(text)["resources"]
    )
