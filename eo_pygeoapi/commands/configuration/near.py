"""The part of `eo-pygeoapi check` that opens the files that the datasets name on this machine."""

import pkgutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from eo_pygeoapi.commands.extras import WORKER, missing_from
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromGeoJSON
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.grids.axis import WORLD
from eo_pygeoapi.pipeline.org_units.geojson import read_features, read_geojson


def near_findings(datasets: Mapping[str, Dataset], cache: Path, sample: Path) -> tuple[list[str], list[str]]:
    """Return what keeps jobs from reading local files, and which organisation units they will leave out.

    Files in the folder `sample` may be missing: `eo-pygeoapi up` makes them.
    """
    opened = {id_: dataset for id_, dataset in datasets.items() if not _is_made_later(dataset, sample)}
    if opened and missing_from(WORKER):
        return [], [f"files that datasets name are not opened here: the extra `{WORKER}` is not installed"]
    return _findings(opened, cache, sample) if opened else ([], [])


def _is_made_later(dataset: Dataset, sample: Path) -> bool:
    """Return whether all files that a dataset names on this machine are in the folder `sample`, which is not there."""
    units = dataset.org_units.href if isinstance(dataset.org_units, OrgUnitsFromGeoJSON) else "://"
    paths = [dataset.resolve(href) for href in [*dataset.options.local_paths(), units]]
    return not sample.exists() and all("://" in path or Path(path).is_relative_to(sample) for path in paths)


def _findings(datasets: Mapping[str, Dataset], cache: Path, sample: Path) -> tuple[list[str], list[str]]:
    problems: list[str] = []
    left_out: list[str] = []
    for id_, dataset in datasets.items():
        block = f"resources.{id_}.eo"
        try:
            _look_at_data(dataset, cache)
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


def _look_at_data(dataset: Dataset, cache: Path) -> None:
    """Raise the EoError of a source that cannot be loaded, or that finds something wrong with local files.

    Importing sources takes seconds, so files that are right at a glance, and sources of this package that have no
    files here, are left at that.
    """
    info = source_info(dataset.source)
    if info.glance and pkgutil.resolve_name(info.glance)(dataset):
        return
    if info.source.startswith("eo_pygeoapi.") and not dataset.options.local_paths():
        return
    from eo_pygeoapi.pipeline.sources.request import LooksNear, SourceRequest
    from eo_pygeoapi.pipeline.sources.step import source_for

    source = source_for(dataset)
    if isinstance(source, LooksNear):
        today = date.today()
        source.look(SourceRequest(dataset, Interval(start=today, end=today), WORLD, cache))
