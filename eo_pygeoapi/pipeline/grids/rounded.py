"""Coordinates that were rounded when they were written, such as 0.042, 0.125, 0.208 of cells of 1/12 degree."""

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError

_PLACES = range(1, 7)
_MOST = 0.1  # of a cell that its centre may be beside its place


def unrounded(degrees: NDArray[np.float64], precision: float, what: str) -> NDArray[np.float64]:
    """Return the regular coordinates that ascending ones are the rounded form of.

    `precision` is how exact the numbers are as they are stored. Raises SourceError where they are of no regular grid,
    or rounded so much that nobody can tell; the message begins with `what`.
    """
    exact = 1e-9 + precision
    places = next((n for n in _PLACES if np.allclose(degrees, np.round(degrees, n), rtol=0, atol=exact)), None)
    if places is not None:
        half = 0.5 * 10.0**-places + exact
        step = float(degrees[-1] - degrees[0]) / (degrees.size - 1)
        for each in (_part_of_a_degree(step, 2 * half / (degrees.size - 1)), step):
            beside = degrees - each * np.arange(degrees.size)
            low, high = float(beside.max()) - half, float(beside.min()) + half
            if low <= high and half <= _MOST * each:
                return _first(low, high, each) + each * np.arange(degrees.size, dtype="float64")
        if half > _MOST * step and np.ptp(np.diff(degrees)) <= 4 * half:
            raise SourceError(
                f"{what} are rounded to {places} decimals, which is too little for cells of {step:.3g} degrees; "
                "expected a regular grid, with more decimals"
            )
    raise SourceError(f"{what} are not evenly spaced; expected a regular grid")


def _part_of_a_degree(step: float, error: float) -> float:
    """Return the nearest step of which some make a degree, 1/12 for example, where it may be that one."""
    near = 1 / round(1 / step) if step < 1 else float(round(step))
    return near if abs(near - step) <= error else step


def _first(low: float, high: float, step: float) -> float:
    """Return where the first cell is: a whole number of half cells from 0, if that is possible, else in the middle."""
    middle = (low + high) / 2
    near = round(middle / (step / 2)) * step / 2
    return near if low <= near <= high else middle
