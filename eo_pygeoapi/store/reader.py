"""Read the published values of datasets: filtered, sorted, by the page."""

import hashlib
import json
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import duckdb
import shapely

from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.duck import READER_MEMORY, connect
from eo_pygeoapi.store.features import BY_TIME, GROUPS, by_time, is_in_order
from eo_pygeoapi.store.outlines import Box, Kept, coarser, touching
from eo_pygeoapi.store.published import LATEST, Files, local_paths, read_files
from eo_pygeoapi.store.store import ResultStore

PROPERTIES = ("orgUnit", "name", "level", "period", "start", "end", "value", "validFraction", "jobID")
_OF_FILES = ", ".join(f'"{name}"' for name in (*PROPERTIES, "geometry"))
_COLUMNS = f"{_OF_FILES}, {GROUPS}"
_QUERIES_AT_ONCE = 2
_LARGEST_TEXTS = 64 * 1024 * 1024  # characters of outlines that are kept in memory
_MOST_CORNERS = 2_000_000
_MOST_COUNTS = 500_000  # periods


@dataclass(frozen=True)
class Condition:
    """A piece of SQL that is true of the rows wanted, over `PROPERTIES`, with a `?` for each parameter.

    `on_key` says that it depends on the unit and the period only; then it is asked before the latest of
    several rows is chosen.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    on_key: bool = False


@dataclass(frozen=True)
class Order:
    """A property to sort by; null comes last."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Touching:
    """The rows whose geometry has a point in common with one of the boxes (west, south, east, north)."""

    boxes: tuple[Box, ...]


Wanted = Condition | Touching

DEFAULT_ORDER = (Order("period"), Order("orgUnit"))


@dataclass(frozen=True)
class Page:
    """Some of the rows that match, and the number of all that do.

    A row holds the `PROPERTIES`, days as dates, `geometry`: a GeoJSON geometry or None, and where
    groups divide the value, `groups`: their JSON.
    """

    rows: list[JsonObject]
    matched: int


@dataclass(frozen=True)
class OutlinedPage:
    """A page whose rows hold the key of a geometry in place of it; `outlines` has their GeoJSON texts by key."""

    rows: list[dict[str, Any]]
    matched: int
    outlines: Mapping[str, str]


class PublishedReader:
    """Reads the published values of a store; one serves all threads of a process.

    It keeps a DuckDB in memory, and copies of the files where the store is not on this machine. Each call reads what
    the store holds by then. Every method raises ResultsError.
    """

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        # DuckDB works on one query with all its threads; more at once take memory and gain nothing
        self._turns = BoundedSemaphore(_QUERIES_AT_ONCE)
        self._kept = _Memory()

    def count(self, dataset_id: str, conditions: Sequence[Wanted]) -> int:
        """Return the number of rows that match."""
        return self.page(dataset_id, conditions, DEFAULT_ORDER, 0, 0).matched

    def page(
        self,
        dataset_id: str,
        conditions: Sequence[Wanted],
        order: Sequence[Order],
        offset: int,
        limit: int,
        *,
        with_geometry: bool = True,
        simplify: float = 0.0,
    ) -> Page:
        """Return at most `limit` of the rows that match, after the first `offset`; ties are in default order.

        `simplify` is how coarse the geometries may be, in metres.
        """
        found = self.outlined_page(
            dataset_id, conditions, order, offset, limit, with_geometry=with_geometry, simplify=simplify
        )
        geometries = {key: json.loads(text) for key, text in found.outlines.items()}
        return Page([row | {"geometry": geometries.get(row["geometry"])} for row in found.rows], found.matched)

    def outlined_page(
        self,
        dataset_id: str,
        conditions: Sequence[Wanted],
        order: Sequence[Order],
        offset: int,
        limit: int,
        *,
        with_geometry: bool = True,
        simplify: float = 0.0,
    ) -> OutlinedPage:
        """Return a page as `page` does, with each geometry once and as text."""
        whole = (*order, *(o for o in DEFAULT_ORDER if o.name not in {given.name for given in order}))

        def answer(files: Files) -> OutlinedPage:
            paths = dict(zip(files.keys(), local_paths(self._store, files.keys(), self._folder), strict=True))
            for folder in {Path(path).parent for path in paths.values() if Path(path).is_relative_to(self._folder)}:
                for copy in folder.glob("*.parquet"):
                    if str(copy) not in paths.values():  # its file is gone
                        copy.unlink(missing_ok=True)
            values = {year: [paths[key] for key in keys] for year, keys in files.values.items()}
            copied = Files(values, [paths[key] for key in files.geometries])
            query = _Query(self._connection.cursor(), copied, self._kept)
            with self._turns:
                rows, matched = query.page(conditions, whole, offset, limit)
                keys = {row["geometry"] for row in rows} - {None} if with_geometry else set()
                texts = query.coarser_outlines(keys, simplify) if simplify else query.outlines(keys)
            return OutlinedPage(rows, matched, texts)

        return read_files(self._store, dataset_id, answer)

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return connect(self._folder / "spill", READER_MEMORY)

    @cached_property
    def _folder(self) -> Path:
        """The folder for copies and for what DuckDB spills; whoever needs it first makes it."""
        folder = Path(tempfile.gettempdir(), f"eo-pygeoapi-{uuid.uuid4().hex}")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder


