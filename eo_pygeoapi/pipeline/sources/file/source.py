"""The source `file`: any NetCDF, GeoTIFF (COG) or Zarr, by path or URL; one file, or one for each time step."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import xarray as xr

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.periods import Period, period_of
from eo_pygeoapi.dates import days_of
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.geotiff import Bands
from eo_pygeoapi.pipeline.formats.kinds import format_of
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.pipeline.grids.directions import as_vectors
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.grids.time_axis import Step
from eo_pygeoapi.pipeline.sources.assembly import assemble
from eo_pygeoapi.pipeline.sources.download import cached, download, exists
from eo_pygeoapi.pipeline.sources.file.hours_of_ecmwf import by_starts
from eo_pygeoapi.pipeline.sources.file.near import PLACEHOLDER, local_file
from eo_pygeoapi.pipeline.sources.file.options import FileOptions
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest

_SCHEMES = ("http", "https", "file")
# from fine to coarse: the placeholder, and how long a time step of a file with it in its name is
_STEPS: dict[str, Step] = {"{DD}": "day", "{WW}": "week", "{K}": "dekad", "{MM}": "month", "{YYYY}": "year"}
_PRECISION: dict[int, Step] = {len("YYYY"): "year", len("YYYY-MM"): "month", len("YYYY-MM-DD"): "day"}


@dataclass(frozen=True)
class Part:
    """A file: path or URL, the name for messages, and its date by its name or the configuration.

    `date` is YYYY, YYYY-MM or YYYY-MM-DD, the first day of a week or dekad; `step` how long a step from there on is.
    """

    href: str
    name: str
    date: str
    step: Step | None

    def place(self, cache: Path) -> str:
        """Return the path or URL to read: its own, or that of the copy in the cache that `download` makes."""
        if "://" not in self.href or format_of(self.href, self.name):
            return self.href
        return str(cached(self.href, cache))


class FileSource:
    """Files by path or URL."""

    def extract(self, request: SourceRequest) -> Extract:
        """Download files that cannot be read in place, list missing ones, and check that the first file opens."""
        parts = parts_of(request)
        missing, found = list[Part](), list[Part]()
        for part in parts:
            if "://" not in part.href:
                is_there = Path(part.href).exists()
            elif kind := format_of(part.href, part.name):
                beside = ("",) if kind == "GeoTIFF" else ("/zarr.json", "/.zmetadata", "/.zgroup")
                is_there = any(exists(part.href.rstrip("/") + name) for name in beside)
            else:
                is_there = download(part.href, request.cache) is not None
            (found if is_there else missing).append(part)
        if len(missing) == len(parts):
            raise SourceError(" and ".join(dict.fromkeys((parts[0].name, parts[-1].name))) + ": no such file")
        dates, left_out = {part.date: part for part in missing}, dict[str, LeftOut]()
        options, type_ = cast(FileOptions, request.dataset.options), request.dataset.period_type
        # where steps are longer than the names say, most days have no file
        longer = [part for part in found if options.step not in ("", part.step)] if missing else []
        held = {period_of(days_of(part.date)[0], type_).id for part in longer}
        for day in days(request.interval) if missing else ():
            period, part_of_day = period_of(day, type_).id, dates.get(_start(day, missing[0].step or "day", request))
            if part_of_day and period not in held:
                left_out.setdefault(period, LeftOut(period=period, reason=f"no file {part_of_day.name}"))
        files = [part.place(request.cache) for part in found]
        extract = Extract(files=files, left_out=list(left_out.values()))
        if len(found) == 1:
            self.open(request, extract)
        else:
            _opened(found[0], request)
        return extract

    def held(self, request: SourceRequest, wanted: Sequence[date]) -> set[date]:
        """Return the days whose file is downloaded."""
        parts = parts_of(request)
        there = {part.date for part in parts if part.place(request.cache) != part.href and _is_here(part, request)}
        if len(parts) == 1 or not (step := parts[0].step):
            return set(wanted) if there else set()
        return {day for day in wanted if _start(day, step, request) in there}

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open the files as one normalised grid."""
        options = cast(FileOptions, request.dataset.options)
        found = [part for part in parts_of(request) if part.place(request.cache) in extract.files]
        if not found:
            raise SourceError(f"{options.href}: none of its files is where it was found before; run the job anew")
        grids = [_opened(part, request) for part in found]
        # a file for each day that holds several steps holds hours
        single = all(grid.sizes.get("time", 1) == 1 for grid in grids)
        known = options.step or (found[0].step if single else None)
        dated = [with_time(grid, part.date, part.name) for grid, part in zip(grids, found, strict=True)]
        grid = assemble(dated, request, options.href, known, by_starts)
        return vectors_of_directions(grid, request)

    def look(self, request: SourceRequest) -> None:
        """Open the dataset's file, or the last of many; SourceError says what is wrong. Skips URLs."""
        if found := local_file(request.dataset):
            path, moment = found
            part = Part(path, path, moment, None)
            with_time(_opened(part, request), part.date, part.name)


