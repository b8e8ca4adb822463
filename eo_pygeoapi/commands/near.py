"""What `eo-pygeoapi check` finds in the files that the datasets name on this machine."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromGeoJSON
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.org_units.geojson import read_features, read_geojson
from eo_pygeoapi.pipeline.sources.request import LooksNear, SourceRequest
from eo_pygeoapi.pipeline.sources.step import source_for

WORLD = (-180.0, -90.0, 180.0, 90.0)


def near_findings(datasets: Mapping[str, Dataset], cache: Path, sample: Path) -> tuple[list[str], list[str]]:
    """Return what keeps jobs from reading local files, and which organisation units they will leave out.

    Files in the folder `sample` may be missing: `eo-pygeoapi up` makes them.
    """
    problems: list[str] = []
    left_out: list[str] = []
    today = date.today()
    for id_, dataset in datasets.items():
        block = f"resources.{id_}.eo"
        try:
            source = source_for(dataset)
            if isinstance(source, LooksNear):
                source.look(SourceRequest(dataset, Interval(start=today, end=today), WORLD, cache))
        except EoError as error:
            problems.append(f"{block}.options: {error}")
        units = dataset.org_units
        if not isinstance(units, OrgUnitsFromGeoJSON) or "://" in (path := dataset.resolve(units.href)):
            continue
        try:
            entries = read_features(read_geojson(path, path), path, units.id, units.name)[1]
        except EoError as error:
            problems.append(f"{block}.orgUnits: {error}")
            continue
        left_out += [f"{block}.orgUnits: {f'{e.org_unit}: ' if e.org_unit else ''}{e.reason}" for e in entries]
    return [problem for problem in problems if str(sample) not in problem], left_out
