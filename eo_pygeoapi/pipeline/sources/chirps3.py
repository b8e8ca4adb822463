"""The source `chirps3`: CHIRPS v3 daily rainfall of the Climate Hazards Center, through dhis2eo.

Days are UTC days and cannot be shifted. Months that are published whole come through dhis2eo's `download`, the days
of younger months one by one. What is kept is named by all that it depends on, written beside its place, and moved
there only when it was found complete.
"""

import calendar
import hashlib
import json
import logging
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import cast

import numpy as np
import xarray as xr
from dhis2eo.data.chc.chirps3 import daily
from rasterio.errors import RasterioError
from rioxarray.exceptions import RioXarrayError

from eo_pygeoapi.errors import NoDataError, SourceError, SourceUnavailableError
from eo_pygeoapi.intervals import days
from eo_pygeoapi.models import LeftOut
from eo_pygeoapi.pipeline.grids import Box, cut_to_box
from eo_pygeoapi.pipeline.periods import period_of
from eo_pygeoapi.pipeline.sources.assembly import assemble
from eo_pygeoapi.pipeline.sources.formats import open_variable
from eo_pygeoapi.pipeline.sources.gdal import configure_gdal
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest
from eo_pygeoapi.source_options import Chirps3Options

PROVIDER = "https://data.chc.ucsb.edu"
_VARIABLE = "precip"
_CELLS_PER_DEGREE = 20
_NORTH, _EAST = 60, 180  # where its grid ends, and negated its southern and western end
_SEAM = threading.Lock()


class _NotPublishedError(Exception):
    """The provider has no file for a day."""


@dataclass(frozen=True)
class _Product:
    """A stage and flavor of CHIRPS in a box, and the folder where its files are kept."""

    stage: str
    flavor: str
    base_url: str
    box: Box
    folder: Path

    @property
    def name(self) -> str:
        """What messages and notes call it."""
        return f"CHIRPS v3 {self.stage} ({self.flavor})"

    def file(self, dates: str) -> Path:
        """Return where a month (2025-07) or day (2025-07-01) is kept."""
        return self.folder / f"{_VARIABLE}_{dates}.nc"

    def expected(self, day: date) -> date:
        """Return when a day is to be published: final by the month, preliminary by the pentad."""
        if self.stage == "final":
            return _published_whole(day)
        last_of_pentad = min((day.day - 1) // 5 * 5 + 5, 30)
        last_of_month = calendar.monthrange(day.year, day.month)[1]
        return day.replace(day=last_of_month if last_of_pentad >= 30 else last_of_pentad) + timedelta(2)


def _published_whole(day: date) -> date:
    """Return when dhis2eo takes the month of `day` for published: after the 20th of the following month."""
    return (day.replace(day=1) + timedelta(31)).replace(day=21)


@dataclass(frozen=True)
class Chirps3Source:
    """CHIRPS v3; `today` tells what cannot be published yet."""

    today: Callable[[], date] = date.today

    def extract(self, request: SourceRequest) -> Extract:
        """Fetch the days of the interval that are published; the periods of the others are left out."""
        product, today = _product(request), self.today()
        product.folder.mkdir(parents=True, exist_ok=True)
        configure_gdal()
        _without_handlers()
        files: list[Path] = []
        missing: list[date] = []
        with _served_by(product.base_url):
            for _, month in groupby(days(request.interval), lambda day: (day.year, day.month)):
                fetched, not_there = _fetch_month(product, list(month), today)
                files += fetched
                missing += not_there
        left_out = _left_out(missing, request, product, today)
        if not files:
            expected = f"; expected {left_out[-1].expected}" if left_out[-1].expected else ""
            raise NoDataError(f"{product.name}: nothing is published for {missing[0]} to {missing[-1]}{expected}")
        return Extract(files=[str(file) for file in files], left_out=left_out, note=product.name)

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open the months and days as one normalised grid."""
        name = _product(request).name
        parts = [cut_to_box(open_variable(file, _VARIABLE, name), request.bbox, name) for file in extract.files]
        return assemble(parts, request, name, "day")


def _product(request: SourceRequest) -> _Product:
    options = cast(Chirps3Options, request.dataset.options)
    flavor = "sat" if options.stage == "prelim" else options.flavor  # there is no other preliminary one
    base_url = options.base_url.rstrip("/") or PROVIDER
    box = _box(request.bbox)
    key = hashlib.sha256(json.dumps(["chirps3", base_url, options.stage, flavor, box]).encode()).hexdigest()[:16]
    folder = request.cache / "chirps3" / f"{options.stage}-{flavor}-{key}"
    return _Product(options.stage, flavor, base_url, box, folder)


def _box(bbox: Box) -> Box:
    """Return the box of the cells that cover `bbox` and one more on each side, from centre to centre of the outermost.

    Between centres no rounding can add or lose a cell. Raises SourceError beyond 60 degrees north or south.
    """
    west, south, east, north = bbox
    if south < -_NORTH or north > _NORTH:
        raise SourceError(
            f"CHIRPS v3 covers {_NORTH}°S to {_NORTH}°N; the organisation units reach from {south:g} to {north:g}"
        )
    first_column, first_row = (_first_cell(edge, end) for edge, end in ((west, -_EAST), (south, -_NORTH)))
    last_column, last_row = (-_first_cell(-edge, -end) for edge, end in ((east, _EAST), (north, _NORTH)))
    centres = (first_column + 0.5, first_row + 0.5, last_column - 0.5, last_row - 0.5)
    return tuple(cell / _CELLS_PER_DEGREE for cell in centres)  # type: ignore[return-value]


def _first_cell(edge: float, end: int) -> int:
    """Return the cell below `edge` but one, counted from 0 degrees, and not beyond the grid's end."""
    return max(math.floor(edge * _CELLS_PER_DEGREE + 1e-9) - 1, end * _CELLS_PER_DEGREE)


def _fetch_month(product: _Product, wanted: Sequence[date], today: date) -> tuple[list[Path], list[date]]:
    """Fetch these days of one month; return the files that hold them, and the days that are not published."""
    whole = product.file(f"{wanted[0]:%Y-%m}")
    if whole.exists():
        return [whole], []
    if today < _published_whole(wanted[0]):
        return _fetch_days(product, wanted, today, in_order=True)
    # days that are kept say that the month was not whole when it was last asked for
    if not any(product.folder.glob(product.file(f"{wanted[0]:%Y-%m}-*").name)):
        try:
            if _download_month(product, wanted[0], whole):
                return [whole], []
        except _NotPublishedError:
            pass
    return _fetch_days(product, wanted, today, in_order=False)


def _download_month(product: _Product, day: date, whole: Path) -> bool:
    """Download the whole month of `day`; return whether dhis2eo takes it for published."""
    month = f"{day:%Y-%m}"
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=product.folder) as unfinished:
        with _translated(product, month):
            files = daily.download(
                start=month,
                end=month,
                bbox=product.box,
                dirname=unfinished,
                prefix=_VARIABLE,
                stage=product.stage,
                flavor=product.flavor,
                var_name=_VARIABLE,
            )
        if files:
            length = calendar.monthrange(day.year, day.month)[1]
            _keep(product, Path(files[0]), whole, [day.replace(day=1 + n) for n in range(length)])
        return bool(files)


