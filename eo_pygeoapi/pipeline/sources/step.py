"""Step 3: fetch and open the data of the dataset's source, whichever that is."""

import pkgutil
from dataclasses import replace

import xarray as xr

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.periods import partial_periods, periods_in, span
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.errors import ConfigError, InputError
from eo_pygeoapi.pipeline.sources.by_halves import ByHalves
from eo_pygeoapi.pipeline.sources.request import Extract, Source, SourceRequest

__all__ = ["Extract", "Source", "SourceRequest", "extract_source_data", "open_source_data", "source_for"]


def source_for(dataset: Dataset) -> Source:
    """Return what fetches this dataset's data; ConfigError where it cannot be loaded."""
    info = source_info(dataset.source)
    try:
        source: Source = pkgutil.resolve_name(info.source)()
    except Exception as error:  # of a package of others, which may raise anything while it is imported
        raise ConfigError(f"source {dataset.source!r}: {info.source} cannot be loaded: {error!r}") from error
    return source if info.across_180 else ByHalves(source)


def extract_source_data(request: SourceRequest) -> Extract:
    """Fetch what the dataset's source has for the whole periods in the request's interval, around its box.

    Periods that lie in the interval only in part are left out, and listed with those that the source cannot give.
    Raises InputError where no whole period lies in the interval, and what `Source.extract` raises.
    """
    source = source_for(request.dataset)
    extract = source.extract(_of_whole_periods(request))
    return extract.model_copy(update={"left_out": _partial(request) + extract.left_out})


def open_source_data(request: SourceRequest, extract: Extract) -> xr.DataArray:
    """Open what `extract_source_data` found as a normalised grid (see `grids.py`), lazily."""
    return source_for(request.dataset).open(_of_whole_periods(request), extract)


def _of_whole_periods(request: SourceRequest) -> SourceRequest:
    interval, period_type = request.interval, request.dataset.period_type
    whole = periods_in(interval, period_type)
    if not whole:
        partial = partial_periods(interval, period_type)[0]
        raise InputError(
            f"input start, end: no whole {period_type} period lies in {interval.start} to {interval.end}; "
            f"{partial.id} is {partial.start} to {partial.end}"
        )
    return replace(request, interval=span(whole))


def _partial(request: SourceRequest) -> list[LeftOut]:
    interval = request.interval
    return [
        LeftOut(
            period=period.id,
            reason=f"{period.start} to {period.end} lies only in part in {interval.start} to {interval.end}",
        )
        for period in partial_periods(interval, request.dataset.period_type)
    ]
