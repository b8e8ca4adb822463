from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.pipeline.formats.times import times
from tests.pipeline.formats.made_netcdf import netcdf

SINCE_YEAR_1 = date(2024, 1, 1).toordinal() + 1  # `standard` is Julian before 1582: two days more, counted from 0


@pytest.mark.parametrize(
    ("values", "units", "calendar", "expected"),
    [
        ([0, 1], "days since 2024-01-01", "", ["2024-01-01", "2024-01-02"]),
        ([0, 1], "Days since 2024-1-1 0:0:0", "gregorian", ["2024-01-01", "2024-01-02"]),
        ([0, 6], "hours since 2024-01-01T00:00:00Z", "standard", ["2024-01-01", "2024-01-01T06"]),
        ([0, 60], "seconds since 1970-01-01 00:00:00.0 UTC", "", ["1970-01-01", "1970-01-01T00:01"]),
        ([738885.5], "days since 0001-01-01", "proleptic_gregorian", ["2024-01-01T12"]),
        ([SINCE_YEAR_1 + 0.25], "days since 1-1-1 00:00:0.0", "", ["2024-01-01T06"]),
        ([0.5, 1.5], "months since 1960-01-01", "360", ["1960-01-16", "1960-02-15"]),
        ([0, 769], "months since 1960-01-01", "360_day", ["1960-01-01", "2024-02-01"]),
        ([0, 58, 59], "days since 2024-01-01", "noleap", ["2024-01-01", "2024-02-28", "2024-03-01"]),
        ([36.25], "hours since 2024-01-01", "365_day", ["2024-01-02T12:15"]),
        ([15, 45, 89], "days since 2024-01-01", "360_day", ["2024-01-16", "2024-02-16", "2024-03-30"]),
        ([29, 59], "days since 2024-01-01", "360", ["2024-01-30", "2024-02-29"]),  # the 30th is the last
        ([19781, 19782], "days since 1970-01-01", "julian", ["2024-02-28", "2024-02-29"]),  # as GPM IMERG
        ([0, 1], "years since 2023-01-01", "", ["2023-01-01", "2024-01-01"]),
        ([20240101, 20240229], "", "", ["2024-01-01", "2024-02-29"]),
        ([20240101.25], "day as %Y%m%d.%f", "", ["2024-01-01T06"]),
        ([202401, 202402], "", "", ["2024-01-01", "2024-02-01"]),
        ([2024010106], "", "", ["2024-01-01T06"]),
        (np.array(["2024-01-01", "2024-01-02"]), "", "", ["2024-01-01", "2024-01-02"]),
        (np.array([list("20240101")], "S1"), "", "", ["2024-01-01"]),
        (np.array(["2024/01/01 06:00"]), "", "", ["2024-01-01T06"]),
        # single precision is up to three minutes off; the nearest hour within its digits is meant
        (np.array([45290 + 7 / 24], "f4"), "days since 1900-01-01", "", ["2024-01-01T07"]),
        (np.array([1704067200 + 86400], "f4"), "seconds since 1970-01-01", "", ["2024-01-02"]),
    ],
)
def test_times_as_people_write_them(values: Any, units: str, calendar: str, expected: list[str]) -> None:
    found = times(np.asarray(values), {"units": units, "calendar": calendar}, "f.nc")
    assert found.labels.tolist() == np.array(expected, "M8[ns]").tolist()
    assert found.ahead == 0


@pytest.mark.parametrize(
    ("units", "hours"),
    [
        ("days since 2024-01-01 00:00:00 +03:00", 3),
        ("days since 2024-01-01 00:00:00 +3:00", 3),
        ("days since 2024-01-01T00:00:00+0530", 5.5),
        ("days since 2024-01-01 00:00 -5", -5),
    ],
)
def test_an_offset_is_kept_beside_the_times_of_the_clock(units: str, hours: float) -> None:
    found = times(np.array([0, 1]), {"units": units}, "f.nc")
    assert found.labels.tolist() == np.array(["2024-01-01", "2024-01-02"], "M8[ns]").tolist()
    assert found.ahead == hours * 3600


