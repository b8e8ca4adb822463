"""Find a variable of a NetCDF or Zarr by its name, or the only one."""

from collections.abc import Iterable
from dataclasses import dataclass

import xarray as xr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.axes import gridded
from eo_pygeoapi.pipeline.formats.contents import contents, worth_naming
from eo_pygeoapi.pipeline.formats.drivers import driver_of


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
    driver = driver_of(kind)
    if not variable:  # of the root or, where the root has none, of the groups of a NetCDF
        root = driver.open_group(place)
        found = [Found(root, "", name) for name in gridded(root)]
        if not found:
            below = [(group, driver.open_group(place, group)) for group in driver.groups(place)]
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
        dataset = driver.open_group(place, group)
        if name in dataset.variables:
            return Found(dataset, group, name)
    available = _list(worth_naming(contents(place, source)))
    raise SourceError(f"{source}: has no variable {variable!r} (available: {available})")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
