"""The source `era5-land`: hourly ERA5-Land, of the Climate Data Store or of Destination Earth, through dhis2eo.

The cache keeps the hours of UTC days by variable; this gathers them into the days of the dataset's time zone. A request
to the provider asks for those days of a month that the cache lacks, for all datasets that need them. Where a dataset
asks for daily statistics and they are exactly what the hours would give, days take the place of the hours.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import cast

import xarray as xr

from eo_pygeoapi.contract.intervals import days as days_in
from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.formats.attributes import STEP_TYPE
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.sources.assembly import assemble
from eo_pygeoapi.pipeline.sources.era5_land.cds import ClimateDataStore
from eo_pygeoapi.pipeline.sources.era5_land.derived import DERIVED_VARIABLES
from eo_pygeoapi.pipeline.sources.era5_land.destine import EarthDataHub
from eo_pygeoapi.pipeline.sources.era5_land.formulas import derive
from eo_pygeoapi.pipeline.sources.era5_land.hours import amounts, needed_days
from eo_pygeoapi.pipeline.sources.era5_land.options import Era5LandOptions
from eo_pygeoapi.pipeline.sources.era5_land.provider import HourlyProvider, NotPublishedError, Wanted, fetched
from eo_pygeoapi.pipeline.sources.era5_land.received import Received, check, read, write_days
from eo_pygeoapi.pipeline.sources.era5_land.statistics import DailyStatistic, daily_statistic
from eo_pygeoapi.pipeline.sources.era5_land.variables import ERA5_LAND_VARIABLES
from eo_pygeoapi.pipeline.sources.loggers import without_handlers
from eo_pygeoapi.pipeline.sources.product_folder import ProductFolder, opened
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest
from eo_pygeoapi.pipeline.sources.stale import no_data, raise_if_stale
from eo_pygeoapi.store.download_cache import CachedFile, days_text, parse

_LOG = logging.getLogger(__name__)
_CELLS_PER_DEGREE = 10
_SURELY_THERE = timedelta(60)  # a younger day may not be published yet, or its provider have stopped

Providers = Mapping[str, Callable[[str], HourlyProvider]]
PROVIDERS: Providers = {"cds": ClimateDataStore, "destine": EarthDataHub}


@dataclass(frozen=True)
class Era5LandSource:
    """ERA5-Land; `today` tells which days cannot be published yet, `providers` makes a provider for a base address."""

    today: Callable[[], date] = date.today
    providers: Providers = field(default_factory=lambda: PROVIDERS)

    def extract(self, request: SourceRequest) -> Extract:
        """Fetch the UTC days that the interval needs; leave out the periods of unpublished ones."""
        options = cast(Era5LandOptions, request.dataset.options)
        without_handlers()
        fetching = self._fetching(request)
        provider, name = fetching.provider, fetching.folder.name
        own = _needed(request.dataset, request.interval, fetching.daily)
        kept, missing = fetching.fetch_missing(_variables(request), own)
        fetching.raise_if_stale(own, missing)
        left_out = _left_out(request, set(missing), fetching.expected)
        if len(left_out) == len(periods_in(request.interval, request.dataset.period_type)):
            interval, expected = request.interval, left_out[0].expected
            said = (
                f"{name}: nothing is published for {interval.start} to {interval.end} "
                f"(it lacks {days_text(missing)} (UTC)){f'; expected {expected}' if expected else ''}"
            )
            raise no_data(said, options, missing, fetching.today)
        provisional = [file for file in kept if file.provisional]
        note = f"ERA5-Land ({provider.name}{', daily statistics' if fetching.daily else ''})"
        if provisional:
            note += f", provisional (ERA5T) from {min(file.first for file in provisional)}"
        return Extract(files=[str(file.path) for file in kept], left_out=left_out, note=note)

    def held(self, request: SourceRequest, wanted: Sequence[date]) -> set[date]:
        """Return the local days of which all hours of all inputs are kept."""
        fetching = self._fetching(request)
        options, zone = fetching.options, request.dataset.time_zone
        if fetching.daily:
            return fetching.folder.held(options.variable, wanted, fetching.today, options.final_from)
        needed = {day: needed_days(day, day, zone, accumulated=options.accumulated) for day in wanted}
        utc_days = sorted({utc for days in needed.values() for utc in days})
        kept = [fetching.folder.held(v, utc_days, fetching.today, options.final_from) for v in options.inputs]
        return {day for day, days in needed.items() if all(days_of.issuperset(days) for days_of in kept)}

    def _fetching(self, request: SourceRequest) -> "_Fetching":
        options = cast(Era5LandOptions, request.dataset.options)
        address = options.base_url.rstrip("/")
        provider = self.providers[options.provider](address)
        box = list(box_of(request.download_box))
        key: dict[str, object] = {"provider": options.provider, "address": address, "box": box}
        name, product, step = f"ERA5-Land of the {provider.name}", str(options.provider), "h"
        if daily := _daily(request.dataset, request.interval):
            key |= {"statistic": daily.statistic, "timeZone": daily.time_zone}
            product, step = f"{options.provider}-daily-{daily.statistic}", "D"
        folder = ProductFolder.of(request.cache, "era5-land", product, name, step, key, request.shared)
        return _Fetching(request, provider, folder, self.today(), daily)

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open the kept days as one normalised grid of hours; compute a derived variable hour by hour."""
        options = cast(Era5LandOptions, request.dataset.options)
        if options.variable not in DERIVED_VARIABLES:
            return self._opened(options.variable, request, extract.files)
        of_input = {variable: [path for path in extract.files if _holds(path, variable)] for variable in options.inputs}
        return derive(options.variable, [self._opened(each, request, files) for each, files in of_input.items()])

    def _opened(self, variable: str, request: SourceRequest, files: Sequence[str]) -> xr.DataArray:
        """Open the kept days of one variable of the provider."""
        name = f"ERA5-Land {variable}"
        parts = [cut_to_box(part, request.bbox, name) for part in opened(files, name)]
        known = ERA5_LAND_VARIABLES.get(variable)
        accumulated = known.accumulated if known else parts[0].attrs.get(STEP_TYPE) == "accum"
        if known and known.kind == "amount":
            parts = [part.assign_attrs(least=0.0) for part in parts]
        if _daily(request.dataset, request.interval):
            return assemble(parts, request, name, "day")
        return assemble(parts, request, name, "hour", amounts if accumulated else lambda data: data)


