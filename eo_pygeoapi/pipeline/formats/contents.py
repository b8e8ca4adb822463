"""What a file holds: its variables with their dimensions, or its bands, so that messages can say what there is."""

from collections.abc import Iterator, Mapping
from typing import Any

import netCDF4
import rasterio
import zarr

from eo_pygeoapi.pipeline.formats.gdal import configure_gdal
from eo_pygeoapi.pipeline.formats.kinds import format_of

Shape = dict[str, int]


def contents(place: str, source: str) -> dict[str, Shape]:
    """Return the variables of a NetCDF or Zarr, by their path in it (`Grid/precipitation`), or the bands of a GeoTIFF.

    Nothing of their values is read. Raises SourceError where the file is none of these, and what the driver raises.
    """
    kind = format_of(place, source)
    if kind == "GeoTIFF":
        return _of_geotiff(place)
    return dict(_of_zarr(place) if kind == "Zarr" else _of_netcdf(place))


def worth_naming(variables: Mapping[str, Shape]) -> list[str]:
    """Return the names of the variables that may be asked for: those of two dimensions, else all."""
    large = [
        name for name, shape in variables.items() if len(shape) >= 2 and not name.lower().endswith(("bnds", "bounds"))
    ]
    return large or list(variables)


def _of_netcdf(place: str) -> Iterator[tuple[str, Shape]]:
    with netCDF4.Dataset(place) as file:
        yield from _of_group(file)


def _of_group(group: Any) -> Iterator[tuple[str, Shape]]:
    for name, variable in group.variables.items():
        path = "" if group.path == "/" else group.path.strip("/") + "/"
        yield path + name, dict(zip(variable.dimensions, variable.shape, strict=True))
    for child in group.groups.values():
        yield from _of_group(child)


def _of_zarr(place: str) -> Iterator[tuple[str, Shape]]:
    for path, member in sorted(zarr.open_group(place, mode="r").members(max_depth=None)):
        if isinstance(member, zarr.Array):
            named: Any = getattr(member.metadata, "dimension_names", None) or member.attrs.get("_ARRAY_DIMENSIONS")
            names = [str(name) for name in named] if named else [f"dimension {n}" for n in range(member.ndim)]
            yield path, dict(zip(names, member.shape, strict=True))


def _of_geotiff(place: str) -> dict[str, Shape]:
    configure_gdal()
    with rasterio.open(place) as file:
        shape = {"y": file.height, "x": file.width}
        return {f"band {n}" + (f" ({name})" if name else ""): shape for n, name in enumerate(file.descriptions, 1)}