@pytest.mark.parametrize(
    ("values", "attributes", "message"),
    [
        ([1, 2, 3, 4], {}, r"its times \(1, 2, 3, …\) have no units; expected dates, such as units 'days since"),
        ([1, 2], {"units": "1"}, r"its times \(1, 2\) have the units '1'"),
        ([0], {"units": "days since 2024-01-01 00:00 EAT"}, "is no moment; expected dates"),
        ([0], {"units": "days since 2024-02-30"}, "is no moment; expected dates"),
        ([0], {"units": "days since 0000-01-01"}, "a year that no calendar has"),
        ([0], {"units": "days since 0001-01-01"}, "lie before 1800 or after 2200; expected real dates"),
        (
            [0, 1],
            {"units": "days since 2024-01-01", "calendar": "360_day"},
            r"its days are those of a climate model \(360_day\), which do not all exist; .* use monthly values",
        ),
        (
            [0, 1],
            {"units": "days since 1850-01-01", "calendar": "julian"},
            r"its days are those of a climate model \(julian\)",
        ),
        ([0, 60000], {"units": "days since 1970-01-01", "calendar": "julian"}, "'julian' and not from 1901 to 2099"),
        ([0], {"units": "days since 2024-01-01", "calendar": "lunar"}, "calendar 'lunar'; expected dates"),
        ([0.3], {"units": "months since 2024-01-01"}, "not whole or half months"),
        ([0, np.nan], {"units": "days since 2024-01-01"}, "its time step 2 has no time"),
        ([20240101, 20241301], {}, "have no units"),
        (np.array(["spring"]), {}, "its times are words such as 'spring'"),
    ],
)
def test_times_that_nobody_can_know_are_refused_in_words(values: Any, attributes: Any, message: str) -> None:
    with pytest.raises(SourceError, match=rf"^f.nc: {message}|^f.nc: .*{message}") as caught:
        times(np.asarray(values), attributes, "f.nc")
    assert "Error" not in str(caught.value)


@pytest.mark.parametrize("name", ["date", "T", "valid_time", "Time"])
def test_names_of_the_time_axis(tmp_path: Path, name: str) -> None:
    path = netcdf(tmp_path / "v.nc", 1, times=[0, 1], names=(name, "lat", "lon"))
    found = open_variable(str(path), "v", "v.nc")
    assert found["time"].values.tolist() == np.array(["2024-01-01", "2024-01-02"], "M8[ns]").tolist()


def test_a_forecast_is_refused_by_name(tmp_path: Path) -> None:
    import xarray as xr

    cube = xr.DataArray(
        np.zeros((2, 3, 2, 2)),
        dims=("time", "step", "latitude", "longitude"),
        coords={"latitude": [1.0, 0.0], "longitude": [0.0, 1.0], "step": [0, 6, 12]},
        name="tp",
    ).assign_coords(time=np.array(["2024-01-01", "2024-01-02"], "M8[ns]"))
    cube.to_netcdf(tmp_path / "f.nc", engine="netcdf4")
    with pytest.raises(SourceError, match=r"is a forecast; .*step: 3.* select one lead time"):
        open_variable(str(tmp_path / "f.nc"), "", "f.nc")
    cube.isel(step=[1]).to_netcdf(tmp_path / "one.nc", engine="netcdf4")
    with pytest.raises(
        SourceError, match="is a forecast, step 6 after time; expected the times that its values are valid"
    ):
        open_variable(str(tmp_path / "one.nc"), "", "one.nc")
    valid = cube.isel(step=[1]).assign_coords(
        valid_time=(("time", "step"), np.array([["2024-01-01T06"], ["2024-01-02T06"]], "M8[ns]"))
    )
    valid.to_netcdf(tmp_path / "valid.nc", engine="netcdf4")
    found = open_variable(str(tmp_path / "valid.nc"), "tp", "valid.nc")
    assert found["time"].values[0] == np.datetime64("2024-01-01T06")
