"""Turn the files from a provider of hourly data into files of one variable and whole days."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import NetCDF4BackendEntrypoint

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.grids.grid import cut_to_box, dimension
from eo_pygeoapi.pipeline.sources.era5_land.variables import ERA5_LAND_VARIABLES
from eo_pygeoapi.store.download_cache import days_text, file_name, runs

_PROVISIONAL = ("5", "0005")  # ERA5T, of the experiment versions in `expver`
_HOURS = np.arange(24)


@dataclass(frozen=True)
class Received:
    """A variable of a received file, with `time`, and the version of each time step, None where the file has none."""

    array: xr.DataArray
    versions: NDArray[Any] | None

    def of_days(self) -> "Received":
        """Return the same of values that are each of a whole day, labelled with the days alone."""
        days = self.array["time"].values.astype("M8[D]").astype("M8[ns]")
        return Received(self.array.assign_coords(time=days), self.versions)


@dataclass(frozen=True)
class WrittenDays:
    """A file of consecutive whole days."""

    path: Path
    first: date
    last: date
    provisional: bool


def read(paths: Sequence[Path], variable: str, name: str) -> Received:
    """Read a variable, by its name at the Climate Data Store, from the files received.

    Raises SourceUnavailableError for files that cannot be read, SourceError where none holds the variable.
    """
    found: list[str] = []
    known = ERA5_LAND_VARIABLES.get(variable)
    for path in paths:
        try:
            with xr.open_dataset(path, engine=NetCDF4BackendEntrypoint, decode_timedelta=False) as dataset:
                gridded = [str(key) for key, data in dataset.data_vars.items() if dimension(data, "x")]
                wanted = known.short if known else (gridded[0] if len(gridded) == 1 else variable)
                if wanted not in gridded:
                    found += gridded
                    continue
                array = dataset[wanted]
                time = dimension(array, "time")
                if time is None or array[time].dtype.kind != "M":
                    raise SourceError(f"{name}: what was received has no time axis")
                array = array.drop_vars([key for key in array.coords if key not in array.dims]).load()
                versions = dataset["expver"] if "expver" in dataset.variables else None
                of_steps = None
                if versions is not None and versions.dims in ((), (time,)):  # a file of one version may say it once
                    of_steps = np.broadcast_to(versions.values.astype(str), array.sizes[time])
                return Received(array if time == "time" else array.rename({time: "time"}), of_steps)
        except SourceError:
            raise
        except Exception as error:  # each driver raises its own
            text = " ".join(str(error).replace(str(path), "the file").split())
            raise SourceUnavailableError(f"{name}: received what cannot be read: {text}; try again later") from error
    raise SourceError(f"{name}: received {', '.join(found) or 'no variable'}; expected {variable}")


def check(received: Received, wanted: Sequence[date], box: Box, name: str, steps: int = 24) -> None:
    """Check that the wanted days and place were received; days at the end may lack, as they may be unpublished.

    A day has 24 `steps`, or one.

    Raises SourceUnavailableError for other days or a gap between days, SourceError for another place.
    """
    cut_to_box(received.array, box, name)
    times = received.array["time"].values.astype("M8[h]")
    held = sorted(set(times.astype("M8[D]").tolist()) & set(wanted))
    if not held:
        ends = " to ".join(str(time) for time in (times.min(), times.max())) if times.size else "no time step"
        raise SourceUnavailableError(f"{name}: received {ends}; expected {days_text(wanted)}; try again later")
    before = [day for day in wanted if day < held[-1]]
    lacking = [day for day in before if not _is_whole(times[times.astype("M8[D]") == _day(day)], steps)]
    if lacking:
        raise SourceUnavailableError(
            f"{name}: what was received lacks hours of {lacking[0]}, but has {held[-1]}; try again later"
        )


def _day(day: date) -> np.datetime64:
    return np.datetime64(day, "D")


def _is_whole(times: NDArray[np.datetime64], steps: int) -> bool:
    return bool(np.array_equal(np.sort(times.astype("int64") % 24), _HOURS[:steps]))


def write_days(
    received: Received,
    wanted: Sequence[date],
    folder: Path,
    steps: int = 24,
    is_final: Callable[[date], bool] = lambda day: True,
) -> Iterator[WrittenDays]:
    """Write those of the wanted days that are whole; consecutive ones of one version into one file.

    A day has 24 `steps`, or one. `is_final` tells whether a day is, where the provider does not.
    """
    times = received.array["time"].values.astype("M8[h]")
    by_day = {day: np.flatnonzero(times.astype("M8[D]") == _day(day)) for day in wanted}
    whole = {day: at for day, at in by_day.items() if _is_whole(times[at], steps)}
    versions = received.versions
    if versions is None:
        provisional = {day for day in whole if not is_final(day)}
    else:
        provisional = {day for day, at in whole.items() if np.isin(versions[at], _PROVISIONAL).any()}
    for group in (sorted(whole.keys() - provisional), sorted(provisional)):
        for first, last in runs(group):
            at = np.concatenate([whole[day] for day in group if first <= day <= last])
            part = received.array.isel(time=at[np.argsort(times[at])])
            path = folder / file_name(str(received.array.name), first, last)
            chunks = (min(part.shape[0], 24 * 8), *part.shape[1:])
            encoding: dict[Any, dict[str, Any]] = {str(part.name): {"zlib": True, "complevel": 1, "chunksizes": chunks}}
            part.drop_encoding().to_netcdf(path, encoding=encoding)
            yield WrittenDays(path, first, last, bool(group and group[0] in provisional))
