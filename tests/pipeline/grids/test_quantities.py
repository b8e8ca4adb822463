"""Limits of values by the CF standard name and the units of a file."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from shapely.geometry import box

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.source import Limits
from eo_pygeoapi.pipeline.grids.quantities import limits_of
from eo_pygeoapi.pipeline.sources.era5_land.options import Era5LandOptions
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_source_data
from eo_pygeoapi.pipeline.zonal.step import Aggregated, aggregate_to_org_units
from tests.pipeline import made, made_files


@pytest.mark.parametrize(
    ("name", "units", "expected"),
    [
        ("precipitation_flux", "kg m-2 s-1", (0.0, None)),
        ("lwe_thickness_of_precipitation_amount", "mm", (0.0, None)),
        ("rainfall_amount", "mm", (0.0, None)),
        ("air_temperature", "K", (174.5, 400.0)),
        ("air_temperature", "degC", (174.5 - 273.15, 400 - 273.15)),
        ("dew_point_temperature", "degree_Celsius", (174.5 - 273.15, 400 - 273.15)),
        ("air_temperature", "degF", (174.5 * 1.8 - 459.67, 400 * 1.8 - 459.67)),
        ("air_temperature", "", (None, None)),
        ("air_temperature", "furlong", (None, None)),
        ("air_temperature_anomaly", "K", (None, None)),
        ("air_temperature standard_error", "K", (None, None)),
        ("change_over_time_in_precipitation_amount", "mm", (None, None)),
        ("relative_humidity", "percent", (0.0, None)),
        ("mass_concentration_of_pm2p5_ambient_aerosol_particles_in_air", "kg m-3", (0.0, None)),
        ("normalized_difference_vegetation_index", "1", (-1.0, 1.0)),
        ("volume_fraction_of_condensed_water_in_soil", "1", (0.0, 1.0)),
        ("cloud_area_fraction", "%", (0.0, 100.0)),
        ("eastward_wind", "m s-1", (None, None)),
        ("", "mm", (None, None)),
    ],
)
def test_limits_are_those_of_the_quantity_in_its_units(name: str, units: str, expected: Limits) -> None:
    assert limits_of(name, units) == pytest.approx(expected)


def of_file(folder: Path, values: Any, units: dict[str, str], about: dict[str, str]) -> Aggregated:
    """Aggregate a file of two by two cells, with what it says of itself."""
    coordinates = {"time": np.array(["2025-07-01"], "M8[ns]"), "lat": [1.5, 0.5], "lon": [0.5, 1.5]}
    data = xr.DataArray(np.array(values, "float64")[None], dims=("time", "lat", "lon"), coords=coordinates, attrs=about)
    path = made_files.written(data.to_dataset(name="value"), folder / "a.nc")
    day = Interval(start=date(2025, 7, 1), end=date(2025, 7, 1))
    dataset = made.dataset(options={"href": str(path)}, units=units)
    asked = SourceRequest(dataset, day, (0, 0, 2, 2), folder / "cache")
    grid = open_source_data(asked, extract_source_data(asked))
    return aggregate_to_org_units(grid, made.units({"all": box(0, 0, 2, 2)}), periods_in(day, "daily"), dataset)


@pytest.mark.parametrize(
    ("values", "units", "about", "expected", "cells"),
    [
        ([[-72.5, 4], [6, 8]], {}, {"standard_name": "precipitation_amount", "units": "mm"}, 6.0, "-72.5"),
        (
            [[573.15, 300], [301, 302]],
            {"from": "K", "to": "degC"},
            {"standard_name": "air_temperature", "units": "K"},
            301 - 273.15,
            "573.15",
        ),
        ([[300, 20], [21, 22]], {}, {"standard_name": "air_temperature", "units": "degC"}, 21.0, "300"),
    ],
)
def test_what_cannot_be_by_the_name_in_a_file_is_left_out_and_listed(
    tmp_path: Path, values: Any, units: dict[str, str], about: dict[str, str], expected: float, cells: str
) -> None:
    found = of_file(tmp_path, values, units, about)
    assert found.frame["value"].tolist() == pytest.approx([expected])
    assert [entry.reason for entry in found.left_out] == [
        f"25 % of the cells are not plausible: they hold {cells}, which cannot be; look at the data and their units",
        f"its value is that of the other cells: 25 % of its area has cells of {cells}, which cannot be",
    ]


def test_a_file_without_a_standard_name_says_nothing_of_its_limits(tmp_path: Path) -> None:
    found = of_file(tmp_path, [[-72.5, 4], [6, 8]], {}, {"units": "mm"})
    assert found.frame["value"].tolist() == pytest.approx([-54.5 / 4]) and found.left_out == []


@pytest.mark.parametrize(
    ("variable", "possible", "impossible"),
    [
        ("10m_u_component_of_wind", -40.0, -200.0),
        ("volumetric_soil_water_layer_2", 0.4, 1.5),
        ("surface_pressure", 65_000.0, 101.3),
        ("surface_solar_radiation_downwards", 5e6, -1e6),
        ("snow_cover", 100.0, 300.0),
        ("snow_depth_water_equivalent", 0.5, -1.0),
        ("lake_mix_layer_depth", 20.0, -1.0),
    ],
)
def test_variables_of_era5_land_have_limits(variable: str, possible: float, impossible: float) -> None:
    low, high = Era5LandOptions(variable=variable).plausible()
    assert low is not None and low <= possible <= (high or np.inf)
    assert not low <= impossible <= (high or np.inf)