def _fetch_days(
    product: _Product, wanted: Sequence[date], today: date, *, in_order: bool
) -> tuple[list[Path], list[date]]:
    """Fetch days one by one; where they are published in order, none is asked for after the first that is not."""
    files: list[Path] = []
    missing: list[date] = []
    for day in wanted:
        file = product.file(day.isoformat())
        asked = day <= today and not (in_order and missing)
        if file.exists() or (asked and _fetch_day(product, day, file)):
            files.append(file)
        else:
            missing.append(day)
    return files, missing


def _fetch_day(product: _Product, day: date, file: Path) -> bool:
    """Fetch a day; return whether it is published."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".unfinished-", dir=product.folder) as folder,
            _translated(product, day.isoformat()),
        ):
            unfinished = Path(folder, file.name)
            daily.fetch_day(day, product.box, _VARIABLE, product.stage, product.flavor).to_netcdf(unfinished)
            _keep(product, unfinished, file, [day])
    except _NotPublishedError:
        return False
    return True


def _keep(product: _Product, unfinished: Path, file: Path, expected: Sequence[date]) -> None:
    """Move a file to its place, after having seen that it holds these days; SourceError where it does not."""
    data = open_variable(str(unfinished), _VARIABLE, product.name)
    held = data["time"].values.astype("M8[D]")
    data.close()
    if not np.array_equal(held, np.array(expected, "M8[D]")):
        raise SourceError(f"{product.name}: expected {expected[0]} to {expected[-1]}, received {held.size} days")
    os.replace(unfinished, file)


@contextmanager
def _translated(product: _Product, what: str) -> Iterator[None]:
    """Turn what dhis2eo, rioxarray and GDAL raise into our errors."""
    try:
        yield
    except RasterioError as error:
        text = f"{error} {error.__cause__ or ''}".strip()
        if "HTTP response code: 404" in text:
            raise _NotPublishedError(text) from error
        raise SourceUnavailableError(
            f"{product.name}: cannot read {what} from {product.base_url}: {text}; try again later"
        ) from error
    except RioXarrayError as error:
        raise SourceError(f"{product.name}: {what} cannot be cut to {product.box}: {error}") from error
    except OSError as error:
        raise SourceError(f"{product.name}: cannot keep {what} in {product.folder}: {error}") from error


@contextmanager
def _served_by(base_url: str) -> Iterator[None]:
    """Let dhis2eo read from `base_url`, which it has no option for; one at a time, for it is done to its module."""
    with _SEAM:
        original = daily.url_for_day

        def url_for_day(*args: object, **kwargs: object) -> str:
            return base_url + str(original(*args, **kwargs)).removeprefix(PROVIDER)

        daily.url_for_day = url_for_day
        try:
            yield
        finally:
            daily.url_for_day = original


def _without_handlers() -> None:
    """Take away the handlers that dhis2eo gives its loggers, or every line is printed twice."""
    for name in ("dhis2eo.data.utils", daily.__name__):
        logging.getLogger(name).handlers.clear()


def _left_out(missing: Sequence[date], request: SourceRequest, product: _Product, today: date) -> list[LeftOut]:
    found = []
    for period, group in groupby(missing, lambda day: period_of(day, request.dataset.period_type)):
        lacking = list(group)
        expected = product.expected(lacking[-1])
        dates = ", ".join(day.isoformat() for day in lacking[:3]) + (", …" if len(lacking) > 3 else "")
        found.append(
            LeftOut(
                period=period.id,
                reason=f"not published: {dates}",
                expected=expected.isoformat() if expected > today else "",
            )
        )
    return found
