"""The latest value of every unit and period of a dataset, as Parquet files in the results store.

    published/{datasetId}/imported-{YYYY}-{random}.parquet    rows of the periods whose id begins with YYYY, of imports
    published/{datasetId}/values-{YYYY}-{random}.parquet      the same, of jobs that imported nothing, such as dry runs
    published/{datasetId}/geometries-{random}.parquet         each geometry once, with its bounding box

From the first import of a dataset on, only imports count: we publish no values of dry runs any more, and delete those
that we had published.

Files are only ever added and removed whole; none is changed, and no name is used twice. What is published is the
union of the rows of all files; where several speak of one unit and period, the row of the highest `version` counts.
So writers need no lock: merging files, even twice at the same time or half way, changes nothing of what is published.
A row without `start` takes back what earlier rows say of its unit and period: nothing is published of them then.
A file holds a unit and period once at most and is sorted by unit and period: of a unit's series DuckDB reads some tens
of thousands of rows of each year, and of a day one year at most.
"""

import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import quote

import duckdb

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.store.duck import WRITER_MEMORY, connect, quoted, read_steadily
from eo_pygeoapi.store.features import GROUPS, Table, Unit
from eo_pygeoapi.store.store import ResultStore

# how many files of a year, or of geometries, there may be before a job that publishes merges them
FILES_BEFORE_MERGE = 4
# of values a group is a year of some tens of units; of geometries, few enough for little memory
_VALUES_PER_GROUP = 20_480
_GEOMETRIES_PER_GROUP = 2_048

_COPYING = threading.Lock()
IMPORTED, TRIED = "imported", "values"
_VALUES_FILE = re.compile(rf"(?P<kind>{IMPORTED}|{TRIED})-(?P<year>\d{{4}})-[0-9a-f]{{32}}\.parquet")
_GEOMETRIES_FILE = re.compile(r"geometries-[0-9a-f]{32}\.parquet")

# row_number over one column: DuckDB answers that by an aggregate, several times as fast as by sorting
LATEST = 'QUALIFY row_number() OVER (PARTITION BY "orgUnit", period ORDER BY version DESC) = 1'


@dataclass(frozen=True)
class Files:
    """The files that say what is published of a dataset at one moment: keys of values by year, and of geometries.

    `superseded` are the keys of values of dry runs where some were `imported`.
    """

    values: Mapping[str, Sequence[str]]
    geometries: Sequence[str]
    imported: bool = False
    superseded: Sequence[str] = ()

    @classmethod
    def of(cls, store: ResultStore, dataset_id: str) -> Self:
        """List the files of a dataset."""
        values: dict[str, dict[str, list[str]]] = {IMPORTED: {}, TRIED: {}}
        geometries = []
        for key in store.keys(folder_of(dataset_id)):
            name = key.rpartition("/")[2]
            if match := _VALUES_FILE.fullmatch(name):
                values[match["kind"]].setdefault(match["year"], []).append(key)
            elif _GEOMETRIES_FILE.fullmatch(name):
                geometries.append(key)
        if not values[IMPORTED]:
            return cls(values[TRIED], geometries)
        superseded = [key for keys in values[TRIED].values() for key in keys]
        return cls(values[IMPORTED], geometries, imported=True, superseded=superseded)

    def keys(self) -> list[str]:
        """Return all keys."""
        return [key for keys in (*self.values.values(), self.geometries) for key in keys]


def rows_of(paths: str) -> str:
    """Return the SQL of the rows of files; `groups` is null where no group divides the values.

    `paths` is the parameter for the files' paths.
    """
    without = f"SELECT NULL::VARCHAR AS {GROUPS} WHERE false"
    return f"(FROM read_parquet({paths}, union_by_name=true) UNION ALL BY NAME {without})"


def read_files[T](store: ResultStore, dataset_id: str, read: Callable[[Files], T]) -> T:
    """Return what `read` makes of a dataset's files; when they were merged while it read, it reads again."""
    return read_steadily(lambda: Files.of(store, dataset_id), read, f"what is published of {dataset_id!r}")


def folder_of(dataset_id: str) -> str:
    """Return the folder of what is published of a dataset."""
    return f"published/{quote(dataset_id, safe='')}"


