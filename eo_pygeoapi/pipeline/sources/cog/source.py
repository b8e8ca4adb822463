"""The source `cog`: rasters of a provider over HTTP, by a template of addresses or by a search of a STAC API.

Of GeoTIFFs and Zarr stores only the window of the units is read; a NetCDF is downloaded whole, and kept. What is found
stands in `Extract.files` as addresses without tokens, which are asked for again when the rasters are opened.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import cast

import xarray as xr

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.periods import period_of
from eo_pygeoapi.dates import days_of, end_of_month
from eo_pygeoapi.errors import SourceCredentialError, SourceError
from eo_pygeoapi.pipeline.formats.kinds import format_of
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.grids.time_axis import Step
from eo_pygeoapi.pipeline.sources.assembly import assemble
from eo_pygeoapi.pipeline.sources.cog.asking import PAUSES, StacApi, token_for
from eo_pygeoapi.pipeline.sources.cog.options import RASTER_SERVER, CogOptions
from eo_pygeoapi.pipeline.sources.cog.raster import Raster, Reading, spread
from eo_pygeoapi.pipeline.sources.cog.stac import Search
from eo_pygeoapi.pipeline.sources.download import bearer, cached, download, exists
from eo_pygeoapi.pipeline.sources.file.source import parts_of, step_of, vectors_of_directions, with_time
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest
from eo_pygeoapi.pipeline.sources.stale import no_data
from eo_pygeoapi.wording import some

_ZARR_IS_OPEN = (
    "Zarr is read without options.auth and options.sign alone; put a login into a netrc of the worker, or take GeoTIFF"
)
_SIDE_FILES = ("/zarr.json", "/.zmetadata", "/.zgroup")


@dataclass(frozen=True)
class CogSource:
    """Rasters over HTTP; `today` tells what may still come, `environ` has the token.

    A search is tried again after `pauses`, in seconds.
    """

    today: Callable[[], date] = date.today
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    pauses: Sequence[float] = PAUSES

    def extract(self, request: SourceRequest) -> Extract:
        """Find the rasters of the interval, and leave out the periods that lack any."""
        options, reading = _options(request), self._reading(request)
        if options.stac:
            api = StacApi(options.stac, reading.token, self.pauses)
            rasters = Search(options, api).rasters(request.interval, request.bbox)
        else:
            rasters = _of_template(request, reading)
        step = _step(request)
        covered = {day for raster in rasters for day in _covered(raster, request, step)}
        missing = [day for day in days(request.interval) if day not in covered]
        name, today = options.called, self.today()
        if not rasters or len(missing) == len(days(request.interval)):
            expected = options.expected(missing[-1])
            until = f"; expected {expected}" if expected and expected > today else ""
            said = f"{name}: nothing is there for {missing[0]} to {missing[-1]}{until}"
            raise no_data(said, options, missing, today)
        files = [raster.to_text() for raster in rasters]
        _opened(rasters[:1], reading, request)
        return Extract(files=files, left_out=_left_out(request, missing, today), note=name)

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open the rasters as one normalised grid, lazily; each day's tiles together."""
        options, reading = _options(request), self._reading(request)
        name = options.called
        rasters = [Raster.of_text(text) for text in extract.files]
        grids = [
            (day, _opened(list(same), reading, request)) for day, same in groupby(rasters, lambda raster: raster.day)
        ]
        if options.item_days:
            return vectors_of_directions(assemble([spread(grids, options.item_days)], request, name, "day"), request)
        single = all(grid.sizes.get("time", 1) == 1 for _, grid in grids)
        is_dated = bool(options.stac or options.time or step_of(options.href))
        dated = [with_time(grid, day.isoformat() if is_dated else "", name) for day, grid in grids]
        return vectors_of_directions(assemble(dated, request, name, _step(request) if single else None), request)

    def _reading(self, request: SourceRequest) -> Reading:
        options = _options(request)
        return Reading(
            options.band,
            options.time.partition("/")[2],
            options.nodata,
            options.scale,
            options.offset,
            token_for(options.sign) if options.sign else "",
            self._token(request),
            options.sign,
        )

    def _token(self, request: SourceRequest) -> str:
        if not _options(request).auth:
            return ""
        variable = RASTER_SERVER.variables["token"]
        if token := self.environ.get(variable, ""):
            return token
        raise SourceCredentialError(f"{_options(request).called}: no token; set {variable}")


def _options(request: SourceRequest) -> CogOptions:
    return cast(CogOptions, request.dataset.options)


def _of_template(request: SourceRequest, reading: Reading) -> list[Raster]:
    """Return those of the addresses that the interval asks for at which there is a raster."""
    headers, query = bearer(reading.token), reading.query
    found = []
    for part in parts_of(request):
        first = days_of(part.date)[0] if part.date else request.interval.start
        raster = Raster(part.href, first)
        if "://" not in part.href:
            there = os.path.exists(part.href)
        elif kind := format_of(part.href, raster.name):
            if kind == "Zarr" and (headers or query):
                raise SourceError(f"{raster.name}: {_ZARR_IS_OPEN}")
            beside = ("",) if kind == "GeoTIFF" else _SIDE_FILES
            there = any(exists(_beside(part.href, name), headers, query) for name in beside)
        else:
            there = download(part.href, request.cache, headers=headers, query=query) is not None
        if there:
            found.append(raster)
    return found


def _beside(href: str, name: str) -> str:
    path, mark, query = href.partition("?")
    return f"{path.rstrip('/')}{name}{mark}{query}"


def _opened(rasters: Sequence[Raster], reading: Reading, request: SourceRequest) -> xr.DataArray:
    """Open the rasters of one day, in whatever format they are."""
    first = rasters[0]
    kind = format_of(first.href, first.name)
    if kind == "GeoTIFF" or _options(request).stac:
        return reading.opened(rasters, request.bbox)
    place = first.href if kind or "://" not in first.href else str(cached(first.href, request.cache))
    data = open_variable(place, _options(request).variable, first.name)
    return cut_to_box(data, request.bbox, first.name)


def _step(request: SourceRequest) -> Step:
    """Return how long a step of one raster is: by the options, else its address or its time, else a day."""
    options = _options(request)
    return options.step or (None if options.stac else parts_of(request)[0].step) or "day"


def _covered(raster: Raster, request: SourceRequest, step: Step) -> list[date]:
    """Return the days that a raster stands for."""
    first = raster.day
    if not _options(request).stac and step_of(_options(request).href) is None:
        return days(request.interval)  # one file of all times
    if stands := _options(request).item_days:
        last = first + timedelta(stands - 1)
    elif step == "dekad":
        last = first + timedelta(9) if first.day < 21 else end_of_month(first)
    elif step in ("month", "year"):
        last = end_of_month(first) if step == "month" else first.replace(month=12, day=31)
    else:
        last = first + timedelta(6 if step == "week" else 0)
    return days(Interval(start=first, end=last))


def _left_out(request: SourceRequest, missing: Sequence[date], today: date) -> list[LeftOut]:
    """Return the periods that lack a day: not there yet where it may still come, else a gap."""
    options, found = _options(request), dict[str, LeftOut]()
    for id_, lacking in groupby(missing, lambda day: period_of(day, request.dataset.period_type).id):
        these = list(lacking)
        expected = options.expected(these[-1])
        yet = expected is not None and expected > today
        said = f"{'not there yet' if yet else 'no raster'}: {some([day.isoformat() for day in these])}"
        found[id_] = LeftOut(period=id_, reason=said, expected=str(expected) if yet else "")
    return list(found.values())
