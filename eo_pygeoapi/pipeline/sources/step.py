"""Step 3: fetch and open the data of the dataset's source."""

import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import xarray as xr

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.periods import is_of_no_type, partial_periods, periods_in, raise_without_period, span
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.pipeline.grids.people import People
from eo_pygeoapi.pipeline.sources.by_halves import ByHalves
from eo_pygeoapi.pipeline.sources.people import extract_people, open_people
from eo_pygeoapi.pipeline.sources.request import Extract, Keeps, Source, SourceRequest
from eo_pygeoapi.store.shared_cache import local_copies

__all__ = [
    "Extract",
    "Source",
    "SourceRequest",
    "extract_source_data",
    "held_days",
    "open_group",
    "open_people_of",
    "open_source_data",
    "source_for",
]


def source_for(dataset: Dataset) -> Source:
    """Return the source of a dataset; raise ConfigError where it cannot be loaded."""
    info = source_info(dataset.source)
    try:
        source: Source = pkgutil.resolve_name(info.source)()
    except Exception as error:  # importing the package of somebody else may raise anything
        raise ConfigError(f"source {dataset.source!r}: {info.source} cannot be loaded: {error!r}") from error
    return source if info.across_180 else ByHalves(source)


def extract_source_data(request: SourceRequest) -> Extract:
    """Fetch the data of the dataset's source for the whole periods in the request's interval, around its box.

    Lists periods that lie in the interval only in part with those that the source lacks. Raises InputError where no
    whole period lies in the interval, and the errors of `Source.extract`.
    """
    interval = request.interval
    whole = _of_whole_periods(request)
    extract = source_for(request.dataset).extract(whole)
    people = None
    if request.dataset.weighs_people:
        people = extract_people(whole, source_for(request.dataset.of_people()))
    partial = [
        LeftOut(
            period=period.id,
            reason=f"DHIS2 has no period for {period.start} to {period.end} (week 53 by twos; the 13th Ethiopian month)"
            if is_of_no_type(period)
            else f"{period.start} to {period.end} lies only in part in {interval.start} to {interval.end}",
        )
        for period in partial_periods(interval, request.dataset.period_type)
    ]
    return extract.model_copy(update={"left_out": partial + extract.left_out, "people": people})


def held_days(request: SourceRequest, wanted: Sequence[date]) -> set[date]:
    """Return which of these days would not be downloaded, because they are kept here."""
    source = source_for(request.dataset)
    return source.held(request, wanted) if isinstance(source, Keeps) else set()


def open_source_data(request: SourceRequest, extract: Extract) -> xr.DataArray:
    """Open the data of `extract_source_data` as a normalised grid (see `grids/grid.py`), lazily."""
    return source_for(request.dataset).open(_of_whole_periods(request), _here(request, extract))


def open_group(request: SourceRequest, extract: Extract, group: str) -> xr.DataArray:
    """Open the data of one of the groups that the values are divided by."""
    return open_source_data(replace(request, group=group), extract)


def open_people_of(request: SourceRequest, extract: Extract) -> People | None:
    """Open where people live, lazily; None for datasets that do not weigh them."""
    if extract.people is None:
        return None
    return open_people(
        _of_whole_periods(request), _here(request, extract.people), source_for(request.dataset.of_people())
    )


def _here(request: SourceRequest, extract: Extract) -> Extract:
    """Return the extract with its files on this machine, where another one has fetched them."""
    if request.shared is None:
        return extract
    beyond = _here(request, extract.beyond) if extract.beyond else None
    files = local_copies(extract.files, request.cache, request.shared)
    return extract.model_copy(update={"files": files, "beyond": beyond})


def _of_whole_periods(request: SourceRequest) -> SourceRequest:
    interval, period_type = request.interval, request.dataset.period_type
    raise_without_period(interval, period_type)
    return replace(request, interval=span(periods_in(interval, period_type)))