def local_paths(store: ResultStore, keys: Iterable[str], copies: Path) -> list[str]:
    """Return local paths of the files; of copies below `copies` where the store is elsewhere.

    DuckDB could read through fsspec, but seeks and reads in two calls on a handle that its threads share, and gets
    rubbish; and it takes ten to fifty requests per query. The files never change, so a copy stays good.
    """
    paths = []
    for key in keys:
        path = store.local_path(key)
        if path is None:
            path = copies / key
            if not path.exists():
                with _COPYING:  # of the threads that want a file, one copies it, and the others find it there
                    if not path.exists():
                        copies.mkdir(mode=0o700, parents=True, exist_ok=True)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        store.copy_to(key, path)
        paths.append(str(path))
    return paths


def add(
    store: ResultStore,
    dataset_id: str,
    table: Table,
    units: Mapping[str, Unit],
    keys: list[str],
    *,
    job_id: str,
    imported: bool,
    published: datetime,
    written: datetime,
) -> bool:
    """Publish the values of a job; they count until a later job publishes others. `keys` are given those of the files.

    Later is the later `published` (UTC), then the higher job id, then the later `written`. Returns False, and
    publishes nothing, where this job has not `imported` them and another has imported some. Raises ResultsError.
    """
    if not imported and Files.of(store, dataset_id).imported:
        return False
    if not len(table):
        return True
    kind = IMPORTED if imported else TRIED
    version = f"{stamp(published)} {job_id} {stamp(written)}"
    with workshop(dataset_id) as (connection, folder):
        _load(connection, table, units)
        _add_geometries(store, dataset_id, units, connection, folder)
        years = connection.execute("SELECT DISTINCT left(period, 4) FROM rows ORDER BY ALL").fetchall()
        for (year,) in years:
            groups = f"{GROUPS}::VARCHAR AS {GROUPS}," if GROUPS in table.columns else ""
            query = f"""
                SELECT "orgUnit", name, level, period, start::DATE AS start, "end"::DATE AS "end",
                    CASE WHEN isfinite(value) THEN value END AS value,
                    CASE WHEN isfinite("validFraction") THEN "validFraction" END AS "validFraction",
                    {groups} $job::VARCHAR AS "jobID", geometry, $version::VARCHAR AS version
                FROM rows JOIN units USING ("orgUnit") WHERE left(period, 4) = $year ORDER BY "orgUnit", period"""
            parameters = {"job": job_id, "version": version, "year": year}
            keys.append(save(connection, query, parameters, store, f"{folder_of(dataset_id)}/{kind}-{year}"))
    return True


def tidy(store: ResultStore, dataset_id: str) -> None:
    """Merge the files of a dataset where they have become many; what cannot be merged now waits for the next job."""
    try:
        compact(store, dataset_id, FILES_BEFORE_MERGE)
    except ResultsError as error:
        logging.getLogger(__name__).warning("%s is published, its files are not merged: %s", dataset_id, error)


@contextmanager
def all_or_none(store: ResultStore) -> Iterator[list[str]]:
    """Yield a list for the keys that are written; where the store fails before the last, those there are deleted."""
    keys: list[str] = []
    try:
        yield keys
    except ResultsError:
        for key in keys:
            with suppress(ResultsError):
                store.delete(key)
        raise


