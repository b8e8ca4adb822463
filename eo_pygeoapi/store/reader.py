"""Read the published values of datasets: filtered, sorted, by the page."""

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import duckdb

from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.published import LATEST, READER_MEMORY, Files, connect, local_paths, read_files
from eo_pygeoapi.store.store import ResultStore

PROPERTIES = ("orgUnit", "name", "level", "period", "start", "end", "value", "validFraction", "jobID")
_COLUMNS = ", ".join(f'"{name}"' for name in (*PROPERTIES, "geometry"))
_QUERIES_AT_ONCE = 2
_NO_GEOMETRIES = "SELECT ''::VARCHAR AS geometry, 0.0 AS west, 0.0 AS south, 0.0 AS east, 0.0 AS north WHERE false"


@dataclass(frozen=True)
class Condition:
    """A piece of SQL that is true of the rows wanted, over `PROPERTIES`, with a `?` for each parameter.

    It may look up `geometry` in the table `geometries(geometry, west, south, east, north)`. `on_key` says that it
    depends on the unit, the period and its days only; then it is asked before the latest of several rows is chosen.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    on_key: bool = False


@dataclass(frozen=True)
class Order:
    """A property to sort by; null comes last."""

    name: str
    descending: bool = False


DEFAULT_ORDER = (Order("period"), Order("orgUnit"))


@dataclass(frozen=True)
class Page:
    """Some of the rows that match, and the number of all that do.

    A row holds the `PROPERTIES`, days as dates, and `geometry`: a GeoJSON geometry or None.
    """

    rows: list[JsonObject]
    matched: int


class PublishedReader:
    """Reads what is published in a store; one serves all threads of a process.

    It keeps a DuckDB in memory, and copies of the files where the store is not on this machine. What it reads is
    what the store holds at the moment of asking. Every method raises ResultsError.
    """

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        # DuckDB works on one query with all its threads; more at once take memory and gain nothing
        self._turns = BoundedSemaphore(_QUERIES_AT_ONCE)

    def count(self, dataset_id: str, conditions: Sequence[Condition]) -> int:
        """Return the number of rows that match."""
        return self.page(dataset_id, conditions, DEFAULT_ORDER, 0, 0).matched

    def page(
        self,
        dataset_id: str,
        conditions: Sequence[Condition],
        order: Sequence[Order],
        offset: int,
        limit: int,
        *,
        with_geometry: bool = True,
    ) -> Page:
        """Return at most `limit` of the rows that match, after the first `offset`; what ties is in default order."""
        whole = (*order, *(o for o in DEFAULT_ORDER if o.name not in {given.name for given in order}))

        def answer(files: Files) -> Page:
            query = _Query(self._connection.cursor(), self._copied(files))
            with self._turns:
                return query.page(conditions, whole, offset, limit, with_geometry)

        return read_files(self._store, dataset_id, answer)

    def _copied(self, files: Files) -> Files:
        """Return the files with local paths for keys, and drop the copies of files that are gone."""
        paths = dict(zip(files.keys(), local_paths(self._store, files.keys(), self._folder), strict=True))
        for folder in {Path(path).parent for path in paths.values() if Path(path).is_relative_to(self._folder)}:
            for copy in folder.glob("*.parquet"):
                if str(copy) not in paths.values():
                    copy.unlink(missing_ok=True)
        values = {year: [paths[key] for key in keys] for year, keys in files.values.items()}
        return Files(values, [paths[key] for key in files.geometries])

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return connect(self._folder / "spill", READER_MEMORY)

    @cached_property
    def _folder(self) -> Path:
        folder = tempfile.mkdtemp(prefix="eo-pygeoapi-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)


class _Query:
    """The statements of one answer, over one set of files."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, files: Files) -> None:
        self._cursor = cursor
        self._files = files

    def page(
        self, conditions: Sequence[Condition], order: Sequence[Order], offset: int, limit: int, with_geometry: bool
    ) -> Page:
        """Return a page; `order` leaves no ties."""
        counts = self._count_by_period(conditions)
        matched = sum(count for _, count in counts)
        if offset >= matched or limit < 1:
            return Page([], matched)
        narrowed, rest = _narrow(conditions, order, counts, offset, limit)
        rows = self._rows(narrowed, order, rest, limit)
        geometries = self._geometries({row["geometry"] for row in rows} - {None}) if with_geometry else {}
        return Page([row | {"geometry": geometries.get(row["geometry"])} for row in rows], matched)

    def _count_by_period(self, conditions: Sequence[Condition]) -> list[tuple[str, int]]:
        """Return (period, number of rows), sorted."""
        return self._select("period, count(*)", conditions, "GROUP BY period ORDER BY period")

    def _rows(
        self, conditions: Sequence[Condition], order: Sequence[Order], offset: int, limit: int
    ) -> list[JsonObject]:
        """Return rows, with the key of the geometry in place of it."""
        by = ", ".join(f'"{o.name}" {"DESC" if o.descending else "ASC"} NULLS LAST' for o in order)
        found = self._select(_COLUMNS, conditions, f"ORDER BY {by} LIMIT ? OFFSET ?", limit, offset)
        return [dict(zip((*PROPERTIES, "geometry"), row, strict=True)) for row in found]

    def _geometries(self, keys: Iterable[str]) -> JsonObject:
        """Return GeoJSON geometries by their keys."""
        if not self._files.geometries:
            return {}
        query = "SELECT geometry, geojson FROM read_parquet(?) WHERE geometry IN (SELECT unnest(?::VARCHAR[]))"
        found = self._cursor.execute(query, [self._files.geometries, list(keys)]).fetchall()
        return {key: json.loads(text) for key, text in found}

    def _select(self, what: str, conditions: Sequence[Condition], rest: str, *parameters: object) -> list[Any]:
        latest, given = self._latest([c for c in conditions if c.on_key])
        if not latest:
            return []
        geometries = "SELECT * EXCLUDE geojson FROM read_parquet(?)" if self._files.geometries else _NO_GEOMETRIES
        given = [*([self._files.geometries] if self._files.geometries else []), *given]
        where, more = _all_of([c for c in conditions if not c.on_key])
        query = f"WITH geometries AS ({geometries}) SELECT {what} FROM ({latest}) WHERE {where} {rest}"
        return self._cursor.execute(query, [*given, *more, *parameters]).fetchall()

    def _latest(self, conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
        """Return the statement of the rows that count: where a year is one file, all of it."""
        where, parameters = _all_of(conditions)
        single = [path for paths in self._files.values.values() if len(paths) == 1 for path in paths]
        several = [path for paths in self._files.values.values() if len(paths) > 1 for path in paths]
        parts = [(paths, choice) for paths, choice in ((single, ""), (several, LATEST)) if paths]
        query = " UNION ALL ".join(f"SELECT {_COLUMNS} FROM read_parquet(?) WHERE {where} {c}" for _, c in parts)
        return query, [value for paths, _ in parts for value in (paths, *parameters)]


def _all_of(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    sql = " AND ".join(f"({condition.sql})" for condition in conditions) or "true"
    return sql, [value for condition in conditions for value in condition.parameters]


def _narrow(
    conditions: Sequence[Condition],
    order: Sequence[Order],
    counts: Sequence[tuple[str, int]],
    offset: int,
    limit: int,
) -> tuple[Sequence[Condition], int]:
    """Narrow a page down to the periods it lies in, and return what is left of the offset there.

    That makes the last page as quick as the first: only the row groups of these periods are read and sorted.
    """
    if order[0].name != "period":
        return conditions, offset
    counts = counts[::-1] if order[0].descending else counts
    ends = list(accumulate(count for _, count in counts))
    first = next(i for i, end in enumerate(ends) if end > offset)
    last = next((i for i, end in enumerate(ends) if end >= offset + limit), len(ends) - 1)
    periods = sorted((counts[first][0], counts[last][0]))
    return [*conditions, Condition("period BETWEEN ? AND ?", tuple(periods), on_key=True)], offset - (
        ends[first - 1] if first else 0
    )
