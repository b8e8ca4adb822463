"""Variables that are computed of ERA5-Land's, hour by hour: by hand, by published examples, by a second library."""

from collections.abc import Callable
from datetime import date
from math import exp, hypot
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import thermofeel
from hypothesis import given
from hypothesis import strategies as st

from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.pipeline.sources.era5_land.derived import DERIVED_VARIABLES
from eo_pygeoapi.pipeline.sources.era5_land.formulas import FORMULAS
from eo_pygeoapi.pipeline.sources.era5_land.options import Era5LandOptions
from eo_pygeoapi.pipeline.sources.era5_land.variables import ERA5_LAND_VARIABLES
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.pipeline.sources.test_era5_land import ask, dataset, running, server, source, values
from tests.standins import cds

__all__ = ["ask", "running", "server"]  # fixtures
DAY = "2024-01-31"
HOURS = np.datetime64(DAY, "h") + np.arange(24)
Ask = Callable[..., Any]


def es(kelvin: float) -> float:
    """Saturation vapour pressure over water in Pa, as the IFS computes it."""
    return 611.21 * exp(17.502 * (kelvin - 273.16) / (kelvin - 32.19))


def by_hand(variable: str, t: float, td: float, p: float) -> float:
    """One hour's value, in the units that the dataset gives it by default."""
    match variable:
        case "relative_humidity":
            return 100 * es(td) / es(t)
        case "specific_humidity":
            return 1000 * 0.62198 * es(td) / (p - (1 - 0.62198) * es(td))
        case "vapour_pressure_deficit":
            return (es(t) - es(td)) / 1000
        case "humidex":
            return t - 273.15 + 0.5555 * (6.11 * exp(5417.7530 * (1 / 273.15 - 1 / td)) - 10)
        case "wet_bulb_globe_temperature":
            celsius, dew = t - 273.15, td - 273.15
            humidity = 10 ** (7.5 * dew / (237.3 + dew)) / 10 ** (7.5 * celsius / (237.3 + celsius))
            return 0.567 * celsius + 0.393 * humidity * 6.105 * exp(17.27 * celsius / (237.7 + celsius)) + 3.94
    raise KeyError(variable)


@pytest.mark.parametrize(
    "variable",
    ["relative_humidity", "specific_humidity", "vapour_pressure_deficit", "humidex", "wet_bulb_globe_temperature"],
)
def test_a_day_is_the_mean_of_its_hours(ask: Ask, variable: str) -> None:
    found = values(ask(DAY, DAY, variable, decimals=None), source())
    hours = [by_hand(variable, cds.temperature(h), cds.dewpoint(h), cds.pressure(h)) for h in HOURS]
    assert found == {"20240131": pytest.approx(np.mean(hours), rel=2e-6)}


def test_the_mean_of_humidities_is_not_the_humidity_of_means(ask: Ask) -> None:
    (found,) = values(ask(DAY, DAY, "relative_humidity", decimals=None), source()).values()
    temperature, dewpoint = (float(np.mean([f(h) for h in HOURS])) for f in (cds.temperature, cds.dewpoint))
    means = by_hand("relative_humidity", temperature, dewpoint, 0)
    assert found - means == pytest.approx(2.96, abs=0.01)  # percent


def test_the_speed_is_that_of_the_hours_and_the_direction_that_of_the_mean_vector(ask: Ask, server: Any) -> None:
    (speed,) = values(ask(DAY, DAY, "10m_wind_speed"), source()).values()
    assert speed == 5.0 == hypot(3, -4) == hypot(4, 3)
    server.clear_log()
    asked = ask(DAY, DAY, "10m_wind_direction", decimals=3)
    (direction,) = values(asked, source()).values()
    # the mean vector is (3.5, -0.5): it blows to the east and a little south, so it comes from west by north
    assert direction == pytest.approx(270 + np.degrees(np.arctan(0.5 / 3.5)), abs=1e-3)
    assert server.log() == []  # both components were there already


def test_inputs_are_downloaded_once_for_all_datasets(ask: Ask, server: cds.StandIn) -> None:
    others = tuple(dataset(variable) for variable in ("heat_index", "specific_humidity", "2m_temperature"))
    values(ask(DAY, DAY, "relative_humidity", companions=others), source())
    (asked,) = server.executions()
    assert sorted(asked["variable"]) == ["2m_dewpoint_temperature", "2m_temperature", "surface_pressure"]
    server.clear_log()
    for variable in ("heat_index", "specific_humidity", "2m_temperature", "humidex"):
        values(ask(DAY, DAY, variable), source())
    assert server.executions() == []


def test_a_day_that_one_input_lacks_is_left_out(ask: Ask, server: cds.StandIn, tmp_path: Path) -> None:
    values(ask("2026-05-25", "2026-05-26", "2m_temperature"), source())
    server.state(latest="2026-05-25")
    extract = source().extract(asked := ask("2026-05-25", "2026-05-26", "humidex"))
    assert [(entry.period, entry.reason) for entry in extract.left_out] == [
        ("20260526", "not published: 2026-05-26 (UTC)")
    ]
    grid = source().open(asked, extract)
    assert (grid.sizes["time"], grid.attrs["step"], grid.attrs["units"]) == (24, "hour", "K")
    assert grid.chunks is not None  # it is computed block by block
    assert np.isnan(grid.values[:, *_sea(grid)]).all()


