"""Fetch and open where people live, for datasets whose cells are weighed by them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.pipeline.grids.people import People, nearest
from eo_pygeoapi.pipeline.sources.request import Extract, Source, SourceRequest


def people_request(request: SourceRequest) -> SourceRequest:
    """Return the request for the people of the years of a request, or the nearest that the source may have."""
    dataset = request.dataset.of_people()
    years = [dataset.options.nearest_year(year) for year in _years(request)]
    whole = Interval(start=date(min(years), 1, 1), end=date(max(years), 12, 31))
    return replace(request, dataset=dataset, interval=whole, companions=())


def extract_people(request: SourceRequest, source: Source) -> Extract:
    """Fetch the people; the note says of which years they are, where these are not the values' own."""
    asked = people_request(request)
    extract = source.extract(asked)
    lacking = {entry.period for entry in extract.left_out}
    years = range(asked.interval.start.year, asked.interval.end.year + 1)
    there = [year for year in years if str(year) not in lacking]
    name = extract.note or asked.dataset.title
    return extract.model_copy(update={"note": "; ".join([f"people of {name}", *_substitutes(_years(request), there)])})


def open_people(request: SourceRequest, extract: Extract, source: Source) -> People:
    """Open the people that `extract_people` found."""
    grid = source.open(people_request(request), extract)
    return People(grid, str(grid.attrs["source"]), _content(extract))


def _years(request: SourceRequest) -> list[int]:
    """Return the years of the values, to which their periods belong."""
    return sorted({period.year for period in periods_in(request.interval, request.dataset.period_type)})


def _substitutes(wanted: Sequence[int], there: Sequence[int]) -> Iterator[str]:
    for year, same in groupby(wanted, lambda each: nearest(each, there)):
        if others := [each for each in same if each != year]:
            span = f"{others[0]}" if len(others) == 1 else f"{others[0]} to {others[-1]}"
            yield f"those of {year} stand for {span}"


def _content(extract: Extract) -> str:
    """Return a hash of the files and their last changes, '' where a file is not on this machine."""
    digest = hashlib.sha256()
    for path in extract.files:
        try:
            found = os.stat(path)
        except OSError:
            return ""
        digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
