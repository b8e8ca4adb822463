"""List the variables of a file with their dimensions, or its bands, for messages."""

from collections.abc import Mapping

import rasterio

from eo_pygeoapi.pipeline.formats.drivers import driver_of
from eo_pygeoapi.pipeline.formats.gdal import configure_gdal
from eo_pygeoapi.pipeline.formats.kinds import format_of
from eo_pygeoapi.pipeline.formats.raw import Shape


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
    return driver_of(kind).contents(place)


def worth_naming(variables: Mapping[str, Shape]) -> list[str]:
    """Return the names of the variables with two dimensions or more, or all names where there are none."""
    large = [
        name for name, shape in variables.items() if len(shape) >= 2 and not name.lower().endswith(("bnds", "bounds"))
    ]
    return large or list(variables)
