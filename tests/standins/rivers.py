"""The source of docs/sources.md, installed as a package of its own, and the river levels that it reads."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import box, mapping

from tests.standins.chc import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "sources.md").read_text()
UNIT = {
    "type": "Feature",
    "id": "ImspTQPwCqd",
    "properties": {"name": "Delta"},
    "geometry": mapping(box(-12.4, 7.6, -11.6, 8.4)),
}


def shown() -> tuple[str, str, str]:
    """Return the three files that the document shows."""
    toml, options, source = re.findall(r"```(?:toml|python)\n(.*?)```", DOCUMENT, re.DOTALL)
    return toml, options, source


def install(folder: Path) -> Path:
    """Install the package that the document shows, as pip does: its modules, and what its metadata say beside them."""
    toml, options, source = shown()
    project = tomllib.loads(toml)["project"]
    ((group, entries),) = project["entry-points"].items()
    package = folder / "eo_rivers"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("options", options), ("source", source)):
        (package / f"{name}.py").write_text(text)
    metadata = folder / f"eo_rivers-{project['version']}.dist-info"
    metadata.mkdir()
    about = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    (metadata / "METADATA").write_text("\n".join(about) + "\n")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def make_levels(folder: Path) -> None:
    """Write two days, of 2 m and 4 m."""
    import xarray as xr

    folder.mkdir()
    y, x = 9.95 - 0.1 * np.arange(40), -13.95 + 0.1 * np.arange(40)
    for day, level in (("2026-03-01", 2.0), ("2026-03-02", 4.0)):
        values = np.full((1, y.size, x.size), level, "float32")
        data = xr.Dataset(
            {"level": (("time", "lat", "lon"), values, {"units": "m"})},
            coords={"time": np.array([day], "M8[ns]"), "lat": y, "lon": x},
        )
        data.to_netcdf(folder / f"{day}.nc")


def block(folder: Path, url: str) -> dict[str, Any]:
    """Return the `eo:` block of levels that are served at the URL, of one unit, which is written into the folder."""
    units = folder / "delta.geojson"
    units.write_text(json.dumps({"type": "FeatureCollection", "features": [UNIT]}))
    return {
        "source": "rivers",
        "options": {"baseUrl": url},
        "orgUnits": {"source": "geojson", "href": str(units)},
    }