class _Memory:
    """What a reader keeps from one query to the next: geometries, numbers of rows by period, files with groups."""

    def __init__(self) -> None:
        self.texts = Kept[str](_LARGEST_TEXTS)
        self.shapes = Kept[Any](_MOST_CORNERS)
        self.coarse = Kept[dict[str, str]](_LARGEST_TEXTS)
        self.counts = Kept[list[tuple[str, int]]](_MOST_COUNTS)
        self.with_groups = Kept[bool](_MOST_COUNTS)


class _Query:
    """The statements of one answer, over one set of files."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, files: Files, kept: _Memory) -> None:
        self._cursor = cursor
        self._files = files
        self._kept = kept

    def page(
        self, wanted: Sequence[Wanted], order: Sequence[Order], offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return the rows of a page, with the key of the geometry in place of it, and the number of all that match.

        `order` leaves no ties.
        """
        conditions = [self._located(given) if isinstance(given, Touching) else given for given in wanted]
        counts = self._counts(conditions)
        matched = sum(count for _, count in counts)
        if offset >= matched or limit < 1:
            return [], matched
        if order[0].name == "period":
            # only the row groups of the page's periods are read and sorted, so the last page is as quick as the first
            counts = counts[::-1] if order[0].descending else counts
            ends = list(accumulate(count for _, count in counts))
            first = next(i for i, end in enumerate(ends) if end > offset)
            last = next((i for i, end in enumerate(ends) if end >= offset + limit), len(ends) - 1)
            periods = sorted(period for period, _ in counts[first : last + 1])
            conditions.append(Condition("period BETWEEN ? AND ?", (periods[0], periods[-1]), on_key=True))
            if not is_in_order(periods):
                conditions.append(Condition("period IN (SELECT unnest(?::VARCHAR[]))", (periods,)))
            offset -= ends[first - 1] if first else 0
            years = [year for year in self._files.values if periods[0][:4] <= year <= periods[-1][:4]]
        else:
            years = sorted({period[:4] for period, _ in counts})
        column = {} if is_in_order(period for period, _ in counts) else {"period": BY_TIME}
        by = ", ".join(
            f"{column.get(o.name, f'"{o.name}"')} {'DESC' if o.descending else 'ASC'} NULLS LAST" for o in order
        )
        found = self._select(_COLUMNS, years, conditions, f"ORDER BY {by} LIMIT ? OFFSET ?", limit, offset)
        rows = [dict(zip((*PROPERTIES, "geometry", GROUPS), row, strict=True)) for row in found]
        for row in rows:
            if row[GROUPS] is None:
                del row[GROUPS]
        return rows, matched

    def _counts(self, conditions: Sequence[Condition]) -> list[tuple[str, int]]:
        """Return the periods with rows that match, in order, and how many; counts of a year are kept, as its files."""
        asked = hashlib.sha256(repr(conditions).encode()).hexdigest()
        names = {year: "\n".join([asked, *paths]) for year, paths in self._files.values.items()}
        known = {year: self._kept.counts.get(name) for year, name in names.items()}
        missing = [year for year, found in known.items() if found is None]
        by_year: dict[str, list[tuple[str, int]]] = {year: [] for year in missing}
        for period, count in self._select("period, count(*)", missing, conditions, "GROUP BY period"):
            by_year[period[:4]].append((period, count))
        for year, found in by_year.items():
            self._kept.counts.put(names[year], found, 1 + len(found))
        counts = [entry for year in names for entry in known[year] or by_year.get(year, [])]
        return sorted(counts, key=lambda count: by_time(count[0]))

    def outlines(self, keys: Collection[str]) -> dict[str, str]:
        """Return GeoJSON texts by their keys."""
        found = {key: text for key in keys if (text := self._kept.texts.get(key)) is not None}
        if missing := list(keys - found.keys()) if self._files.geometries else []:
            query = "SELECT geometry, geojson FROM read_parquet(?) WHERE geometry IN (SELECT unnest(?::VARCHAR[]))"
            for key, text in self._cursor.execute(query, [self._files.geometries, missing]).fetchall():
                found[key] = text
                self._kept.texts.put(key, text, len(text))
        return found

    def coarser_outlines(self, keys: Collection[str], metres: float) -> dict[str, str]:
        """Return coarser GeoJSON texts by their keys; those of a dataset are made together, and kept."""
        name = "\n".join([f"{metres}", *sorted(self._files.keys())])
        if (found := self._kept.coarse.get(name)) is None:
            query = "SELECT DISTINCT level, geometry FROM read_parquet(?) WHERE geometry IS NOT NULL ORDER BY ALL"
            paths = [path for paths in self._files.values.values() for path in paths]
            pairs = self._cursor.execute(query, [paths]).fetchall()
            by_level = [[key for _, key in some] for _, some in groupby(pairs, key=lambda pair: pair[0])]
            found = coarser(self.outlines({key for _, key in pairs}), by_level, metres)
            self._kept.coarse.put(name, found, sum(map(len, found.values())))
        return {key: found[key] for key in keys}

    def _located(self, wanted: Touching) -> Condition:
        """Return the condition that a row's geometry is one of those that touch the boxes."""
        if not self._files.geometries:
            return Condition("false")
        near = " OR ".join(["(west <= ? AND east >= ? AND south <= ? AND north >= ?)"] * len(wanted.boxes))
        given = [number for west, south, east, north in wanted.boxes for number in (east, west, north, south)]
        query = f"SELECT geometry FROM read_parquet(?) WHERE {near}"
        keys = [key for (key,) in self._cursor.execute(query, [self._files.geometries, *given]).fetchall()]
        shapes = {key: shape for key in keys if (shape := self._kept.shapes.get(key)) is not None}
        for key, text in self.outlines(set(keys) - shapes.keys()).items():
            shapes[key] = shapely.from_geojson(text)
            self._kept.shapes.put(key, shapes[key], shapely.get_num_coordinates(shapes[key]))
        return Condition("geometry IN (SELECT unnest(?::VARCHAR[]))", (touching(shapes, wanted.boxes),))

    def _select(
        self, what: str, years: Sequence[str], conditions: Sequence[Condition], rest: str, *parameters: object
    ) -> list[Any]:
        """Return what a statement finds in the rows of years that count; where a year is one file, these are all."""
        of_key, keys = _all_of([c for c in conditions if c.on_key])
        files = [self._files.values[year] for year in years]
        single = [path for paths in files if len(paths) == 1 for path in paths]
        several = [path for paths in files if len(paths) > 1 for path in paths]
        parts = [(paths, choice) for paths, choice in ((single, ""), (several, LATEST)) if paths]
        if not parts:
            return []
        latest = " UNION ALL ".join(self._of_files(paths, of_key, choice) for paths, choice in parts)
        given = [value for paths, _ in parts for value in (paths, *keys)]
        where, more = _all_of([c for c in conditions if not c.on_key])
        query = f"SELECT {what} FROM ({latest}) WHERE start IS NOT NULL AND {where} {rest}"
        return self._cursor.execute(query, [*given, *more, *parameters]).fetchall()

    def _of_files(self, paths: Sequence[str], of_key: str, choice: str) -> str:
        """Return the SQL of the rows of files, of which those that count; few datasets' files have groups."""
        if not any(map(self._has_groups, paths)):
            return f"SELECT {_OF_FILES}, NULL::VARCHAR AS {GROUPS} FROM read_parquet(?) WHERE {of_key} {choice}"
        return f"SELECT {_COLUMNS} FROM read_parquet(?, union_by_name=true) WHERE {of_key} {choice}"

    def _has_groups(self, path: str) -> bool:
        """Return whether a file has groups; files never change, so that is kept."""
        if (known := self._kept.with_groups.get(path)) is None:
            query = "SELECT count(*) FROM parquet_schema(?) WHERE name = ?"
            known = bool(self._cursor.execute(query, [path, GROUPS]).fetchall()[0][0])
            self._kept.with_groups.put(path, known, 1)
        return known


def _all_of(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    sql = " AND ".join(f"({condition.sql})" for condition in conditions) or "true"
    return sql, [value for condition in conditions for value in condition.parameters]
