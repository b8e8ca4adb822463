"""WorldPop's files below the root of a static server (`chc.py`): a small country at 0.05 degrees instead of 100 m."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NODATA = -99999.0
CELL = 0.05
WEST, NORTH, SHAPE = -13.5, 10.2, (80, 72)


def year_path(country: str, year: int, version: str = "global2") -> str:
    """Return where WorldPop keeps a year, relative to its root."""
    population = "GIS/Population"
    if version == "global1":
        return f"{population}/Global_2000_2020/{year}/{country}/{country.lower()}_ppp_{year}_UNadj.tif"
    file = f"{country.lower()}_pop_{year}_CN_100m_R2025A_v1.tif"
    return f"{population}/Global_2015_2030/R2025A/{year}/{country}/v1/100m/constrained/{file}"


def band_path(country: str, year: int, sex: str, age: int, version: str = "global2") -> str:
    """Return where WorldPop keeps an age and sex of a year, relative to its root."""
    low, structures = country.lower(), "GIS/AgeSex_structures"
    if version == "global1":
        return f"{structures}/Global_2000_2020/{year}/{country}/{low}_{sex}_{age}_{year}.tif"
    file = f"{low}_{sex}_{age:02}_{year}_CN_100m_R2025A_v1.tif"
    return f"{structures}/Global_2015_2030/R2025A/{year}/{country}/v1/100m/constrained/{file}"


def people(year: int) -> NDArray[np.float32]:
    """Make up the people of each cell: they grow by the year, and nobody is counted on the first rows."""
    rows, columns = np.indices(SHAPE)
    values = (1 + 0.01 * rows + 0.001 * columns + (year - 2000)).astype("float32")
    values[:5] = NODATA
    return values


def make_year(root: Path, country: str, year: int, version: str = "global2", *, nodata: float | None = NODATA) -> Path:
    """Write a year below `root` as WorldPop does; `nodata` is what the file declares. Returns the file."""
    return _write(root / year_path(country, year, version), people(year), nodata)


def make_band(root: Path, country: str, year: int, sex: str, age: int, version: str = "global2") -> Path:
    """Write an age and sex of a year below `root`: the people of the year, each as often as (age + 1)."""
    cells = np.where(people(year) == NODATA, np.float32(NODATA), people(year) * (age + 1) * (1 if sex == "f" else 2))
    return _write(root / band_path(country, year, sex, age, version), cells.astype("float32"), NODATA)


def _write(path: Path, cells: NDArray[np.float32], nodata: float | None) -> Path:
    import rasterio  # here, so that a server starts without it

    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "height": SHAPE[0],
        "width": SHAPE[1],
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:4326",
        "nodata": nodata,
        "compress": "lzw",
        "transform": rasterio.transform.from_origin(WEST, NORTH, CELL, CELL),
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(cells, 1)
    os.utime(path, (0, 0))
    return path
