"""What `eo-pygeoapi check` sees of the files that the datasets name on this machine."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromGeoJSON
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.org_units.geojson import read_features, read_geojson
from eo_pygeoapi.pipeline.sources.request import LooksNear, SourceRequest
from eo_pygeoapi.pipeline.sources.step import source_for

WORLD = (-180.0, -90.0, 180.0, 90.0)


def near_problems(datasets: Mapping[str, Dataset], cache: Path, sample: Path) -> Iterator[str]:
    """Yield what keeps jobs from reading local files; those in the folder `sample` are made when `up` starts."""
    for id_, dataset in datasets.items():
        for member, problem in [*_of_data(dataset, cache), *_of_units(dataset)]:
            if str(sample) not in problem:
                yield f"resources.{id_}.eo.{member}: {problem}"


def near_remarks(datasets: Mapping[str, Dataset]) -> Iterator[str]:
    """Yield what of the files of organisation units will be left out."""
    for id_, dataset in datasets.items():
        source = dataset.org_units
        if not isinstance(source, OrgUnitsFromGeoJSON) or "://" in (path := dataset.resolve(source.href)):
            continue
        try:
            _, left_out = read_features(read_geojson(path, path), path, source.id, source.name)
        except EoError:
            continue  # which is a problem
        for entry in left_out:
            name = f"{entry.org_unit}: " if entry.org_unit else ""
            yield f"resources.{id_}.eo.orgUnits: {name}{entry.reason}"


def _of_data(dataset: Dataset, cache: Path) -> Iterator[tuple[str, str]]:
    try:
        source = source_for(dataset)
        if isinstance(source, LooksNear):
            today = date.today()
            source.look(SourceRequest(dataset, Interval(start=today, end=today), WORLD, cache))
    except EoError as error:
        yield "options", str(error)


def _of_units(dataset: Dataset) -> Iterator[tuple[str, str]]:
    source = dataset.org_units
    if not isinstance(source, OrgUnitsFromGeoJSON) or "://" in (path := dataset.resolve(source.href)):
        return
    try:
        read_features(read_geojson(path, path), path, source.id, source.name)
    except EoError as error:
        yield "orgUnits", str(error)
