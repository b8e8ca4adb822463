"""The local file that `eo-pygeoapi check` looks at, and a glance at it."""

import re
from datetime import date
from glob import escape, glob
from typing import cast

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.glance import is_right
from eo_pygeoapi.pipeline.sources.file.options import FileOptions

PLACEHOLDER = re.compile(r"\{(YYYY|MM|DD|WW|K)\}")


def local_file(dataset: Dataset) -> tuple[str, str] | None:
    """Return the path of the dataset's file, or of the last of many, with its date by name or options; None for a URL.

    Raises SourceError where there is no such file.
    """
    options = cast(FileOptions, dataset.options)
    href = dataset.resolve(options.href).removeprefix("file://")
    if "://" in href:
        return None
    any_date = PLACEHOLDER.sub(lambda match: "[0-9]" * len(match[1]), escape(href))
    found = sorted(glob(any_date))
    if not found:
        raise SourceError(f"there is no file {href}")
    dated = any_date != escape(href)
    return found[-1], date.today().isoformat() if dated else options.time


def seems_right(dataset: Dataset) -> bool:
    """Return whether a glance at the dataset's file finds that a job can read it; False where it cannot tell."""
    options = cast(FileOptions, dataset.options)
    try:
        found = local_file(dataset)
    except SourceError:
        return False
    if found is None:
        return True
    path, moment = found
    bands_are_times = "/" in options.time
    return not bands_are_times and is_right(path, options.variable, options.band, bool(moment))
