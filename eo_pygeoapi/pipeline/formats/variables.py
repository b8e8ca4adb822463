"""Find a variable of a NetCDF or Zarr by its name, or the only one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import xarray as xr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats import raw
from eo_pygeoapi.pipeline.formats.axes import gridded
from eo_pygeoapi.pipeline.formats.contents import contents, worth_naming


@dataclass(frozen=True, eq=False)
class Found:
    """A variable `name` of a group ('' for the root), and the dataset of that group, not decoded."""

    dataset: xr.Dataset
    group: str
    name: str

    @property
    def path(self) -> str:
        """The name with the group before it."""
        return f"{self.group}/{self.name}" if self.group else self.name


def find_variable(place: str, kind: str, variable: str, source: str) -> Found:
    """Return the variable of this name, '' for the only one on latitudes and longitudes.

    Raises SourceError where there is none, or several; the message lists those that the file has.
    """
    opened: Callable[[str], xr.Dataset] = partial(raw.open_zarr if kind == "Zarr" else raw.open_netcdf, place)
    if not variable:  # of the root or, where the root has none, of the groups of a NetCDF
        root = opened("")
        found = [Found(root, "", name) for name in gridded(root)]
        if not found and kind == "NetCDF":
            below = [(group, opened(group)) for group in raw.groups(place)]
            found = [Found(dataset, group, name) for group, dataset in below for name in gridded(dataset)]
        if len(found) == 1:
            return found[0]
        if not found:
            variables = _list(contents(place, source))
            raise SourceError(f"{source}: has no variable on latitudes and longitudes (its variables: {variables})")
        several = _list(each.path for each in found)
        raise SourceError(f"{source}: has several variables; set options.variable (available: {several})")
    group, _, name = variable.strip("/").rpartition("/")
    if not group or variable.strip("/") in contents(place, source):
        dataset = opened(group)
        if name in dataset.variables:
            return Found(dataset, group, name)
    available = _list(worth_naming(contents(place, source)))
    raise SourceError(f"{source}: has no variable {variable!r} (available: {available})")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
