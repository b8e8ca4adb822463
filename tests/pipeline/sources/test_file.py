from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from eo_pygeoapi.errors import InputError, NoDataError, SourceError
from eo_pygeoapi.pipeline.sources.step import Extract, extract_source_data, open_source_data
from tests.pipeline.made_files import check, cube, daily_files, geotiff, numbers, opened, request, written


def test_a_netcdf_is_opened_lazily_in_our_form(tmp_path: Path) -> None:
    written(cube(), tmp_path / "t2m.nc")
    grid = opened(request(tmp_path, "t2m.nc"))
    assert grid.chunks is not None
    assert grid.attrs == {"step": "day", "units": "K", "source": "t2m.nc"}
    check(grid)


def test_the_units_of_the_configuration_win(tmp_path: Path) -> None:
    written(cube(), tmp_path / "t2m.nc")
    assert opened(request(tmp_path, "t2m.nc", units={"from": "degC"})).attrs["units"] == "degC"


def test_packed_integers_are_unpacked(tmp_path: Path) -> None:
    packed = {"dtype": "int16", "scale_factor": 0.5, "add_offset": 100.0, "_FillValue": np.int16(-32768)}
    written(cube(), tmp_path / "t2m.nc", t2m=packed)
    check(opened(request(tmp_path, "t2m.nc")))


def test_the_variable_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    dataset = cube()
    dataset["tp"] = dataset["t2m"] * 2
    written(dataset, tmp_path / "both.nc")
    with pytest.raises(
        SourceError, match=r"both.nc: has several variables; set options.variable \(available: t2m, tp\)"
    ):
        opened(request(tmp_path, "both.nc"))
    with pytest.raises(SourceError, match=r"has no variable 'rain' \(available: t2m, tp\)"):
        opened(request(tmp_path, "both.nc", options={"variable": "rain"}))
    check(opened(request(tmp_path, "both.nc", options={"variable": "t2m"})))


def test_a_geotiff_has_the_time_of_the_options_and_its_nodata_is_nan(tmp_path: Path) -> None:
    geotiff(tmp_path / "people.tif", np.nan_to_num(numbers(1)[0], nan=-99999.0), nodata=-99999.0)
    grid = opened(request(tmp_path, "people.tif", "2025-07-01", "2025-07-01", options={"time": "2025-07-01"}))
    check(grid, days=1)
    assert grid.dtype == "float32"


@pytest.mark.parametrize(("time", "step"), [("2025", "year"), ("2025-07", "month"), ("2025-07-01", "day")])
def test_the_precision_of_the_time_is_the_step(tmp_path: Path, time: str, step: str) -> None:
    geotiff(tmp_path / "people.tif", numbers(1)[0])
    asked = request(tmp_path, "people.tif", "2025-01-01", "2025-12-31", options={"time": time}, periodType="yearly")
    assert opened(asked).attrs["step"] == step


def test_a_scaled_geotiff_is_unpacked(tmp_path: Path) -> None:
    stored = np.nan_to_num((numbers(1)[0] - 100) * 2, nan=-32768).astype("int16")
    geotiff(tmp_path / "t2m.tif", stored, nodata=-32768, scales=(0.5, 100.0))
    check(opened(request(tmp_path, "t2m.tif", "2025-07-01", "2025-07-01", options={"time": "2025-07-01"})), days=1)


def test_a_geotiff_without_time_is_refused_with_the_way_out(tmp_path: Path) -> None:
    geotiff(tmp_path / "people.tif", numbers(1)[0])
    with pytest.raises(SourceError, match=r"people.tif: has no time axis; set options.time \(allowed: YYYY, YYYY-MM"):
        opened(request(tmp_path, "people.tif"))


def test_a_geotiff_of_several_bands_is_refused(tmp_path: Path) -> None:
    geotiff(tmp_path / "bands.tif", numbers(3))
    with pytest.raises(SourceError, match=r"bands.tif: holds 3 bands; expected one"):
        opened(request(tmp_path, "bands.tif", options={"time": "2025"}))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_a_zarr(tmp_path: Path, version: int, consolidated: bool) -> None:
    cube().to_zarr(tmp_path / "t2m.zarr", zarr_format=version, consolidated=consolidated)
    check(opened(request(tmp_path, "t2m.zarr")))


