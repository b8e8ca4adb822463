from contextlib import nullcontext

import numpy as np
import pint
import pytest

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.units import USUAL, conversion, convert_units, refuse_sum_of_rates, units_problem


@pytest.mark.parametrize(("from_", "to"), USUAL)
def test_what_is_known_without_pint_is_what_pint_says(from_: str, to: str) -> None:
    registry = pint.UnitRegistry()
    for number in (0.0, 300.0):
        value = registry.Quantity(number, from_).to(to).magnitude
        assert convert_units(np.array([number]), from_, to).tolist() == [value]
    assert units_problem(from_, to) is None


@pytest.mark.parametrize(
    ("from_", "to", "step_hours", "value", "expected"),
    [
        ("K", "degC", None, 300.0, 26.85),
        ("degF", "degC", None, 212.0, 100.0),
        ("m", "mm", None, 0.0144674, 14.4674),
        ("m of water equivalent", "mm", None, 0.002, 2.0),
        ("mm/day", "mm", 24.0, 3.25, 3.25),
        ("mm day-1", "mm", 744.0, 2.0, 62.0),
        ("kg m-2", "mm", None, 7.0, 7.0),
        ("kg m-2 s-1", "mm", 24.0, 1e-4, 8.64),
        ("kg m**-2 s**-1", "mm/day", None, 1e-4, 8.64),
        ("m3 m-3", "%", None, 0.25, 25.0),
        ("Pa", "hPa", None, 101325.0, 1013.25),
        ("C", "K", None, 20.0, 293.15),
        ("Celsius", "K", None, 20.0, 293.15),
        ("degrees Celsius", "degF", None, 100.0, 212.0),
        ("degrees_C", "degC", None, 20.0, 20.0),
        ("Kelvin", "C", None, 300.0, 26.85),
        ("degK", "degC", None, 300.0, 26.85),
        ("mb", "Pa", None, 1013.0, 101300.0),
        ("millibars", "hPa", None, 1013.0, 1013.0),
        ("(0 - 1)", "%", None, 0.25, 25.0),
        ("1", "percent", None, 0.25, 25.0),
        ("fraction", "%", None, 0.25, 25.0),
        ("mm/d", "mm", 24.0, 3.25, 3.25),
        ("mm/hr", "mm", 24.0, 1.0, 24.0),
        ("Kg m-2", "mm", None, 7.0, 7.0),
    ],
)
def test_values_are_converted(from_: str, to: str, step_hours: float | None, value: float, expected: float) -> None:
    assert convert_units(np.array([value, np.nan]), from_, to, step_hours) == pytest.approx(
        [expected, np.nan], nan_ok=True
    )


@pytest.mark.parametrize(("from_", "to"), [("K", ""), ("", ""), ("people", "people"), ("mm", "mm")])
def test_nothing_to_convert_leaves_the_very_same_array(from_: str, to: str) -> None:
    values = np.array([1.5], "float32")
    assert convert_units(values, from_, to) is values


def test_a_rate_of_steps_of_different_length_becomes_the_amount_of_each() -> None:
    days = np.array([31.0, 28.0])
    assert convert_units(np.array([2.0, 2.0]), "mm/day", "mm", days * 24) == pytest.approx([62.0, 56.0])


def test_a_rate_needs_the_length_of_its_step() -> None:
    with pytest.raises(SourceError, match="length of the time step"):
        convert_units(np.array([2.0]), "mm/day", "mm")


def test_kelvin_keeps_its_digits() -> None:
    assert conversion("K", "degC").scale == 1.0
    assert conversion("K", "degC").offset == -273.15


@pytest.mark.parametrize(
    ("from_", "to", "problem"),
    [
        ("K", "degC", None),
        ("", "degC", None),
        ("K", "", None),
        ("people", "people", None),
        ("furlong per fortnite", "mm", "unknown unit 'furlong per fortnite' in `from`"),
        ("", "people", "unknown unit 'people' in `to`"),
        ("K", "mm", "'K' cannot be converted to 'mm'"),
        ("mm/month", "mm", "'mm/month' cannot be converted to 'mm'; give the amount of a step instead of the rate"),
    ],
)
def test_what_is_wrong_with_units_is_said_before_a_run(from_: str, to: str, problem: str | None) -> None:
    found = units_problem(from_, to)
    assert found == problem or (found and problem and found.startswith(problem))


def test_units_that_nobody_names_are_an_error() -> None:
    with pytest.raises(SourceError, match=r"does not say its units, which are to become 'degC'; set units\.from"):
        convert_units(np.array([1.0]), "", "degC")


def test_units_that_do_not_convert_are_an_error() -> None:
    with pytest.raises(SourceError, match="units: 'K' cannot be converted to 'mm'"):
        convert_units(np.array([1.0]), "K", "mm")


@pytest.mark.parametrize(
    ("units", "hours", "right"),
    [
        ("mm/hr", 1.0, True),
        ("mm/hr", 0.5, False),
        ("mm day-1", 24.0, True),
        ("mm day-1", 1.0, False),
        ("mm day-1", 744.0, False),
        ("kg m-2 s-1", 3.0, False),
        ("m/day", 24.0, True),
        ("mm", 0.5, True),
        ("", 0.5, True),
        ("W m-2", 1.0, True),
        ("mm/month", 744.0, True),
        ("K", 1.0, True),
    ],
)
def test_a_sum_of_rates_needs_steps_of_their_length(units: str, hours: float, right: bool) -> None:
    words = rf"rates \({units}\).*{hours:g} hours is no amount"
    with nullcontext() if right else pytest.raises(SourceError, match=words):
        refuse_sum_of_rates(units, np.full(3, hours))
