"""The synthetic sample of `eo-pygeoapi demo`: a grid of made-up temperatures and six made-up districts.

Deterministic, so that everybody sees the same numbers, and placed around 0°N 0°E, where nobody can take it for real.
"""

import json
from pathlib import Path

import numpy as np

from eo_pygeoapi.files import replacing

DAYS = 31
FIRST_DAY = "2025-07-01"
_STEP = 0.1


def make_sample(folder: Path) -> None:
    """Write `temperature.nc` and `districts.geojson` into the folder, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in (("temperature.nc", _write_temperature), ("districts.geojson", _write_districts)):
        if not (folder / name).exists():
            with replacing(folder / name) as unfinished:
                write(unfinished)


def temperature() -> np.ndarray:
    """Return the temperatures in K, shape (31 days, 20 latitudes north to south, 20 longitudes), NaN over the sea."""
    y = np.linspace(0.95, -0.95, 20)[None, :, None]
    x = np.linspace(-0.95, 0.95, 20)[None, None, :]
    day = np.arange(DAYS)[:, None, None]
    kelvin = 298.15 - 4.0 * y**2 + 1.5 * x + 2.0 * np.sin(2 * np.pi * day / 10)
    return np.where((x > 0.75) & (y < -0.55), np.nan, kelvin).astype("float32")


def _write_temperature(path: Path) -> None:
    import netCDF4  # only the first start needs it

    with netCDF4.Dataset(path, "w") as file:
        file.title = "SYNTHETIC SAMPLE, not real data: daily mean temperature at 2 m"
        for name, size in (("time", DAYS), ("latitude", 20), ("longitude", 20)):
            file.createDimension(name, size)
        time = file.createVariable("time", "i4", ("time",))
        time.units, time.calendar, time[:] = f"days since {FIRST_DAY}", "standard", np.arange(DAYS)
        latitude = file.createVariable("latitude", "f8", ("latitude",))
        latitude.units, latitude[:] = "degrees_north", np.linspace(0.95, -0.95, 20)
        longitude = file.createVariable("longitude", "f8", ("longitude",))
        longitude.units, longitude[:] = "degrees_east", np.linspace(-0.95, 0.95, 20)
        t2m = file.createVariable("t2m", "f4", ("time", "latitude", "longitude"), zlib=True, fill_value=np.nan)
        t2m.units, t2m.long_name = "K", "synthetic daily mean temperature at 2 m"
        t2m[:] = temperature()


def _write_districts(path: Path) -> None:
    rings = []
    for west, south in [(-0.9 + 0.6 * column, 0.0 - 0.85 * row) for row in (0, 1) for column in (0, 1, 2)]:
        middle, east, north = west + 0.3, west + 0.6, south + 0.85
        corners = [(west, south), (middle, south - 0.08), (east, south), (east, north), (middle, north - 0.08)]
        rings.append([*corners, (west, north), corners[0]])  # neighbours share borders
    features = [
        {
            "type": "Feature",
            "id": f"SampleDist{letter}",
            "properties": {"name": f"Sample district {letter}", "level": 2, "synthetic": True},
            "geometry": {"type": "Polygon", "coordinates": [[[round(x, 6), round(y, 6)] for x, y in ring]]},
        }
        for letter, ring in zip("ABCDEF", rings, strict=True)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