def _sea(grid: Any) -> tuple[int, int]:
    at_sea = np.argwhere(np.isnan(grid.values[0]))
    return int(at_sea[0][0]), int(at_sea[0][1])


def test_days_over_a_threshold_are_counted_of_the_hours(ask: Ask) -> None:
    # the temperature rises by 1 K an hour, from 290 K less a tenth of the day of the month
    aggregation = {"spatial": "mean", "daily": "max", "temporal": "days-above-37.8"}
    counted = ask("2024-01-01", "2024-01-31", "2m_temperature", periodType="monthly", aggregation=aggregation)
    highest = 290 + 23 - 273.15 - 0.1 * np.arange(1, 32)
    assert values(counted, source()) == {"202401": (highest > 37.8).sum()} == {"202401": 20}


# Published examples


@pytest.mark.parametrize(
    ("fahrenheit", "humidity", "expected"), [(80, 40, 80), (90, 70, 105), (100, 60, 129), (110, 40, 136), (86, 95, 108)]
)
def test_the_heat_index_is_that_of_the_chart_of_the_national_weather_service(
    fahrenheit: float, humidity: float, expected: float
) -> None:
    kelvin = np.array([(fahrenheit - 32) / 1.8 + 273.15])
    dew = thermofeel.calculate_dew_point_from_relative_humidity(np.array([float(humidity)]), kelvin)
    (found,) = FORMULAS["heat_index"](kelvin, dew)
    assert (found - 273.15) * 1.8 + 32 == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize(("celsius", "dew", "expected"), [(30, 15, 34), (30, 20, 38), (35, 25, 47)])
def test_humidex_is_that_of_environment_canada(celsius: float, dew: float, expected: float) -> None:
    (found,) = FORMULAS["humidex"](np.array([celsius + 273.15]), np.array([dew + 273.15]))
    assert found - 273.15 == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [([(0, -1)], 0), ([(-1, 0)], 90), ([(0, 1)], 180), ([(1, 0)], 270), ([(1, -5.7), (-1, -5.7)], 0)],
)
def test_a_direction_is_from_where_the_wind_blows(vectors: Any, expected: float) -> None:
    field = np.array([[complex(*vectors[0]), complex(*vectors[-1])]] * 2)
    aggregated = _directions(field)
    assert list(aggregated.frame["value"]) == [expected]


def test_calm_has_no_direction() -> None:
    found = _directions(np.array([[3 + 0j, -3 + 0j]] * 2))
    assert np.isnan(found.frame["value"][0])
    assert [entry.reason for entry in found.left_out] == ["no cell of it has data"]


def _directions(field: Any) -> Any:
    import shapely

    day = dataset("10m_wind_direction")
    from eo_pygeoapi.contract.models import Interval

    period = periods_in(Interval(start=date(2025, 7, 1), end=date(2025, 7, 1)), "daily")
    return aggregate_to_org_units(made.grid(field), made.units({"a": shapely.box(0, 0, 2, 2)}), period, day)


@pytest.mark.parametrize("aggregation", [{"temporal": "max"}, {"spatial": "p90"}, {"daily": "mean"}])
def test_a_direction_has_no_other_statistics(aggregation: dict[str, str]) -> None:
    from datetime import UTC, datetime

    from eo_pygeoapi.datasets.validate import validate_inputs

    wind = dataset("10m_wind_direction", orgUnits={"source": "dhis2", "level": 2})
    inputs = {"datasetId": wind.id, "start": DAY, "end": DAY, "aggregation": aggregation}
    message = "input aggregation: directions have a mean alone, that of vectors; allowed: spatial: mean, "
    with pytest.raises(InputError, match=message):
        validate_inputs(inputs, {wind.id: wind}, datetime(2026, 1, 1, tzinfo=UTC))


# Second opinions

warm = st.floats(283.15, 318.15)


@given(warm, st.floats(0.0, 25.0))
def test_humidity_is_that_of_another_formula_within_a_percent(temperature: float, below: float) -> None:
    t, td = np.array([temperature]), np.array([temperature - below])
    assert FORMULAS["relative_humidity"](t, td) == pytest.approx(
        thermofeel.calculate_relative_humidity_percent(t, td), rel=0.01
    )
    deficit = thermofeel.calculate_saturation_vapour_pressure(t) - thermofeel.calculate_saturation_vapour_pressure(td)
    assert FORMULAS["vapour_pressure_deficit"](t, td) == pytest.approx(100 * deficit, rel=0.01, abs=5)


@given(warm, st.floats(0.0, 20.0))
def test_more_humid_air_feels_warmer(temperature: float, below: float) -> None:
    t = np.array([temperature, temperature])
    td = np.array([temperature - below - 1, temperature - below])
    for variable in ("humidex", "wet_bulb_globe_temperature"):
        drier, wetter = FORMULAS[variable](t, td)
        assert drier < wetter


def test_every_derived_variable_has_a_formula_a_reference_and_known_inputs() -> None:
    assert FORMULAS.keys() == DERIVED_VARIABLES.keys()
    for name, known in DERIVED_VARIABLES.items():
        assert set(known.inputs) <= ERA5_LAND_VARIABLES.keys() and name not in ERA5_LAND_VARIABLES
        options = Era5LandOptions(variable=name)
        assert known.formula in options.method() and known.reference in options.method()
        assert options.defaults()["units"]["from"] == known.units
    assert source_info("era5-land").options is Era5LandOptions
    assert Era5LandOptions().method() == ""
