"""The place of a grid: the edges and areas of its cells, and the cells around a point."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

_ROUNDING = 1e-9  # degrees


@dataclass(frozen=True)
class Frame:
    """A regular grid in degrees: `shape` (rows, columns), rows from north to south, and its four edges."""

    shape: tuple[int, int]
    west: float
    south: float
    east: float
    north: float

    @classmethod
    def of(cls, grid: xr.DataArray) -> "Frame":
        """Return the frame of a normalised grid (see `grids.py`)."""
        y, x = grid["y"].values, grid["x"].values
        half_y, half_x = cell_size(grid, "y") / 2, cell_size(grid, "x") / 2
        edges = (x[0] - half_x, y[-1] - half_y, x[-1] + half_x, y[0] + half_y)
        return cls((y.size, x.size), *(float(edge) for edge in edges))

    @property
    def cell(self) -> tuple[float, float]:
        """Height and width of a cell in degrees."""
        return (self.north - self.south) / self.shape[0], (self.east - self.west) / self.shape[1]

    @property
    def cell_area(self) -> float:
        """Area of a cell in square degrees."""
        return self.cell[0] * self.cell[1]

    def row_areas(self) -> NDArray[np.float64]:
        """Return the area on the sphere of a cell of each row, as a multiple of a cell at the equator."""
        edges = np.radians(np.clip(np.linspace(self.north, self.south, self.shape[0] + 1), -90, 90))
        return np.asarray((np.sin(edges[:-1]) - np.sin(edges[1:])) / np.radians(self.cell[0]))

    def holds(self, bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether each box (west, south, east, north) lies within the grid; an empty one (NaN) does."""
        low = (bounds[:, :2] >= (self.west - _ROUNDING, self.south - _ROUNDING)).all(axis=1)
        high = (bounds[:, 2:] <= (self.east + _ROUNDING, self.north + _ROUNDING)).all(axis=1)
        return np.asarray((low & high) | np.isnan(bounds).all(axis=1))

    def around(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the ids of the cell of each (x, y) and its eight neighbours, nearest first, -1 beyond the grid.

        A point off the grid has no cells. Distances are on the ground: a degree of longitude shrinks with the latitude.
        """
        height, width = self.cell
        rows, columns = self.shape
        y = (self.north - points[:, 1]) / height
        x = (points[:, 0] - self.west) / width
        on_grid = (y >= 0) & (y <= rows) & (x >= 0) & (x <= columns)
        # a point on the southern or eastern edge belongs to the last cell
        row = np.clip(np.floor(y), 0, rows - 1)[:, None] + np.repeat([0, -1, 1], 3)
        column = np.clip(np.floor(x), 0, columns - 1)[:, None] + np.tile([0, -1, 1], 3)
        ids = np.where((row >= 0) & (row < rows) & (column >= 0) & (column < columns), row * columns + column, -1)
        ids[~on_grid] = -1
        shrink = np.cos(np.radians(points[:, 1]))[:, None]
        distance = np.hypot((row + 0.5 - y[:, None]) * height, (column + 0.5 - x[:, None]) * width * shrink)
        order = np.argsort(distance[:, 1:], axis=1) + 1
        return np.take_along_axis(ids, np.insert(order, 0, 0, axis=1), axis=1).astype("int64")


def cell_size(grid: xr.DataArray, axis: str) -> float:
    """Return the size of a cell along `y` or `x`; a single row or column has it as an attribute of its coordinate."""
    centres = grid[axis].values
    if centres.size == 1:
        return float(grid[axis].attrs["cell"])
    return float(abs(centres[-1] - centres[0]) / (centres.size - 1))


def with_cell_sizes(grid: xr.DataArray) -> xr.DataArray:
    """Return a normalised grid with the cell sizes as attributes of `y` and `x`, which single rows and columns need."""
    grid = grid.copy(deep=False)
    for axis in ("y", "x"):
        grid[axis].attrs["cell"] = cell_size(grid, axis)
    return grid
