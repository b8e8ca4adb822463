"""List the variables of a file with their dimensions, or its bands, for messages."""

from collections.abc import Iterator, Mapping
from typing import Any

import netCDF4
import rasterio
import zarr

from eo_pygeoapi.pipeline.formats.gdal import configure_gdal
from eo_pygeoapi.pipeline.formats.kinds import format_of
from eo_pygeoapi.pipeline.formats.raw import options_of

Shape = dict[str, int]


def contents(place: str, source: str) -> dict[str, Shape]:
    """Return the variables of a NetCDF or Zarr, by their path in it (`Grid/precipitation`), or the bands of a GeoTIFF.

    Reads no values. Raises SourceError where the file has another format, and the errors of the driver.
    """
    kind = format_of(place, source)
    if kind == "GeoTIFF":
        configure_gdal()
        with rasterio.open(place) as raster:
            shape = {"y": raster.height, "x": raster.width}
            names = enumerate(raster.descriptions, 1)
            return {f"band {n}" + (f" ({name})" if name else ""): shape for n, name in names}
    if kind != "Zarr":
        with netCDF4.Dataset(place) as netcdf:
            return dict(_of_group(netcdf))
    found: dict[str, Shape] = {}
    for path, member in sorted(
        zarr.open_group(place, mode="r", storage_options=options_of(place)).members(max_depth=None)
    ):
        if isinstance(member, zarr.Array):
            named: Any = getattr(member.metadata, "dimension_names", None) or member.attrs.get("_ARRAY_DIMENSIONS")
            dimensions = [str(name) for name in named] if named else [f"dimension {n}" for n in range(member.ndim)]
            found[path] = dict(zip(dimensions, member.shape, strict=True))
    return found


def worth_naming(variables: Mapping[str, Shape]) -> list[str]:
    """Return the names of the variables with two dimensions or more, or all names where there are none."""
    large = [
        name for name, shape in variables.items() if len(shape) >= 2 and not name.lower().endswith(("bnds", "bounds"))
    ]
    return large or list(variables)


def _of_group(group: Any) -> Iterator[tuple[str, Shape]]:
    for name, variable in group.variables.items():
        path = "" if group.path == "/" else group.path.strip("/") + "/"
        yield path + name, dict(zip(variable.dimensions, variable.shape, strict=True))
    for child in group.groups.values():
        yield from _of_group(child)
