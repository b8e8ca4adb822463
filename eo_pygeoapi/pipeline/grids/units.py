"""Convert values between units, which may be written as pint does or as CF does (`kg m-2 s-1`, `mm day-1`).

A rate becomes the amount of a time step (`mm/day` to `mm`) by the length of the step, and mass of water per area
becomes depth (`kg m-2` is `mm`) by its density of 1000 kg/m3.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError

if TYPE_CHECKING:
    import pint

_CF_EXPONENT = re.compile(r"(?<=[A-Za-z])(-?\d+)\b")
_CALENDAR = re.compile(r"month|year")
# spellings of people, in lower case and with single spaces, and the names of pint
_SPELLINGS = {
    **dict.fromkeys(("celsius", "celcius", "deg c", "degc", "degree c", "degrees c", "°c", "ºc", "o c", "oc"), "degC"),
    **dict.fromkeys(("degree celsius", "degrees celsius", "deg celsius", "degreesc", "degreec", "degc."), "degC"),
    **dict.fromkeys(("kelvin", "kelvins", "deg k", "degk", "degree k", "degrees k", "degreesk", "°k"), "K"),
    **dict.fromkeys(("degree kelvin", "degrees kelvin", "deg kelvin"), "K"),
    **dict.fromkeys(("fahrenheit", "deg f", "degf", "degree f", "degrees f", "degrees fahrenheit", "°f"), "degF"),
    **dict.fromkeys(("mb", "mbar", "mbars", "millibar", "millibars"), "hPa"),
    **dict.fromkeys(("(0 - 1)", "(0-1)", "0-1", "0 - 1", "[0-1]", "[0, 1]", "0..1", "fraction", "ratio", "1"), ""),
    **dict.fromkeys(("-", "~", "unitless", "none", "dimensionless", "proportion", "fraction (0-1)"), ""),
    **dict.fromkeys(("%", "percent", "per cent", "pct", "percentage", "(0 - 100)"), "percent"),
    **dict.fromkeys(("mm/d", "mm d-1", "mm/days", "mm per day", "mm/24h"), "mm/day"),
    **dict.fromkeys(("mm/hr", "mm/h", "mm h-1", "mm hr-1", "mm per hour"), "mm/hour"),
}
_EXACTLY = {"C": "degC", "F": "degF"}  # pint would read coulomb and farad
_AMOUNTS = (1.0, 10.0, 25.4, 1000.0)  # mm (or kg m-2), cm, inch and m, in mm
_FAR = 2.0**20  # far from zero, so that an offset costs the scale no digits


@dataclass(frozen=True)
class Conversion:
    """`value * scale + offset`; where `per_hour` is set, also times the length of the time step in hours."""

    scale: float = 1.0
    offset: float = 0.0
    per_hour: bool = False

    def factor(self, step_hours: float | NDArray[np.float64] | None) -> float | NDArray[np.float64]:
        """Return the factor for values of steps of this length."""
        if not self.per_hour:
            return self.scale
        if step_hours is None:
            raise SourceError("a rate becomes an amount only with the length of the time step, which is not known")
        return self.scale * step_hours


# what most datasets convert, without pint, which takes half a second to import
USUAL = {("K", "degC"): Conversion(offset=-273.15), ("m", "mm"): Conversion(scale=1000.0)}


def convert_units(
    values: NDArray[np.floating], from_: str, to: str, step_hours: float | NDArray[np.float64] | None = None
) -> NDArray[np.floating]:
    """Convert values to the units `to`, as float64; return them unchanged where `to` is empty or the same as `from_`.

    `step_hours` is the length of the time step in hours, which turns rates into amounts; an array must broadcast
    against `values`. Raises SourceError for units that are unknown or do not convert.
    """
    if not to or from_ == to:
        return values
    found = conversion(from_, to)
    return np.asarray(values, "float64") * found.factor(step_hours) + found.offset


def conversion(from_: str, to: str) -> Conversion:
    """Return the conversion between two units; SourceError for units that are unknown or do not convert."""
    if not to or from_ == to:
        return Conversion()
    if not from_:
        raise SourceError(f"the source does not say its units, which are to become {to!r}; set units.from")
    if problem := units_problem(from_, to):
        raise SourceError(f"units: {problem}")
    found = USUAL.get((from_, to)) or _conversion(from_, to)
    assert found is not None  # `units_problem` would have found it
    return found


def units_problem(from_: str, to: str) -> str | None:
    """Return what is wrong with a dataset's units, or None; empty `from_` means the units in the file."""
    if not to or from_ == to or (from_, to) in USUAL:
        return None
    for key, text in (("from", from_), ("to", to)):
        if text and _parsed(text) is None:
            return f"unknown unit {text!r} in `{key}`; allowed: those of pint, such as K, degC, mm, mm/day, kg m-2 s-1"
    if from_ and _conversion(from_, to) is None:
        hint = "; give the amount of a step instead of the rate" if _CALENDAR.search(from_) else ""
        return f"{from_!r} cannot be converted to {to!r}{hint}"
    return None


