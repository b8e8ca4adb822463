"""What is missing, however the file says it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eo_pygeoapi.errors import SourceError
from tests.pipeline.formats.made_netcdf import netcdf, read

GONE = np.nan
NEVER = 9.969209968386869e36


@pytest.mark.parametrize(
    ("dtype", "attributes", "stored", "meant"),
    [
        ("f4", {"_FillValue": np.float32(-9999)}, [1, 2, -9999, 4], [1, 2, GONE, 4]),
        ("f4", {"missing_value": np.float32(-9999)}, [1, 2, -9999, 4], [1, 2, GONE, 4]),
        ("f4", {"_FillValue": np.float32(np.nan), "missing_value": -99.0}, [1, np.nan, -99, 4], [1, GONE, GONE, 4]),
        ("f4", {"missing_value": np.array([-1.0, -2.0])}, [-1, -2, 3, 4], [GONE, GONE, 3, 4]),
        ("f4", {"missing_value": 1e20}, [1, 1e20, 3, 4], [1, GONE, 3, 4]),
        ("f8", {"missing_value": np.float32(1e20)}, [1, 1e20, float(np.float32(1e20)), 4], [1, GONE, GONE, 4]),
        ("f8", {"missing_value": np.float32(-9999.9)}, [1, -9999.9, 3, 4], [1, GONE, 3, 4]),
        ("f8", {"missing_value": -9999.9}, [1, float(np.float32(-9999.9)), 3, 4], [1, GONE, 3, 4]),
        ("f4", {"missing_value": "-9999.f"}, [1, -9999, 3, 4], [1, GONE, 3, 4]),
        ("f4", {"missing_value": "-1, -2"}, [1, -1, -2, 4], [1, GONE, GONE, 4]),
        ("f4", {"missing_value": "NaN"}, [1, np.nan, 3, 4], [1, GONE, 3, 4]),
        ("i2", {"missing_value": "-32767s"}, [1, -32767, 3, 4], [1, GONE, 3, 4]),
        ("i4", {"missing_value": -9999.0}, [1, -9999, 3, 4], [1, GONE, 3, 4]),
        ("f4", {"valid_min": 0.0}, [1, -0.5, 3, 4], [1, GONE, 3, 4]),
        ("f4", {"valid_max": np.float32(0.1)}, [0.1, 0.2, 0, -5], [np.float32(0.1), GONE, 0, -5]),
        ("f8", {"valid_max": np.float32(100.1)}, [100.1, 100.2, 0, -5], [100.1, GONE, 0, -5]),
        ("f4", {"valid_range": [0.0, 3.0]}, [1, -1, 3, 4], [1, GONE, 3, GONE]),
        ("f4", {"valid_range": "0, 3"}, [1, -1, 3, 4], [1, GONE, 3, GONE]),
        # packed: a range of the packed type is of packed numbers, one of floats of values
        ("i2", {"scale_factor": 0.5, "valid_range": np.array([0, 3], "i2")}, [1, -1, 3, 4], [0.5, GONE, 1.5, GONE]),
        ("i2", {"scale_factor": 0.5, "valid_range": [0.0, 3.0]}, [1, -1, 6, 7], [0.5, GONE, 3, GONE]),
        ("i2", {"scale_factor": 0.5, "valid_max": 3.0}, [1, -1, 6, 7], [0.5, -0.5, 3, GONE]),
        (
            "i2",
            {"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": np.int16(-1)},
            [0, -1, 2, 3],
            [10, GONE, 11, 11.5],
        ),
        ("i2", {"scale_factor": "0.5", "add_offset": "10"}, [0, 1, 2, 3], [10, 10.5, 11, 11.5]),
        ("i2", {"scale_factor": 1000.0, "missing_value": 1e7}, [1, 10000, 3, 4], [1000, GONE, 3000, 4000]),
        ("i1", {"_Unsigned": "true", "_FillValue": np.int8(-1)}, [1, -1, -2, 4], [1, GONE, 254, 4]),
        ("i1", {"_Unsigned": "true", "valid_range": np.array([0, -3], "i1")}, [1, -1, -3, 4], [1, GONE, 253, 4]),
        # never written, and nothing is declared, or something else
        ("f4", {}, [1, NEVER, 3, 4], [1, GONE, 3, 4]),
        ("f8", {"_FillValue": -9999.0}, [1, NEVER, -9999, 4], [1, GONE, GONE, 4]),
        ("i2", {}, [1, -32767, 3, 4], [1, GONE, 3, 4]),
        ("i4", {}, [1, -2147483647, 3, 4], [1, GONE, 3, 4]),
        ("i8", {}, [1, -9223372036854775806, 3, 4], [1, GONE, 3, 4]),
        ("u2", {}, [1, 65535, 3, 4], [1, GONE, 3, 4]),
        # where another fill value is declared the library's own is a number, and bytes have none
        ("i2", {"_FillValue": np.int16(-1)}, [-1, -32767, 3, 4], [GONE, -32767, 3, 4]),
        ("i1", {}, [1, -127, 3, 4], [1, -127, 3, 4]),
    ],
)
def test_what_stored_numbers_stand_for(
    tmp_path: Path, dtype: str, attributes: dict[str, Any], stored: list[float], meant: list[float]
) -> None:
    found = read(netcdf(tmp_path / "v.nc", stored, dtype=dtype, attributes=attributes))
    assert np.array_equal(found[0, 1], meant, equal_nan=True)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4", "u2"])
def test_what_nobody_wrote_is_missing(tmp_path: Path, dtype: str) -> None:
    assert np.isnan(read(netcdf(tmp_path / "v.nc", None, dtype=dtype))).all()


def test_a_scale_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "v.nc", 1, dtype="i2", attributes={"scale_factor": "one tenth"})
    with pytest.raises(SourceError, match=r"^v.nc: its scale_factor is 'one tenth'; expected a number$"):
        read(path)


def test_a_date_as_a_value_stays_a_number(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "onset.nc", [40, 41, NEVER, 43], attributes={"units": "days since 2024-01-01"})
    assert np.array_equal(read(path)[0, 0], [40, 41, np.nan, 43], equal_nan=True)
