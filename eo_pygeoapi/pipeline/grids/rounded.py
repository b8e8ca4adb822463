"""Restore coordinates that a program rounded, such as 0.042, 0.125, 0.208 of cells of 1/12 degree."""

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError

_PLACES = range(1, 7)
_MOST = 0.1  # of a cell, the most that rounding may shift its centre


def unrounded(degrees: NDArray[np.float64], precision: float, what: str) -> NDArray[np.float64]:
    """Return the regular coordinates from which a program made these ascending ones by rounding.

    `precision` is that of the stored numbers. Raises SourceError where no regular grid fits, or where the rounding is
    too coarse to tell; the message begins with `what`.
    """
    exact = 1e-9 + precision
    places = next((n for n in _PLACES if np.allclose(degrees, np.round(degrees, n), rtol=0, atol=exact)), None)
    if places is not None:
        half = 0.5 * 10.0**-places + exact
        step = float(degrees[-1] - degrees[0]) / (degrees.size - 1)
        # the nearest step of which some make a degree, such as 1/12, where the rounding allows it
        near = 1 / round(1 / step) if step < 1 else float(round(step))
        steps = [near] if abs(near - step) <= 2 * half / (degrees.size - 1) else []
        for each in (*steps, step):
            beside = degrees - each * np.arange(degrees.size)
            low, high = float(beside.max()) - half, float(beside.min()) + half
            if low <= high and half <= _MOST * each:
                # the first cell is a whole number of half cells from 0, if the rounding allows it
                middle = (low + high) / 2
                whole = round(middle / (each / 2)) * each / 2
                return (whole if low <= whole <= high else middle) + each * np.arange(degrees.size, dtype="float64")
        if half > _MOST * step and np.ptp(np.diff(degrees)) <= 4 * half:
            raise SourceError(
                f"{what} are rounded to {places} decimals, which is too little for cells of {step:.3g} degrees; "
                "expected a regular grid, with more decimals"
            )
    raise SourceError(f"{what} are not evenly spaced; expected a regular grid")
