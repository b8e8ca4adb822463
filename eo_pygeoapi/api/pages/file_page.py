"""The page of a file that a job left: its first rows as a table, and the file itself."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from eo_pygeoapi.jobs.documents import CSV, JSON
from eo_pygeoapi.store.store import ResultStore

ROWS_SHOWN = 100
LARGEST_JSON = 4 * 1024 * 1024  # bytes that are read for the sake of the first rows


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a table by column, and whether there are more; none of a file that is no table."""

    rows: Sequence[Mapping[str, object]] = ()
    more: bool = False


def first_rows(store: ResultStore, key: str, media_type: str) -> FirstRows:
    """Return the first rows of a CSV file, or of a list of objects in a JSON file that is not too large."""
    if media_type not in (CSV, JSON):
        return FirstRows()
    with store.open(key) as stream:
        if media_type == CSV:
            read = csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8", newline=""))
            found: list[Mapping[str, object]] = list(islice(read, ROWS_SHOWN + 1))
        else:
            text = stream.read(LARGEST_JSON + 1)
            found = _objects(json.loads(text)) if len(text) <= LARGEST_JSON else []
    return FirstRows(found[:ROWS_SHOWN], len(found) > ROWS_SHOWN)


def _objects(document: object) -> list[Mapping[str, object]]:
    """Return the objects of a list, or of the first list that is a member of a document."""
    members = document.values() if isinstance(document, Mapping) else [document]
    lists = (member for member in members if isinstance(member, list))
    return [entry for entry in next(lists, []) if isinstance(entry, Mapping)]