def _holds(path: str, variable: str) -> bool:
    file = parse(Path(path))
    return file is not None and file.variable == variable


def box_of(bbox: Box) -> Box:
    """Return the grid points that surround `bbox`, and one more on each side.

    The provider interpolates to the corners of a request, so these must be its own points.
    """
    west, south, east, north = (edge * _CELLS_PER_DEGREE for edge in bbox)
    low = (_below(west) - 1, _below(south) - 1)
    high = (-_below(-east) + 1, -_below(-north) + 1)
    ends = (180 * _CELLS_PER_DEGREE, 90 * _CELLS_PER_DEGREE)
    cells = [max(value, -end) for value, end in zip(low, ends, strict=True)]
    cells += [min(value, end) for value, end in zip(high, ends, strict=True)]
    return tuple(cell / _CELLS_PER_DEGREE for cell in cells)  # type: ignore[return-value]


def _below(cells: float) -> int:
    return int((cells + 1e-6) // 1)


def _daily(dataset: Dataset, interval: Interval) -> DailyStatistic | None:
    """Return the daily statistic that takes the place of the hours; None where the hours are needed."""
    if cast(Era5LandOptions, dataset.options).product == "hours":
        return None
    return daily_statistic(dataset.aggregation, dataset.time_zone, interval.start, interval.end)


def _needed(dataset: Dataset, interval: Interval, daily: DailyStatistic | None) -> list[date]:
    """Return the days of the provider that a dataset needs for an interval: UTC days, or those of its statistic."""
    if daily:
        return days_in(interval)
    accumulated = cast(Era5LandOptions, dataset.options).accumulated
    return needed_days(interval.start, interval.end, dataset.time_zone, accumulated=accumulated)


def _variables(request: SourceRequest) -> dict[str, list[date]]:
    """Return the variables to fetch and the days needed of each: the dataset's own, and its companions'.

    An unknown variable stays alone, so that the provider's refusal of it fails no other dataset.
    """
    own, daily = cast(Era5LandOptions, request.dataset.options), _daily(request.dataset, request.interval)
    found = dict.fromkeys(own.inputs, _needed(request.dataset, request.interval, daily))
    if not found.keys() <= ERA5_LAND_VARIABLES.keys():
        return found
    for other in request.companions:
        if not isinstance(options := other.options, Era5LandOptions):
            continue
        same = (options.provider, options.base_url) == (own.provider, own.base_url)
        same = same and _daily(other, request.interval) == daily
        for variable in options.inputs if same else ():
            if variable in ERA5_LAND_VARIABLES:
                found[variable] = sorted({*found.get(variable, ()), *_needed(other, request.interval, daily)})
    return found


@dataclass
class _Fetching:
    """The download for one request: of hours, or of a daily statistic.

    `latest` is the last day that is published, once the provider has said it.
    """

    request: SourceRequest
    provider: HourlyProvider
    folder: ProductFolder
    today: date
    daily: DailyStatistic | None = None
    latest: date | None = None

    @property
    def options(self) -> Era5LandOptions:
        """The options of the dataset."""
        return cast(Era5LandOptions, self.request.dataset.options)

    def kept(self, variable: str, days: Sequence[date], *, locked: bool = False) -> tuple[list[CachedFile], list[date]]:
        """Return the kept files of these days, and the days that are missing."""
        return self.folder.covering(variable, days, self.today, self.options.final_from, locked=locked)

    def own(self, days: Sequence[date]) -> tuple[list[CachedFile], list[date]]:
        """Return the kept files of all inputs of the dataset, and the days that any of them lacks."""
        files, lacking = list[CachedFile](), set[date]()
        for variable in self.options.inputs:
            kept, missing = self.kept(variable, days)
            files += kept
            lacking.update(missing)
        return files, sorted(lacking)

    def fetch_missing(
        self, variables: Mapping[str, Sequence[date]], own: Sequence[date]
    ) -> tuple[list[CachedFile], list[date]]:
        """Fetch the days that are not kept, a request a month; nothing where the dataset itself lacks nothing.

        Returns what `own` does afterwards.
        """
        self.folder.make()
        if not (before := self.own(own))[1]:
            return before
        missing = {day for variable, days in variables.items() for day in self.kept(variable, days)[1]}
        wanted = sorted(day for day in missing if day <= self.today)
        self._ask_for_newest(wanted)
        for _, month in groupby(wanted, lambda day: (day.year, day.month)):
            if days := [day for day in month if self.latest is None or day <= self.latest]:
                with self.folder.locked(self.request.say, part := f"{days[0]:%Y-%m}"):
                    self._fetch_of_month(variables, set(days), part)
        return self.own(own)

    def _fetch_of_month(self, variables: Mapping[str, Sequence[date]], wanted: set[date], name: str) -> None:
        """Fetch what is not kept of these days of a month, whose lock is held, in one request."""
        needed = {variable: sorted(wanted.intersection(days)) for variable, days in variables.items()}
        missing = {variable: self.kept(variable, days, locked=True)[1] for variable, days in needed.items()}
        lacking, days = [variable for variable in missing if missing[variable]], sorted(set().union(*missing.values()))
        if not days:  # another job has fetched them
            return
        _LOG.info("%s: asks for %s of %s", self.folder.name, ", ".join(lacking), days_text(days))
        with self.folder.unfinished(name) as unfinished:
            asked = Wanted(lacking, days, box_of(self.request.download_box), self.daily)
            try:
                for part, files in fetched(self.provider, asked, unfinished, self.request.say):
                    for variable in part.variables:
                        self._keep(read(files, variable, self.folder.name), variable, part.days, unfinished)
            except NotPublishedError as error:
                self.latest = error.latest or self.latest
                _LOG.info("%s: %s", self.provider.name, error)

    def _ask_for_newest(self, wanted: Sequence[date]) -> None:
        """Ask the provider how far its data go, where some of the days may not be there yet."""
        if not wanted or self.today - wanted[-1] > _SURELY_THERE:
            return
        newest = self.provider.newest(self.options.collection)
        self.latest = self.daily.last_day(newest) if newest and self.daily else newest

    def _keep(self, found: Received, variable: str, days: Sequence[date], unfinished: Path) -> None:
        steps = 1 if self.daily else 24
        found = found.of_days() if self.daily else found
        check(found, days, self.request.download_box, self.folder.name, steps)
        # of statistics CDS does not say whether their hours are final
        parts = write_days(found, days, unfinished, steps, lambda day: self._is_final(day) or not self.daily)
        for part in parts:
            self.folder.keep(part.path, variable, part.first, part.last, provisional=part.provisional)

    def _is_final(self, day: date) -> bool:
        return self.options.final_from(day) <= self.today

    def raise_if_stale(self, own: Sequence[date], missing: Sequence[date]) -> None:
        """Raise StaleProviderError where days are missing because the provider has stopped."""
        newest = self.latest or max(set(own) - set(missing), default=None)
        raise_if_stale(self.folder.name, self.options, missing, newest, self.today)

    def expected(self, day: date) -> str:
        """Return the expected date of the data of a day, '' where they should be published already."""
        expected = self.options.expected(day)
        if self.latest and self.latest < day:
            expected = day + max(self.today - self.latest, timedelta(1))
        return expected.isoformat() if expected > self.today else ""


def _left_out(request: SourceRequest, missing: set[date], expected: Callable[[date], str]) -> list[LeftOut]:
    dataset, found = request.dataset, []
    daily = _daily(dataset, request.interval)
    clock = daily.time_zone.upper() if daily else "UTC"
    for period in periods_in(request.interval, dataset.period_type) if missing else ():
        needed = _needed(dataset, Interval(start=period.start, end=period.end), daily)
        lacking = [day for day in needed if day in missing]
        if lacking:
            found.append(
                LeftOut(
                    period=period.id,
                    reason=f"not published: {days_text(lacking)} ({clock})",
                    expected=expected(lacking[-1]),
                )
            )
    return found
