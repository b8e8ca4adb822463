"""The source `chirps3`: CHIRPS v3 daily rainfall of the Climate Hazards Center, through dhis2eo.

Days are UTC days and cannot be shifted. Sums over whole months are made of CHC's own months (`months.py`). Else whole
published months come through dhis2eo's `download`, the days of younger months one by one.
"""

import calendar
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import cast

import xarray as xr

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.periods import period_of
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.gdal import configure_gdal
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.sources.assembly import assemble
from eo_pygeoapi.pipeline.sources.chirps3 import chc, months
from eo_pygeoapi.pipeline.sources.chirps3.options import PROVIDER, Chirps3Options, published_whole
from eo_pygeoapi.pipeline.sources.loggers import without_handlers
from eo_pygeoapi.pipeline.sources.product_folder import ProductFolder, opened
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest
from eo_pygeoapi.pipeline.sources.stale import no_data, raise_if_stale
from eo_pygeoapi.store.download_cache import CachedFile, days_text

_CELLS_PER_DEGREE = 20
_NORTH, _EAST = 60, 180  # the ends of its grid, and negated its southern and western ends
_STAGES = {"final": ("final",), "prelim": ("prelim",), "latest": ("final", "prelim")}
_NAME = "CHIRPS v3"


@dataclass(frozen=True)
class Chirps3Source:
    """CHIRPS v3; `today` tells which days cannot be published yet."""

    today: Callable[[], date] = date.today

    def extract(self, request: SourceRequest) -> Extract:
        """Fetch the published days of the interval; leave out the periods of the others."""
        options = cast(Chirps3Options, request.dataset.options)
        today, missing = self.today(), days(request.interval)
        configure_gdal()
        without_handlers()
        if months.fits(request) and (extract := _of_months(request, today)):
            return extract
        found: list[CachedFile] = []
        stages: dict[str, list[CachedFile]] = {}
        for stage in _STAGES[options.stage]:
            product = _product(request, stage)
            files, missing = _fetch(product, missing, today, request.say)
            if files:
                found += files
                stages[product.name] = files
        # where days are overdue, the server is asked for its newest: it may have stopped
        if any(today > options.expected(day) + (options.expected(day) - day) for day in missing):
            try:
                newest = chc.newest_day(product.served, today)
            except SourceError:  # the server does not answer HEAD requests
                pass
            else:
                raise_if_stale(product.name, options, missing, newest, today)
        left_out = _left_out(missing, request, options, today)
        if not found:
            expected = f"; expected {left_out[-1].expected}" if left_out[-1].expected else ""
            said = f"{product.name}: nothing is published for {missing[0]} to {missing[-1]}{expected}"
            raise no_data(said, options, missing, today)
        note = ", ".join(f"{name} {files[0].first} to {files[-1].last}" for name, files in stages.items())
        if len(stages) == 1:
            (note,) = stages
        # final files first, as they count where files overlap
        return Extract(files=[str(file.path) for file in found], left_out=left_out, note=note)

    def held(self, request: SourceRequest, wanted: Sequence[date]) -> set[date]:
        """Return the days that are kept, of the first stage that has them."""
        if months.fits(request):
            folder = months.Months.of(request, _product(request, "final").served).folder
            return folder.held(chc.VARIABLE, wanted, self.today())
        products = [_product(request, stage) for stage in _STAGES[cast(Chirps3Options, request.dataset.options).stage]]
        return set[date]().union(*(product.held(wanted, self.today()) for product in products))

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open the months and days as one normalised grid."""
        parts = [cut_to_box(part, request.bbox, _NAME) for part in opened(extract.files, _NAME)]
        if months.are_months(extract.files):
            return assemble(parts, request, _NAME, "month").assign_attrs(plausible=months.LIMITS)
        return assemble(parts, request, _NAME, "day")


@dataclass(frozen=True)
class _Product:
    """A stage and flavor of CHIRPS, its server and the folder of its files."""

    served: chc.Served
    folder: ProductFolder

    @property
    def name(self) -> str:
        """The name for messages and notes."""
        return self.served.name

    @property
    def is_final(self) -> bool:
        return self.served.stage == "final"

    def held(self, wanted: Sequence[date], today: date) -> set[date]:
        """Return which of these days are kept, by the names of the files."""
        return self.folder.held(chc.VARIABLE, wanted, today, None if self.is_final else published_whole)

    def kept(self, wanted: Sequence[date], today: date, *, locked: bool = False) -> tuple[list[CachedFile], list[date]]:
        """Return the kept files of these days, and the days that are missing."""
        final_from = None if self.is_final else published_whole
        return self.folder.covering(chc.VARIABLE, wanted, today, final_from, locked=locked)


def _product(request: SourceRequest, stage: str) -> _Product:
    options = cast(Chirps3Options, request.dataset.options)
    flavor = "sat" if stage == "prelim" else options.flavor  # the only preliminary one
    shared = request.download_box
    # the box of the units where CHIRPS does not have the whole of a larger one
    west, south, east, north = shared if -_NORTH <= shared[1] and shared[3] <= _NORTH else request.bbox
    if south < -_NORTH or north > _NORTH:
        raise SourceError(
            f"CHIRPS v3 covers {_NORTH}°S to {_NORTH}°N; the organisation units reach from {south:g} to {north:g}"
        )
    # the cells that cover the box and one more on each side, by the centres of the outermost: between centres no
    # rounding can add or lose a cell
    first_column, first_row = (_first_cell(edge, end) for edge, end in ((west, -_EAST), (south, -_NORTH)))
    last_column, last_row = (-_first_cell(-edge, -end) for edge, end in ((east, _EAST), (north, _NORTH)))
    centres = (first_column + 0.5, first_row + 0.5, last_column - 0.5, last_row - 0.5)
    box: Box = tuple(cell / _CELLS_PER_DEGREE for cell in centres)  # type: ignore[assignment]
    served = chc.Served(stage, flavor, options.base_url.rstrip("/") or PROVIDER, box)
    key = {"address": served.base_url, "box": list(served.box)}
    folder = ProductFolder.of(request.cache, "chirps3", f"{stage}-{flavor}", served.name, "D", key, request.shared)
    return _Product(served, folder)


def _of_months(request: SourceRequest, today: date) -> Extract | None:
    """Fetch months; None where the provider, or a mirror, lacks one that should be there: it may have its days."""
    product = months.Months.of(request, _product(request, "final").served)
    files, missing = product.fetch(days(request.interval), today, request.say)
    if not files or any(today >= published_whole(day) for day in missing):
        return None
    left_out = _left_out(missing, request, cast(Chirps3Options, request.dataset.options), today)
    return Extract(files=[str(file.path) for file in files], left_out=left_out, note=product.served.name)


def _first_cell(edge: float, end: int) -> int:
    """Return the second cell below `edge`, counted from 0 degrees, or the last of the grid."""
    return max(math.floor(edge * _CELLS_PER_DEGREE + 1e-9) - 1, end * _CELLS_PER_DEGREE)


def _fetch(
    product: _Product, wanted: Sequence[date], today: date, say: Callable[[str], None]
) -> tuple[list[CachedFile], list[date]]:
    """Fetch those of these days that are not kept; return the files, in order, and the unpublished days."""
    product.folder.make()
    _, missing = product.kept(wanted, today)
    with chc.served_by(product.served.base_url):
        for _, month in groupby(missing, lambda day: (day.year, day.month)):
            days_of_month = list(month)
            with product.folder.locked(say, part := f"{days_of_month[0]:%Y-%m}"):
                if lacking := product.kept(days_of_month, today, locked=True)[1]:
                    say(f"downloads {product.name} {part}")
                    _fetch_of_month(product, lacking, today, part)
    files, missing = product.kept(wanted, today)
    return sorted(files, key=lambda file: file.first), missing


def _fetch_of_month(product: _Product, lacking: Sequence[date], today: date, part: str) -> None:
    """Fetch these days of a month, whose lock is held: the whole month where it is published and nothing of it kept."""
    is_whole = today >= published_whole(lacking[0])
    first = lacking[0].replace(day=1)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    whole_month = [first + timedelta(n) for n in range(last.day)]
    # kept days mean that the month was not whole at the last request; dhis2eo fetches no months of prelim
    if is_whole and product.is_final and not product.kept(whole_month, today)[0]:
        with product.folder.unfinished(part) as unfinished, suppress(chc.NotPublishedError):
            if file := chc.download_month(product.served, first, unfinished):
                product.folder.keep(file, chc.VARIABLE, first, last)
                return
    _fetch_days(product, lacking, today, part, in_order=not is_whole)


def _fetch_days(product: _Product, lacking: Sequence[date], today: date, part: str, *, in_order: bool) -> None:
    """Fetch days one by one; where they are published `in_order`, stop at the first unpublished one."""
    for day in lacking:
        if day > today:
            return
        with product.folder.unfinished(part) as unfinished:
            try:
                file = chc.download_day(product.served, day, Path(unfinished, "day.nc"))
            except chc.NotPublishedError:
                if in_order:
                    return
                continue
            product.folder.keep(file, chc.VARIABLE, day, day, provisional=not product.is_final)


def _left_out(missing: Sequence[date], request: SourceRequest, options: Chirps3Options, today: date) -> list[LeftOut]:
    found = []
    for period, group in groupby(missing, lambda day: period_of(day, request.dataset.period_type)):
        lacking = list(group)
        expected = options.expected(lacking[-1])
        found.append(
            LeftOut(
                period=period.id,
                reason=f"not published: {days_text(lacking)}",
                expected=expected.isoformat() if expected > today else "",
            )
        )
    return found
