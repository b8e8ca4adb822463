"""The values of one job as GeoJSON features: stored as two tables, each geometry once, and written as text on request.

`values.parquet` has a row per unit and period, null where there is no value; `units.parquet` has the name, the level
and the geometry of each unit as GeoJSON text.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.store.duck import READER_MEMORY, connect, quoted
from eo_pygeoapi.store.features import BY_TIME, GROUPS, Table, Unit
from eo_pygeoapi.store.job_folder import UNITS, VALUES, JobFolder
from eo_pygeoapi.store.outlines import coarser

_ROWS_AT_ONCE = 10_000
_SEPARATOR, _END = b",\n", b"\n]}\n"
# what follows the unit in a feature: DuckDB writes it many times as fast as Python
_TAIL = """
    '"period":' || to_json(period) || ',"start":' || to_json(start) || ',"end":' || to_json("end")
    || ',"value":' || coalesce(to_json(value)::VARCHAR, 'null')
    || ',"validFraction":' || coalesce(to_json("validFraction")::VARCHAR, 'null')
{groups}    || ',"jobID":' || to_json($job::VARCHAR) || '},"id":' || to_json("orgUnit" || '-' || period) || '}'"""
# the JSON of the groups without its braces: each is a property of the feature
_GROUPS = f"    || coalesce(',' || nullif({GROUPS}[2:-2], ''), '')\n"

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def write_features(folder: JobFolder, table: Table, units: Mapping[str, Unit]) -> None:
    """Store the values and the units of a job."""
    with TemporaryDirectory(prefix="eo-pygeoapi-") as spill, connect(Path(spill), READER_MEMORY) as connection:
        connection.register("rows", dict(table.columns))
        rows = """SELECT * REPLACE (CASE WHEN isfinite(value) THEN value END AS value,
            CASE WHEN isfinite("validFraction") THEN "validFraction" END AS "validFraction") FROM rows"""
        columns = {
            "ids": list(units),
            "names": [unit.name for unit in units.values()],
            "levels": [unit.level for unit in units.values()],
            "texts": [unit.geometry or None for unit in units.values()],
        }
        of_units = """SELECT unnest($ids::VARCHAR[]) AS "orgUnit", unnest($names::VARCHAR[]) AS name,
            unnest($levels::INTEGER[]) AS level, unnest($texts::VARCHAR[]) AS geometry"""
        for name, query, parameters in ((VALUES, rows, {}), (UNITS, of_units, columns)):
            with folder.new_file(name) as path:
                connection.execute(f"COPY ({query}) TO {quoted(path)} (FORMAT parquet, USE_TMP_FILE false)", parameters)


@dataclass(frozen=True)
class KeptUnit:
    """A unit of a job; `geometry` is GeoJSON text, empty where it has none."""

    org_unit: str
    name: str
    level: int | None
    geometry: str

    def head(self) -> bytes:
        """Return the beginning of this unit's features."""
        return (
            f'{{"type":"Feature","geometry":{self.geometry or "null"},"properties":{{"orgUnit":{_json(self.org_unit)},'
            f'"name":{_json(self.name)},"level":{_json(self.level)},'
        ).encode()


class JobFeatures:
    """The features of one job, opened for reading; close it when it is not needed any more.

    `about` are further members of the collection, such as what the values are.
    Raises MissingResultError where the job has left none.
    """

    def __init__(self, folder: JobFolder, about: Mapping[str, object] = {}) -> None:
        self._job_id = folder.job_id
        members = "".join(f"{_json(name)}:{_json(value)}," for name, value in about.items())
        self._begin = f'{{"type":"FeatureCollection",{members}"features":[\n'.encode()
        with ExitStack() as opened:
            copies = Path(opened.enter_context(TemporaryDirectory(prefix="eo-pygeoapi-")))
            paths = {}
            for name in (VALUES, UNITS):
                path = folder.local_path(name)
                if path is None or not folder.exists(name):
                    path = copies / name
                    folder.copy_to(name, path)
                paths[name] = path
            self._values = paths[VALUES]
            self._connection = opened.enter_context(connect(copies / "spill", READER_MEMORY))
            columns = [name for name, *_ in self._rows("DESCRIBE FROM read_parquet(?)", [str(self._values)])]
            self._tail = _TAIL.replace("{groups}", _GROUPS if GROUPS in columns else "")
            query = """SELECT "orgUnit", name, level, coalesce(geometry, '') FROM read_parquet(?)"""
            found = self._rows(query, [str(paths[UNITS])])
            self.units = {row[0]: KeptUnit(*row) for row in found}
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the files, and delete the copies of them."""
        self._opened.close()

    def coarser_units(self, metres: float) -> dict[str, KeptUnit]:
        """Return the units with coarser outlines; neighbours of one level go on touching."""
        levels: dict[int | None, list[str]] = {}
        for unit in self.units.values():
            if unit.geometry:
                levels.setdefault(unit.level, []).append(unit.org_unit)
        found = coarser({key: unit.geometry for key, unit in self.units.items()}, list(levels.values()), metres)
        return {key: replace(unit, geometry=found[key]) for key, unit in self.units.items()}

    def size(self, units: Mapping[str, KeptUnit]) -> int:
        """Return the number of bytes that `text` yields."""
        query = f'SELECT "orgUnit", count(*), sum(strlen({self._tail})) FROM read_parquet($path) GROUP BY ALL'
        total, rows = 0, 0
        for org_unit, count, tails in self._rows(query, self._parameters()):
            total += count * len(units[org_unit].head()) + int(tails)
            rows += count
        return total + max(rows - 1, 0) * len(_SEPARATOR) + len(self._begin) + len(_END)

    def text(self, units: Mapping[str, KeptUnit]) -> Iterator[bytes]:
        """Yield the pieces of a GeoJSON text with one feature per row, in the order of the table."""
        heads = {org_unit: unit.head() for org_unit, unit in units.items()}
        found = self._connection.execute(f'SELECT "orgUnit", {self._tail} FROM read_parquet($path)', self._parameters())
        yield self._begin
        before = b""
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for org_unit, tail in rows:
                yield before + heads[org_unit] + tail.encode()
                before = _SEPARATOR
        yield _END

    def counts_by_period(self) -> list[tuple[str, int]]:
        """Return (period, number of values that are not null), sorted."""
        query = f"SELECT period, count(value) FROM read_parquet(?) GROUP BY period ORDER BY {BY_TIME}"
        return [(period, count) for period, count in self._rows(query, [str(self._values)])]

    def values_of_period(self, period: str) -> list[tuple[str, float | None]]:
        """Return (unit, value), sorted."""
        query = 'SELECT "orgUnit", value FROM read_parquet(?) WHERE period = ? ORDER BY "orgUnit"'
        return [(unit, value) for unit, value in self._rows(query, [str(self._values), period])]

    def values_of_unit(self, org_unit: str) -> list[tuple[str, float | None]]:
        """Return (period, value), sorted."""
        query = f'SELECT period, value FROM read_parquet(?) WHERE "orgUnit" = ? ORDER BY {BY_TIME}'
        return [(period, value) for period, value in self._rows(query, [str(self._values), org_unit])]

    def _parameters(self) -> dict[str, Any]:
        return {"path": str(self._values), "job": self._job_id}

    def _rows(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, parameters).fetchall()
        except duckdb.Error as error:
            raise ResultsError(f"cannot read the values of job {self._job_id}: {error}") from error
