"""What reads each format of groups and variables."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import xarray as xr

from eo_pygeoapi.pipeline.formats import netcdf
from eo_pygeoapi.pipeline.formats.raw import Shape


class Driver(Protocol):
    """Reads files of one format."""

    def open_group(self, place: str, group: str = "") -> xr.Dataset:
        """Open a group ('' for the root), with the coordinates of the groups around it, not decoded."""

    def groups(self, place: str) -> Sequence[str]:
        """Return the groups in which a variable is looked for where none is named, and the root has none."""

    def contents(self, place: str) -> dict[str, Shape]:
        """Return the variables of all groups by their path (`Grid/precipitation`)."""

    def reading(self, source: str) -> AbstractContextManager[None]:
        """Translate what is raised while values are read; messages call the file `source`."""


def driver_of(kind: str) -> Driver:
    """Return the driver of `NetCDF` or `Zarr`."""
    if kind == "Zarr":
        from eo_pygeoapi.pipeline.formats import zarr_store  # imported for Zarr alone

        return zarr_store
    return netcdf
