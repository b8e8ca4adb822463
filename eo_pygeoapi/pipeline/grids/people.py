"""The people of each cell of a fine grid, in the years that there are."""

from collections.abc import Iterable
from dataclasses import dataclass

import xarray as xr

from eo_pygeoapi.contract.periods import Period


def nearest(year: int, years: Iterable[int]) -> int:
    """Return the nearest of some years, the earlier one of two that are as near."""
    return min(years, key=lambda each: (abs(each - year), each))


@dataclass(frozen=True, eq=False)
class People:
    """A normalised grid of yearly numbers of people in cells, NaN for nobody.

    Messages call it `name`. `key` tells its content from others, '' where nothing tells it.
    """

    grid: xr.DataArray
    name: str
    key: str = ""

    def year_for(self, period: Period) -> int:
        """Return the year whose people weigh a period: the Gregorian one that it belongs to, or the nearest."""
        return nearest(period.year, self.grid["time"].dt.year.values.tolist())

    def of_year(self, year: int) -> xr.DataArray:
        """Return the people of a year, dimensions (y, x), lazily."""
        return self.grid.isel(time=self.grid["time"].dt.year.values.tolist().index(year), drop=True)
