"""Find the variable of a NetCDF or Zarr that is asked for, or the only one there is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import xarray as xr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats import raw
from eo_pygeoapi.pipeline.formats.axes import gridded
from eo_pygeoapi.pipeline.formats.contents import contents, worth_naming

_Opened = Callable[[str], xr.Dataset]


@dataclass(frozen=True, eq=False)
class Found:
    """A variable of a group ('' for the root), and the dataset of what lies beside it, as it is stored."""

    dataset: xr.Dataset
    group: str
    name: str

    @property
    def path(self) -> str:
        """Its name with that of the group."""
        return f"{self.group}/{self.name}" if self.group else self.name


def find_variable(place: str, kind: str, variable: str, source: str) -> Found:
    """Return the variable of this name, '' for the only one on latitudes and longitudes.

    Raises SourceError where there is none, or several; it says which there are.
    """
    opened: _Opened = partial(raw.open_zarr if kind == "Zarr" else raw.open_netcdf, place)
    if not variable:
        return _only(opened, place, kind, source)
    group, _, name = variable.strip("/").rpartition("/")
    if group and variable.strip("/") not in contents(place, source):
        raise _lacks(place, variable, source)
    dataset = opened(group)
    if name not in dataset.variables:
        raise _lacks(place, variable, source)
    return Found(dataset, group, name)


def _lacks(place: str, variable: str, source: str) -> SourceError:
    available = _list(worth_naming(contents(place, source)))
    return SourceError(f"{source}: has no variable {variable!r} (available: {available})")


def _only(opened: _Opened, place: str, kind: str, source: str) -> Found:
    """Return the one gridded variable of the root or, where that has none, of the groups of a NetCDF."""
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


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
