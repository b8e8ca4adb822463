"""Open rasters lazily as grids of longitudes and latitudes, and put the tiles of one day together.

A raster in another coordinate reference system becomes one of degrees while it is read (GDAL's warped VRT): each cell
has the value of the raster's cell at its centre, in cells of about the raster's size.
"""

import hashlib
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np
import rasterio
import rioxarray
import xarray as xr
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.formats.gdal import configure_gdal
from eo_pygeoapi.pipeline.formats.geotiff import Bands, of_bands
from eo_pygeoapi.pipeline.formats.lazy import translated
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.sources.cog.asking import token_for
from eo_pygeoapi.pipeline.sources.download import with_query

_METRES_A_DEGREE = 111_319.49  # of the equator of WGS 84
_REFUSED = "the server refuses; it wants a token (options.auth, options.sign)"
_REASONS = {
    "response code: 404": "does not exist any more",
    "response code: 401": _REFUSED,
    "response code: 403": _REFUSED,
    "not recognized": "is no raster that can be read",
}
_NUMBERS = ("nodata", "scale", "offset")


class RefusedError(SourceError):
    """The server does not let this reader read a raster, or does not any more."""


@dataclass(frozen=True)
class Raster:
    """A raster by its address, its first day, and what its metadata say of its numbers."""

    href: str
    day: date
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None

    @property
    def name(self) -> str:
        """The address without a query, for messages."""
        return self.href.partition("?")[0]

    def to_text(self) -> str:
        """Return all of it as an address with a fragment."""
        about = {"day": self.day.isoformat()}
        about |= {name: repr(value) for name in _NUMBERS if (value := getattr(self, name)) is not None}
        return f"{self.href}#{urlencode(about)}"

    @classmethod
    def of_text(cls, text: str) -> "Raster":
        """Read what `to_text` returned."""
        href, _, fragment = text.rpartition("#")
        about = dict(parse_qsl(fragment))
        return cls(href, date.fromisoformat(about.pop("day")), **{name: float(value) for name, value in about.items()})


@dataclass(frozen=True)
class Reading:
    """How rasters are read: which band, what their numbers mean where they do not say, and what shows the reader.

    `every` is how far bands are apart that are time steps, such as P1M, the first of them on the raster's day. `query`
    is put behind each address, and `token` sent with each request; `sign` gives another query when one has expired.
    """

    band: int = 0
    every: str = ""
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None
    query: str = ""
    token: str = ""
    sign: str = ""

    def signed_anew(self) -> "Reading":
        """Return the same with a new signature."""
        return replace(self, query=token_for(self.sign))

    def place(self, raster: Raster) -> str:
        """Return the path by which GDAL reads a raster."""
        href = raster.href
        if "://" not in href:
            return href
        if not href.startswith(("http://", "https://")):
            raise SourceError(f"{raster.name}: cannot be read; allowed: addresses with http or https")
        href = with_query(href, self.query)
        if not self.token:
            return f"/vsicurl/{href}"
        return f"/vsicurl?header_file={_header_file(self.token).name}&url={quote(href, safe='')}"

    def opened(self, rasters: Sequence[Raster], box: Box) -> xr.DataArray:
        """Open the rasters of one day as one grid around the box; where several have a cell, the first one counts."""
        configure_gdal()
        try:
            return self._opened(rasters, box)
        except RefusedError:
            if not self.sign:
                raise
        return self.signed_anew()._opened(rasters, box)

    def _opened(self, rasters: Sequence[Raster], box: Box) -> xr.DataArray:
        first, *others = rasters
        target = self._target(first, box) if others else None
        whole = self._one(first, box, target)
        for raster in others:
            whole = whole.where(whole.notnull(), self._one(raster, box, target))
        return whole

    def _target(self, raster: Raster, box: Box) -> dict[str, Any] | None:
        with _translated(raster.name), rasterio.open(self.place(raster)) as file:
            return _around(file, box)

    def _one(self, raster: Raster, box: Box, target: dict[str, Any] | None) -> xr.DataArray:
        """Return one raster on the cells of `target`, or on its own where it is in degrees and stands alone."""
        with _translated(raster.name), rasterio.open(self.place(raster)) as file:
            if file.crs is None:
                raise SourceError(f"{raster.name}: has no coordinate reference system; expected a GeoTIFF with one")
            nodata = _first(file.nodata, self.nodata, raster.nodata)
            cells = None if file.crs.is_geographic and target is None else target or _around(file, box)
            data = self.lazy(raster, cells, nodata)
            at = min(max(self.band, 1), file.count) - 1
            stated = file.scales[at] != 1 or file.offsets[at] != 0
            declared = file.nodata is not None or cells is not None
        again = partial(_read_anew, self, raster, cells, nodata) if self.sign else None
        data = translated(data, partial(_translated, raster.name, self.token), RefusedError, again)
        data = of_bands(data, raster.name, Bands(self.band, raster.day.isoformat(), self.every))
        # lazily: what comes before the cut would read all
        data = cut_to_box(data, box, raster.name)
        data = data if declared or nodata is None else data.where(data != nodata)
        if not stated:
            scale, offset = _first(self.scale, raster.scale), _first(self.offset, raster.offset)
            data = data * (1.0 if scale is None else scale) + (0.0 if offset is None else offset)
        return data

    def lazy(self, raster: Raster, cells: dict[str, Any] | None, nodata: float | None) -> xr.DataArray:
        """Open a raster on these cells of degrees, which have no data beyond it, or on its own cells."""
        if cells is None:
            data = rioxarray.open_rasterio(self.place(raster), mask_and_scale=True, lock=False)
        else:
            with rasterio.open(self.place(raster)) as file:
                data = _warped(file, raster, nodata, cells)
        if not isinstance(data, xr.DataArray):
            raise SourceError(f"{raster.name}: holds several rasters; expected one")
        return data