def stamp(moment: datetime) -> str:
    """Write a moment (UTC) so that later ones sort behind."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _load(connection: duckdb.DuckDBPyConnection, table: Table, units: Mapping[str, Unit]) -> None:
    connection.register("rows", dict(table.columns))
    connection.execute(
        """CREATE TEMP TABLE units AS SELECT unnest($ids::VARCHAR[]) AS "orgUnit", unnest($names::VARCHAR[]) AS name,
        unnest($levels::INTEGER[]) AS level, unnest($geometries::VARCHAR[]) AS geometry""",
        {
            "ids": list(units),
            "names": [unit.name for unit in units.values()],
            "levels": [unit.level for unit in units.values()],
            "geometries": [unit.geometry_key for unit in units.values()],
        },
    )
    twice = 'SELECT "orgUnit", period FROM rows GROUP BY ALL HAVING count(*) > 1 LIMIT 1'
    if found := connection.execute(twice).fetchone():
        raise ResultsError(f"two values of organisation unit {found[0]!r} and period {found[1]!r}; one is allowed")
    odd = r"SELECT period FROM rows WHERE NOT regexp_matches(period, '^\d{4}') LIMIT 1"
    if found := connection.execute(odd).fetchone():
        raise ResultsError(f"{found[0]!r} is no period; allowed: ids that begin with the year, such as 20250701")


def _add_geometries(
    store: ResultStore,
    dataset_id: str,
    units: Mapping[str, Unit],
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
) -> None:
    wanted = {unit.geometry_key: unit for unit in units.values() if unit.geometry}

    def known(files: Files) -> set[str]:
        if not files.geometries:
            return set()
        paths = local_paths(store, files.geometries, folder)
        return {key for (key,) in connection.execute("SELECT geometry FROM read_parquet(?)", [paths]).fetchall()}

    for key in read_files(store, dataset_id, known):
        wanted.pop(key, None)
    if not wanted:
        return
    west, south, east, north = zip(*(unit.bounds for unit in wanted.values()), strict=True)
    parameters = {
        "keys": list(wanted),
        "west": list(west),
        "south": list(south),
        "east": list(east),
        "north": list(north),
        "texts": [unit.geometry for unit in wanted.values()],
    }
    query = """
        SELECT unnest($keys::VARCHAR[]) AS geometry, unnest($west::DOUBLE[]) AS west, unnest($south::DOUBLE[]) AS south,
            unnest($east::DOUBLE[]) AS east, unnest($north::DOUBLE[]) AS north, unnest($texts::VARCHAR[]) AS geojson"""
    save(connection, query, parameters, store, f"{folder_of(dataset_id)}/geometries")


def compact(store: ResultStore, dataset_id: str, at_most: int = 1) -> None:
    """Merge the files of every year that has more than `at_most`, and so those of geometries; delete superseded ones.

    The merged file is there before the first of the others goes, and says what they say together. Breaking off at
    any moment, or two processes doing it at once, leaves files more than needed and nothing else. Raises ResultsError.
    """
    files = Files.of(store, dataset_id)
    for key in files.superseded:
        store.delete(key)
    kind = IMPORTED if files.imported else TRIED
    for year, keys in files.values.items():
        query = f'SELECT * FROM read_parquet(?, union_by_name=true) {LATEST} ORDER BY "orgUnit", period'
        _merge(store, dataset_id, keys, at_most, query, f"{folder_of(dataset_id)}/{kind}-{year}")
    query = "SELECT DISTINCT ON (geometry) * FROM read_parquet(?) ORDER BY geometry"
    _merge(store, dataset_id, files.geometries, at_most, query, f"{folder_of(dataset_id)}/geometries")


def _merge(store: ResultStore, dataset_id: str, keys: Sequence[str], at_most: int, query: str, target: str) -> None:
    if len(keys) <= at_most:
        return
    try:
        with workshop(dataset_id) as (connection, folder):
            save(connection, query, [local_paths(store, keys, folder)], store, target)
    except ResultsError:
        # another process has merged some of them meanwhile, and these belong to it
        if all(store.exists(key) for key in keys):
            raise
        return
    for key in keys:
        store.delete(key)


@contextmanager
def workshop(dataset_id: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Yield a connection of its own and a folder for copies, and translate what DuckDB raises."""
    with (
        TemporaryDirectory(prefix="eo-pygeoapi-") as folder,
        connect(Path(folder, "spill"), WRITER_MEMORY) as connection,
    ):
        try:
            yield connection, Path(folder)
        except duckdb.Error as error:
            raise ResultsError(f"cannot publish values of {dataset_id!r}: {error}") from error


def save(connection: duckdb.DuckDBPyConnection, query: str, parameters: object, store: ResultStore, target: str) -> str:
    """Write what a query finds to a new file, whose key begins with `target`; returns the key."""
    size = _GEOMETRIES_PER_GROUP if target.endswith("/geometries") else _VALUES_PER_GROUP
    with store.new_file(key := f"{target}-{uuid.uuid4().hex}.parquet") as path:
        options = f"FORMAT parquet, ROW_GROUP_SIZE {size}, USE_TMP_FILE false"
        connection.execute(f"COPY ({query}) TO {quoted(path)} ({options})", parameters)
    return key