def test_no_time_step_in_the_interval(tmp_path: Path) -> None:
    written(cube(), tmp_path / "t2m.nc")
    with pytest.raises(NoDataError, match="holds 2025-07-01 to 2025-07-05; nothing from 2026-01-01 to 2026-01-31"):
        opened(request(tmp_path, "t2m.nc", "2026-01-01", "2026-01-31"))


def test_no_whole_period_in_the_interval_is_a_mistake_of_the_request(tmp_path: Path) -> None:
    written(cube(), tmp_path / "t2m.nc")
    with pytest.raises(
        InputError, match="no whole monthly period lies in 2025-07-01 to 2025-07-05; 202507 is 2025-07-01 to"
    ):
        opened(request(tmp_path, "t2m.nc", periodType="monthly"))


def test_periods_only_partly_in_the_interval_are_listed(tmp_path: Path) -> None:
    written(cube(40), tmp_path / "t2m.nc")
    extract = extract_source_data(request(tmp_path, "t2m.nc", "2025-06-20", "2025-08-03", periodType="monthly"))
    assert [(entry.period, entry.reason) for entry in extract.left_out] == [
        ("202506", "2025-06-01 to 2025-06-30 lies only in part in 2025-06-20 to 2025-08-03"),
        ("202508", "2025-08-01 to 2025-08-31 lies only in part in 2025-06-20 to 2025-08-03"),
    ]


def test_a_file_that_is_missing_or_no_raster(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^not/there\.nc: no such file$"):
        opened(request(tmp_path, "not/there.nc"))
    (tmp_path / "text.nc").write_text("hello")
    with pytest.raises(SourceError, match=r"text.nc: is no raster; allowed: NetCDF, GeoTIFF \(COG\), Zarr"):
        opened(request(tmp_path, "text.nc"))
    (tmp_path / "data.grib").write_bytes(b"GRIB....")
    with pytest.raises(SourceError, match="convert GRIB to NetCDF first"):
        opened(request(tmp_path, "data.grib"))


def test_a_damaged_file_is_our_error(tmp_path: Path) -> None:
    path = written(cube(), tmp_path / "t2m.nc")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(SourceError, match=r"t2m.nc: is not whole, its copy was cut off \(600 of \d+ bytes are there\)"):
        opened(request(tmp_path, "t2m.nc"))


def test_addresses_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read s3 URLs; allowed: a path, http, https, file"):
        opened(request(tmp_path, "s3://bucket/t2m.nc"))


def test_one_file_a_day(tmp_path: Path) -> None:
    daily_files(tmp_path)
    check(opened(request(tmp_path, "{YYYY}/{MM}/rain-{YYYY}{MM}{DD}.tif")))


def test_files_of_the_days_that_are_missing_are_listed(tmp_path: Path) -> None:
    daily_files(tmp_path)
    (tmp_path / "2025/07/rain-20250703.tif").unlink()
    asked = request(tmp_path, "{YYYY}/{MM}/rain-{YYYY}{MM}{DD}.tif")
    extract = extract_source_data(asked)
    assert [(entry.period, entry.reason) for entry in extract.left_out] == [
        ("20250703", "no file 2025/07/rain-20250703.tif")
    ]
    assert Extract.model_validate(extract.to_json()) == extract
    grid = open_source_data(asked, extract)
    assert grid.values[:, 0, 0].tolist() == [65.0, 1065.0, 3065.0, 4065.0]
    assert grid.attrs["step"] == "day"


def test_one_file_a_month_with_days_in_it(tmp_path: Path) -> None:
    whole = cube(40)
    for month in (7, 8):
        written(whole.sel(time=whole["time"].dt.month == month), tmp_path / f"t2m-2025-{month:02}.nc")
    grid = opened(request(tmp_path, "t2m-{YYYY}-{MM}.nc", "2025-07-30", "2025-08-02"))
    assert grid.attrs["step"] == "day"
    assert grid.values[:, 0, 0].tolist() == [29065.0, 30065.0, 31065.0, 32065.0]


def test_files_that_are_gone_since_they_were_found_are_an_error(tmp_path: Path) -> None:
    written(cube(), tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match=r"t2m.nc: none of its files is where it was found before"):
        open_source_data(request(tmp_path, "t2m.nc"), Extract(files=["elsewhere/t2m.nc"]))


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    written(cube(), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, f"file://{tmp_path}/t2m.nc")))