def _read_anew(reading: Reading, raster: Raster, cells: dict[str, Any] | None, nodata: float | None) -> xr.Variable:
    """Open a raster again with a new signature, as the old one has expired."""
    return reading.signed_anew().lazy(raster, cells, nodata).variable


@cache
def _header_file(token: str) -> MemoryFile:
    """Return a file in GDAL's memory, for the life of this process, with the header that shows a token.

    In a path the token itself would stand in each error of GDAL. The file has one name in all processes.
    """
    folder = hashlib.sha256(token.encode()).hexdigest()[:16]
    return MemoryFile(f"Authorization: Bearer {token}\n".encode(), dirname=folder, filename="headers")


@contextmanager
def _translated(name: str, token: str = "") -> Iterator[None]:
    """Turn GDAL's errors into ours, with the name of the raster in place of its path, which may hold a signature.

    Another process of a cluster needs its own file of the token's header.
    """
    if token:
        _header_file(token)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", NotGeoreferencedWarning)
            yield
    except NotGeoreferencedWarning:
        raise SourceError(f"{name}: has no georeference; expected a GeoTIFF with one") from None
    except RasterioError as error:
        words = f"{error} {error.__cause__ or ''}"  # that a read failed is raised from what says why
        if said := next((said for code, said in _REASONS.items() if code in words), ""):
            raise (RefusedError if said == _REFUSED else SourceError)(f"{name}: {said}") from None
        raise SourceUnavailableError(f"{name}: cannot be read; try again later") from None


def _warped(file: Any, raster: Raster, nodata: float | None, cells: dict[str, Any]) -> Any:
    """Open a raster on these cells of degrees; where it has none, they have no data."""
    if nodata is None:
        raise SourceError(
            f"{raster.name}: is in {file.crs.to_string()[:60]} or one of several tiles, and nothing says which number "
            "stands for no data; set options.nodata"
        )
    own = {"crs": "EPSG:4326", "resampling": Resampling.nearest, "src_nodata": nodata, "nodata": nodata}
    with WarpedVRT(file, **own, **cells) as warped:
        return rioxarray.open_rasterio(warped, mask_and_scale=True, lock=False)


def _first(*numbers: float | None) -> float | None:
    return next((number for number in numbers if number is not None), None)


def _around(file: Any, box: Box) -> dict[str, Any]:
    """Return transform, width and height of the cells around a box: the file's own in degrees, else as large as its."""
    west, south, east, north = box
    if file.crs.is_geographic:
        (width, height), (left, top) = file.res, (file.bounds.left, file.bounds.top)
    else:
        metres = min(file.res) * file.crs.linear_units_factor[1]
        width = height = 1 / max(1, round(_METRES_A_DEGREE / metres))
        left = top = 0.0
    columns = math.floor((west - left) / width) - 2, math.ceil((east - left) / width) + 2
    rows = math.floor((top - north) / height) - 2, math.ceil((top - south) / height) + 2
    return {
        "transform": from_origin(left + columns[0] * width, top - rows[0] * height, width, height),
        "width": columns[1] - columns[0],
        "height": rows[1] - rows[0],
    }


def spread(grids: Sequence[tuple[date, xr.DataArray]], days: int) -> xr.DataArray:
    """Return a grid of days: each has the value of the raster that began on it or on one of the `days` - 1 before.

    A raster ends where the next one begins, as the last 16 days of a year do.
    """
    starts = np.array([day for day, _ in grids], "M8[D]")
    ends = np.minimum(starts + days, np.append(starts[1:], starts[-1] + days))
    positions = np.repeat(np.arange(starts.size), (ends - starts).astype(int))
    labels = np.concatenate([np.arange(start, end) for start, end in zip(starts, ends, strict=True)])
    stacked = xr.concat([grid for _, grid in grids], "time", join="override", coords="minimal", compat="override")
    return stacked.isel(time=positions).assign_coords(time=labels.astype("M8[ns]"))
