"""The source `file`: any NetCDF, GeoTIFF (COG) or Zarr, by path or URL; one file, or one a day, month or year."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from glob import escape, glob
from pathlib import Path
from typing import cast

import numpy as np
import xarray as xr

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.periods import period_of
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.geotiff import Bands
from eo_pygeoapi.pipeline.formats.kinds import format_of
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.grids.time_axis import Step
from eo_pygeoapi.pipeline.sources.assembly import assemble
from eo_pygeoapi.pipeline.sources.download import cached, download, exists
from eo_pygeoapi.pipeline.sources.file.options import FileOptions
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest

_SCHEMES = ("http", "https", "file")
# from fine to coarse: placeholder, and how the date of a file with it is written
_PLACEHOLDERS = (("{DD}", "%Y-%m-%d"), ("{MM}", "%Y-%m"), ("{YYYY}", "%Y"))
_PRECISION: dict[int, Step] = {len("YYYY"): "year", len("YYYY-MM"): "month", len("YYYY-MM-DD"): "day"}


@dataclass(frozen=True)
class _Part:
    """One file: path or URL, what messages call it, and the date that its name or the configuration gives it."""

    href: str
    name: str
    date: str

    def place(self, cache: Path) -> str:
        """Return where it is read: in place, or the copy in the cache that `download` makes."""
        if "://" not in self.href or format_of(self.href, self.name):
            return self.href
        return str(cached(self.href, cache))


class FileSource:
    """Files by path or URL."""

    def extract(self, request: SourceRequest) -> Extract:
        """Download what must be downloaded, list what is missing, and see that the rest, or its first file, opens."""
        parts = _parts(request)
        missing = [part for part in parts if not _fetch(part, request.cache)]
        if len(missing) == len(parts):
            raise SourceError(" and ".join(dict.fromkeys((parts[0].name, parts[-1].name))) + ": no such file")
        found = [part for part in parts if part not in missing]
        extract = Extract(files=[part.place(request.cache) for part in found], left_out=_left_out(missing, request))
        if len(found) == 1:
            self.open(request, extract)
        else:
            _opened(found[0], request)
        return extract

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open the files as one normalised grid."""
        options = cast(FileOptions, request.dataset.options)
        found = [part for part in _parts(request) if part.place(request.cache) in extract.files]
        if not found:
            raise SourceError(f"{options.href}: none of its files is where it was found before; run the job anew")
        grids = [_opened(part, request) for part in found]
        # a file for each day holds days; but hours, if it holds several
        single = all(grid.sizes.get("time", 1) == 1 for grid in grids)
        known = _PRECISION.get(len(found[0].date)) if single else None
        dated = [_with_time(grid, part) for grid, part in zip(grids, found, strict=True)]
        return assemble(dated, request, options.href, known)

    def look(self, request: SourceRequest) -> None:
        """Open the dataset's file, or the last of many; SourceError says what is wrong. URLs are not asked."""
        options = cast(FileOptions, request.dataset.options)
        href = request.dataset.resolve(options.href).removeprefix("file://")
        if "://" in href:
            return
        found = sorted(glob(_any_date(href)))
        if not found:
            raise SourceError(f"there is no file {href}")
        dated = any(placeholder in href for placeholder, _ in _PLACEHOLDERS)
        part = _Part(found[-1], found[-1], date.today().isoformat() if dated else options.time)
        _with_time(_opened(part, request), part)


def _any_date(href: str) -> str:
    """Return the pattern of the files that a path with placeholders may mean."""
    return re.sub(r"\{(YYYY|MM|DD)\}", lambda match: "[0-9]" * len(match[1]), escape(href))


def _opened(part: _Part, request: SourceRequest) -> xr.DataArray:
    options = cast(FileOptions, request.dataset.options)
    bands = Bands(options.band, part.date, options.time.partition("/")[2])
    opened = open_variable(part.place(request.cache), options.variable, part.name, bands)
    return cut_to_box(opened, request.bbox, part.name)


def _parts(request: SourceRequest) -> list[_Part]:
    """Return the files that the interval asks for, in order."""
    options = cast(FileOptions, request.dataset.options)
    href = request.dataset.resolve(options.href)
    scheme = href.partition("://")[0] if "://" in href else "file"
    if scheme not in _SCHEMES:
        raise SourceError(f"{options.href}: cannot read {scheme} URLs; allowed: a path, {', '.join(_SCHEMES)}")
    href = href.removeprefix("file://")
    written = next((form for placeholder, form in _PLACEHOLDERS if placeholder in href), "")
    if not written:
        return [_Part(href, options.href, options.time.partition("/")[0])]
    dates = {day.strftime(written): day for day in reversed(days(_with_neighbours(request)))}
    return [_Part(_filled(href, day), _filled(options.href, day), text) for text, day in reversed(dates.items())]


def _with_neighbours(request: SourceRequest) -> Interval:
    """Return the interval with the days beside it, whose hours the local days of other time zones need."""
    more = timedelta(0 if request.dataset.time_zone == "UTC" else 1)
    return Interval(start=request.interval.start - more, end=request.interval.end + more)


def _filled(text: str, day: date) -> str:
    values = {"{YYYY}": f"{day:%Y}", "{MM}": f"{day:%m}", "{DD}": f"{day:%d}"}
    return re.sub(r"\{(YYYY|MM|DD)\}", lambda match: values[match[0]], text)


def _fetch(part: _Part, cache: Path) -> bool:
    """Return whether there is such a file, after having downloaded it where it cannot be read in place."""
    if "://" not in part.href:
        return Path(part.href).exists()
    if kind := format_of(part.href, part.name):
        beside = ("",) if kind == "GeoTIFF" else ("/zarr.json", "/.zmetadata", "/.zgroup")
        return any(exists(part.href.rstrip("/") + name) for name in beside)
    return download(part.href, cache) is not None


def _left_out(missing: Sequence[_Part], request: SourceRequest) -> list[LeftOut]:
    dates = {part.date: part for part in missing}
    found: dict[str, LeftOut] = {}
    for day in days(request.interval) if missing else ():
        period = period_of(day, request.dataset.period_type)
        for length in _PRECISION:
            part = dates.get(day.isoformat()[:length])
            if part and period.id not in found:
                found[period.id] = LeftOut(period=period.id, reason=f"no file {part.name}")
    return list(found.values())


def _with_time(grid: xr.DataArray, part: _Part) -> xr.DataArray:
    if "time" in grid.dims:
        return grid
    if not part.date:
        raise SourceError(
            f"{part.name}: has no time axis; set options.time (allowed: YYYY, YYYY-MM, YYYY-MM-DD), "
            "or put {YYYY}, {MM}, {DD} into options.href"
        )
    return grid.expand_dims(time=[np.datetime64(part.date, "ns")])
