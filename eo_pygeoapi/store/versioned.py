"""Tables in the results store to which many writers add rows without a lock; the highest version of a row counts.

    {folder}/{group}-{random}.parquet

Files are only ever added and removed whole; none is changed, and no name is used twice. A table is the union of the
rows of its files, and a column that a file lacks is null there; where several rows have the same key, the one of the
highest `version` counts. So merging files, even twice at the same time or half way, changes nothing of what a reader
finds.
"""

import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.store.duck import connect, quoted, read_steadily
from eo_pygeoapi.store.published import local_paths
from eo_pygeoapi.store.store import ResultStore

# how many files of a group there may be before a writer merges them
FILES_BEFORE_MERGE = 4
MEMORY = "256MB"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VersionedTable:
    """The table in a folder of the store; its rows have the columns of `key`, others, and `version`."""

    store: ResultStore
    folder: str
    key: tuple[str, ...]

    def add(self, columns: JsonMapping, group: str = "'all'") -> None:
        """Add rows, given as lists or arrays by column.

        `group` is the SQL of a text without surprises, such as a year: rows of one group lie in files that are merged
        with each other.
        """
        order = ", ".join(f'"{name}"' for name in self.key)
        with TemporaryDirectory(prefix="eo-pygeoapi-") as folder, connect(Path(folder, "spill"), MEMORY) as connection:
            connection.register("added", dict(columns))
            groups = [name for (name,) in connection.execute(f"SELECT DISTINCT {group} FROM added").fetchall()]
            for name in groups:
                self._save(connection, f"SELECT * FROM added WHERE {group} = ? ORDER BY {order}", [name], name)
        for name in groups:
            try:
                self._merge(name)
            except ResultsError as error:
                _LOG.warning("%s: rows are added, files are not merged: %s", self.folder, error)

    def read[T](self, query: Callable[[duckdb.DuckDBPyConnection], T], groups: str = ".*") -> T | None:
        """Return what `query` makes of the groups that match; None where there are no rows.

        It finds the views `added`, all rows, and `latest`, those that count.
        """

        def answer(keys: list[str]) -> T | None:
            if not keys:
                return None
            with (
                TemporaryDirectory(prefix="eo-pygeoapi-") as folder,
                connect(Path(folder, "spill"), MEMORY) as connection,
            ):
                paths = local_paths(self.store, keys, Path(folder))
                connection.execute(f"CREATE VIEW added AS {self._rows_of('[' + ', '.join(map(quoted, paths)) + ']')}")
                connection.execute(f"CREATE VIEW latest AS {self._latest('added')}")
                return query(connection)

        return read_steadily(lambda: self._keys(groups), answer, repr(self.folder))

    def files(self) -> dict[str, list[str]]:
        """Return the names of the files by group: as long as they are the same, so are the rows."""
        found: dict[str, list[str]] = {}
        for key in self._keys(".*"):
            name = key.rpartition("/")[2]
            found.setdefault(name.rpartition("-")[0], []).append(name)
        return found

    def _rows_of(self, paths: str) -> str:
        """Return the SQL of all rows of files; a column of the key that none of them has is null, too."""
        lacking = ", ".join(f'NULL::VARCHAR AS "{name}"' for name in self.key)
        return f"FROM read_parquet({paths}, union_by_name=true) UNION ALL BY NAME SELECT {lacking} WHERE false"

    def _latest(self, rows: str) -> str:
        partition = ", ".join(f'"{name}"' for name in self.key)
        return f"FROM {rows} QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY version DESC) = 1"

    def _keys(self, groups: str) -> list[str]:
        pattern = re.compile(rf"(?:{groups})-[0-9a-f]{{32}}\.parquet")
        return [key for key in self.store.keys(self.folder) if pattern.fullmatch(key.rpartition("/")[2])]

    def compact(self) -> None:
        """Merge the files of every group into one. Raises ResultsError."""
        for group, names in self.files().items():
            if len(names) > 1:
                self._merge(group, at_most=1)

    def _merge(self, group: str, at_most: int = FILES_BEFORE_MERGE) -> None:
        keys = self._keys(re.escape(group))
        if len(keys) <= at_most:
            return
        with TemporaryDirectory(prefix="eo-pygeoapi-") as folder, connect(Path(folder, "spill"), MEMORY) as connection:
            paths, rows = local_paths(self.store, keys, Path(folder)), self._rows_of("?")
            order = ", ".join(f'"{name}"' for name in self.key)
            self._save(connection, f"{self._latest(f'({rows})')} ORDER BY {order}", [paths], group)
        for key in keys:
            self.store.delete(key)

    def _save(self, connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any], group: str) -> None:
        with self.store.new_file(f"{self.folder}/{group}-{uuid.uuid4().hex}.parquet") as path:
            try:
                connection.execute(f"COPY ({query}) TO {quoted(path)} (FORMAT parquet, USE_TMP_FILE false)", parameters)
            except duckdb.Error as error:
                raise ResultsError(f"cannot write {self.folder!r}: {error}") from error
