"""The source `worldpop`: WorldPop's yearly population counts of a country at 100 m, also by age and sex.

dhis2eo knows the address of a year's GeoTIFF, and the options know those by age and sex. This downloads the files in
pieces and with time limits, and reads them window by window, because a large country has more cells than fit into
memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
import rasterio
import xarray as xr
from dhis2eo.data.worldpop.pop_total import yearly
from rasterio.errors import RasterioError

from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.errors import NoDataError, SourceUnavailableError
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.sources.assembly import assemble
from eo_pygeoapi.pipeline.sources.download import TIMEOUTS, Timeouts, download
from eo_pygeoapi.pipeline.sources.loggers import without_handlers
from eo_pygeoapi.pipeline.sources.product_folder import ProductFolder
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest
from eo_pygeoapi.pipeline.sources.worldpop.options import PROVIDER, YEARS, WorldPopOptions
from eo_pygeoapi.store.download_cache import CachedFile, parse

_VARIABLE = "population"


@dataclass(frozen=True)
class WorldPopSource:
    """WorldPop population counts; `timeouts` are seconds to connect, and between two reads."""

    timeouts: Timeouts = TIMEOUTS

    def extract(self, request: SourceRequest) -> Extract:
        """Download the years of the interval that exist; leave out the periods of the others."""
        without_handlers()
        options, name, folder = cast(WorldPopOptions, request.dataset.options), _name(request), _folder(request)
        periods = periods_in(request.interval, request.dataset.period_type)
        years = sorted({period.year for period in periods})
        with folder.locked(request.say):
            found = {year: files for year in years if (files := _fetch_all(request, folder, year, self.timeouts))}
        if not found:
            first, last = YEARS[options.version]
            asked = f"{years[0]} to {years[-1]}" if len(years) > 1 else f"{years[0]}"
            raise NoDataError(f"{name}: there is nothing for {asked}; this version covers {first} to {last}")
        left_out = [
            LeftOut(period=period.id, reason=f"{name} has no {period.year}")
            for period in periods
            if period.year not in found
        ]
        paths = [str(file.path) for files in found.values() for file in files]
        return Extract(files=paths, left_out=left_out, note=name)

    def held(self, request: SourceRequest, wanted: Sequence[date]) -> set[date]:
        """Return the days of years that are kept, of all bands."""
        folder, bands = _folder(request), cast(WorldPopOptions, request.dataset.options).bands()
        return set.intersection(*(folder.held(band, wanted, date.max) for band in bands or [_VARIABLE]))

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open the years as one normalised grid of people per cell; of the request's group, or of all bands."""
        name, years = _name(request), dict[date, list[xr.DataArray]]()
        wanted = cast(WorldPopOptions, request.dataset.options).bands(request.group) or [_VARIABLE]
        for path in extract.files:
            file = parse(Path(path))
            assert file is not None  # `extract` named it
            if file.variable not in wanted:
                continue
            cells = cut_to_box(open_variable(path, "", name), request.bbox, name)
            # numbers below 0 are marks for missing data that the file does not declare
            years.setdefault(file.first, []).append(cells.where(cells >= 0))
        parts = [_sum(bands).expand_dims(time=[np.datetime64(first, "ns")]) for first, bands in years.items()]
        first, last = min(years), max(years)
        whole = Interval(start=first, end=last.replace(month=12, day=31))
        # people are counted, and not summed: a year of another calendar has those of its own Gregorian year
        return assemble(parts, replace(request, interval=whole), name, "year").assign_attrs(of_own_year=True)


def _folder(request: SourceRequest) -> ProductFolder:
    options = cast(WorldPopOptions, request.dataset.options)
    product, key = f"{options.version}-{options.country}", {"address": options.base_url.rstrip("/") or PROVIDER}
    return ProductFolder.of(request.cache, "worldpop", product, _name(request), "", key, request.shared)


def _name(request: SourceRequest) -> str:
    options = cast(WorldPopOptions, request.dataset.options)
    return f"WorldPop {options.version} {options.country}"


def _sum(bands: list[xr.DataArray]) -> xr.DataArray:
    """Return the people of several bands; a cell has data where one of them has."""
    if len(bands) == 1:
        return bands[0]
    return xr.concat(bands, "band", coords="minimal", compat="override").sum("band", min_count=1, keep_attrs=True)


def _fetch_all(request: SourceRequest, folder: ProductFolder, year: int, timeouts: Timeouts) -> list[CachedFile]:
    """Return the kept files of a year, of each band, or download them; none where WorldPop lacks one."""
    found = []
    for band in cast(WorldPopOptions, request.dataset.options).bands() or [""]:
        if (file := _fetch(request, folder, year, band, timeouts)) is None:
            return []
        found.append(file)
    return found


def _fetch(
    request: SourceRequest, folder: ProductFolder, year: int, band: str, timeouts: Timeouts
) -> CachedFile | None:
    """Return the kept file of a year, or download it; None where WorldPop has none."""
    options = cast(WorldPopOptions, request.dataset.options)
    first, last, variable = date(year, 1, 1), date(year, 12, 31), band or _VARIABLE
    files, _ = folder.covering(variable, [first], last)
    if files:
        return files[0]
    begin, end = YEARS[options.version]
    if not begin <= year <= end:
        return None
    known = str(yearly.url_country_for_year(year, options.country, options.version)).removeprefix(f"{PROVIDER}/")
    url = f"{options.base_url.rstrip('/') or PROVIDER}/{options.place(year, band) if band else known}"
    what = f"{folder.name} {year} {band}".strip()
    request.say(f"downloads {what}")
    with folder.unfinished() as unfinished:
        file = download(url, unfinished, timeouts)
        if file is None:
            return None
        try:  # read all of it once: a raster that was cut off opens well and fails in its last rows
            with rasterio.open(file) as raster:
                for _, window in raster.block_windows(1):
                    raster.read(1, window=window)
        except RasterioError as error:
            text = str(error.__cause__ or error).replace(str(file), "the file")
            problem = f"what was received cannot be read: {text}; try again later"
            raise SourceUnavailableError(f"{what}: {problem}") from error
        return parse(folder.keep(file, variable, first, last))