def test_one_file_a_year(tmp_path: Path) -> None:
    for year in (2024, 2025):
        geotiff(tmp_path / f"people-{year}.tif", numbers(1)[0] + year)
    grid = opened(request(tmp_path, "people-{YYYY}.tif", "2024-01-01", "2025-12-31", periodType="yearly"))
    assert grid.attrs["step"] == "year"
    assert grid.values[:, 0, 0].tolist() == [2089.0, 2090.0]


def test_files_on_different_grids_are_refused(tmp_path: Path) -> None:
    geotiff(tmp_path / "people-2024.tif", numbers(1)[0])
    geotiff(tmp_path / "people-2025.tif", numbers(1)[0], transform=rasterio.transform.from_origin(-5.1, 6, 0.5, 0.5))
    with pytest.raises(SourceError, match="its files are on different grids"):
        opened(request(tmp_path, "people-{YYYY}.tif", "2024-01-01", "2025-12-31", periodType="yearly"))


def test_local_days_of_an_hourly_source_reach_into_the_neighbouring_files(tmp_path: Path) -> None:
    whole = cube(72).assign_coords(time=np.datetime64("2025-06-30T00") + np.arange(72).astype("m8[h]"))
    for day in np.unique(whole["time"].values.astype("M8[D]")):
        written(whole.sel(time=str(day)), tmp_path / f"t2m-{day}.nc")
    asked = request(tmp_path, "t2m-{YYYY}-{MM}-{DD}.nc", "2025-07-01", "2025-07-01", timeZone="Africa/Nairobi")
    times = opened(asked)["time"].values
    assert (times[0], times[-1]) == (np.datetime64("2025-06-30T21"), np.datetime64("2025-07-01T20"))


def hours_of_ecmwf(folder: Path, cell: float, kind: str, **time: str) -> xr.DataArray:
    """Open hours from 00:00 to 00:00 two days later, in which h comes in the hour before h."""
    hours = np.arange(49)
    of_hours = hours.astype("float64")
    counted = np.array([sum(h for h in hours if (hour - 1) // 24 == (h - 1) // 24 and h <= hour) for hour in hours])
    values = counted if (kind, cell) == ("accum", 0.1) else of_hours
    dataset = xr.DataArray(
        np.broadcast_to(values[:, None, None], (49, 60, 60)),
        dims=("valid_time", "latitude", "longitude"),
        coords={
            "valid_time": np.datetime64("2025-07-01", "ns") + hours.astype("m8[h]"),
            "latitude": 2.5 + cell * (30 - np.arange(60)),
            "longitude": 0.5 + cell * (np.arange(60) - 30),
        },
        attrs={"units": "m", "GRIB_stepType": kind},
    ).to_dataset(name="tp")
    dataset["valid_time"].attrs, dataset["valid_time"].encoding = time, {"units": "hours since 2025-07-01"}
    if time:
        ends = dataset["valid_time"].values
        dataset["of_hours"] = (("valid_time", "ends"), np.stack([ends - np.timedelta64(1, "h"), ends], axis=1))
    written(dataset, folder / "tp.nc")
    return opened(request(folder, "tp.nc", end="2025-07-02", options={"variable": "tp"}))


@pytest.mark.parametrize(("cell", "kind"), [(0.1, "accum"), (0.25, "accum"), (0.25, "avg"), (0.1, "max")])
def test_hours_that_ecmwf_labels_with_their_ends(tmp_path: Path, cell: float, kind: str) -> None:
    grid = hours_of_ecmwf(tmp_path, cell, kind)
    assert grid["time"].values[[0, -1]].tolist() == np.array(["2025-07-01T00", "2025-07-02T23"], "M8[ns]").tolist()
    assert grid.values[:, 0, 0].tolist() == list(range(1, 49))


def test_values_of_a_moment_stay_at_their_label(tmp_path: Path) -> None:
    assert hours_of_ecmwf(tmp_path, 0.25, "instant").values[:, 0, 0].tolist() == list(range(48))


def test_bounds_of_hours_say_more_than_their_type(tmp_path: Path) -> None:
    grid = hours_of_ecmwf(tmp_path, 0.25, "accum", bounds="of_hours")
    assert grid.values[:, 0, 0].tolist() == list(range(1, 49))