def refuse_sum_of_rates(units: str, step_hours: NDArray[np.float64]) -> None:
    """Raise SourceError where a sum of these time steps is no amount: of mm/hr at half hours, not of mm/day at days."""
    if not re.search(r"/|-1\b|\bper\b", units) or _parsed(units) is None:
        return
    found = _conversion(units, "mm")
    if found is None or not found.per_hour:
        return
    of_steps = np.unique(np.asarray(found.factor(step_hours)))
    if not any(np.allclose(of_steps, amount, rtol=1e-6) for amount in _AMOUNTS):
        raise SourceError(
            f"its values are rates ({units}), of which the sum over time steps of {step_hours[0]:g} hours is no "
            "amount; set units.to, such as mm"
        )


@cache
def _registry() -> "pint.UnitRegistry[Any]":
    import pint  # here, because it takes a second and most datasets convert nothing

    registry = pint.UnitRegistry(
        preprocessors=[
            lambda text: text.replace(" of water equivalent", ""),  # ECMWF's
            lambda text: _CF_EXPONENT.sub(r"**\1", text),
        ]
    )
    water = pint.Context("water")
    density = registry.Quantity(1000.0, "kg/m**3")
    for mass, depth in (("[mass]/[length]**2", "[length]"), ("[mass]/[length]**2/[time]", "[length]/[time]")):
        water.add_transformation(mass, depth, lambda ureg, value, **_: value / density)
        water.add_transformation(depth, mass, lambda ureg, value, **_: value * density)
    registry.enable_contexts(water)
    return registry


@cache
def _parsed(text: str) -> "pint.Unit | None":
    plain = " ".join(text.replace("_", " ").split())
    known = _EXACTLY.get(plain, _SPELLINGS.get(plain.lower(), re.sub(r"\bKg\b", "kg", text)))
    try:
        return _registry().Unit(known or "dimensionless")
    except Exception:  # pint raises its own errors, those of tokenize, and ValueError
        return None


@cache
def _conversion(from_: str, to: str) -> Conversion | None:
    """Find the conversion by converting two numbers, times an hour where a rate needs it; None where none exists."""
    source, target = _parsed(from_), _parsed(to)
    # months and years differ in length: a rate per average month would not give the amount of a real one
    for per_hour in (False,) if _CALENDAR.search(from_) else (False, True):
        try:
            unit = _registry().Unit(f"({source}) * hour") if per_hour else source
            zero, far = (_registry().Quantity(value, unit).to(target).magnitude for value in (0.0, _FAR))
        except Exception:  # pint's DimensionalityError, or an error of a context's transformation
            continue
        return Conversion(scale=(far - zero) / _FAR, offset=zero, per_hour=per_hour)
    return None