def vectors_of_directions(grid: xr.DataArray, request: SourceRequest) -> xr.DataArray:
    """Return a grid of vectors where the options or the file say that its values are directions, else the grid."""
    if request.dataset.options.directions() or grid.attrs.get("directions"):
        return as_vectors(grid, request.dataset.aggregation)
    return grid


def _is_here(part: Part, request: SourceRequest) -> bool:
    return Path(part.place(request.cache)).exists()


def _opened(part: Part, request: SourceRequest) -> xr.DataArray:
    options = cast(FileOptions, request.dataset.options)
    bands = Bands(options.band, part.date, options.time.partition("/")[2])
    opened = open_variable(part.place(request.cache), options.variable, part.name, bands)
    return cut_to_box(opened, request.bbox, part.name)


def parts_of(request: SourceRequest) -> list[Part]:
    """Return the files that the interval asks for, in order."""
    options = cast(FileOptions, request.dataset.options)
    href = request.dataset.resolve(options.href)
    scheme = href.partition("://")[0] if "://" in href else "file"
    if scheme not in _SCHEMES:
        raise SourceError(f"{options.href}: cannot read {scheme} URLs; allowed: a path, {', '.join(_SCHEMES)}")
    href = href.removeprefix("file://")
    if (step := step_of(href)) is None:
        start = options.time.partition("/")[0]
        return [Part(href, options.href, start, _PRECISION.get(len(start)))]
    # local days of other time zones need the hours of the days beside them
    more = timedelta(0 if request.dataset.time_zone == "UTC" else 1)
    interval = Interval(start=request.interval.start - more, end=request.interval.end + more)
    found: dict[str, Part] = {}
    for day in days(interval):
        year, week = re.split(r"\D+", _week(day, request).id)
        values = {
            "YYYY": year if "{WW}" in href else f"{day:%Y}",
            "MM": f"{day:%m}",
            "DD": f"{day:%d}",
            "WW": week.zfill(2),
            "K": str(min((day.day - 1) // 10, 2) + 1),
        }
        filled = partial(PLACEHOLDER.sub, lambda match, values=values: values[match[1]])
        part = Part(filled(href), filled(options.href), _start(day, step, request), step)
        found.setdefault(part.href, part)
    return list(found.values())


def step_of(href: str) -> Step | None:
    """Return how long a step of a file is by the placeholders in its address; None where there are none."""
    return next((step for placeholder, step in _STEPS.items() if placeholder in href), None)


def _week(day: date, request: SourceRequest) -> Period:
    """Return the week of a day, as the dataset's weekly period type counts it, otherwise by ISO 8601."""
    period_type = request.dataset.period_type
    return period_of(day, period_type if period_type.startswith("weekly") else "weekly")


def _start(day: date, step: Step, request: SourceRequest) -> str:
    """Return the date of the time step that a day lies in, as exact as the step."""
    if step == "week":
        return _week(day, request).start.isoformat()
    if step == "dekad":
        return day.replace(day=10 * min((day.day - 1) // 10, 2) + 1).isoformat()
    return day.isoformat()[: next(length for length, known in _PRECISION.items() if known == step)]


def with_time(grid: xr.DataArray, moment: str, name: str) -> xr.DataArray:
    """Return a grid with a time axis: its own, else of this one time; SourceError where that is not given."""
    if "time" in grid.dims:
        return grid
    if not moment:
        raise SourceError(
            f"{name}: has no time axis; set options.time (allowed: YYYY, YYYY-MM, YYYY-MM-DD), "
            "or put {YYYY}, {MM}, {DD}, {WW} (week), {K} (dekad) into options.href"
        )
    return grid.expand_dims(time=[np.datetime64(moment, "ns")])
