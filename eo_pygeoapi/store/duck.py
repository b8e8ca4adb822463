"""DuckDB as we use it: it reads Parquet files of the store, keeps to its memory and downloads nothing."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from eo_pygeoapi.errors import ResultsError

WRITER_MEMORY, READER_MEMORY = "512MB", "256MB"
_THREADS = 2
_READ_ATTEMPTS = 5


def connect(spill: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that uses the folder `spill` where it needs more than this memory."""
    return duckdb.connect(
        config={
            "threads": _THREADS,
            "memory_limit": memory,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allocator_background_threads": True,  # gives the system back what a query has used, within seconds
        }
    )


def quoted(path: Path | str) -> str:
    """Return a path as a literal of SQL."""
    return f"""'{str(path).replace("'", "''")}'"""


def read_steadily[F, T](files: Callable[[], F], read: Callable[[F], T], what: str) -> T:
    """Return what `read` makes of the files that `files` lists; where others have merged them meanwhile, read again.

    Raises ResultsError where the same files cannot be read twice.
    """
    found = files()
    for attempt in range(_READ_ATTEMPTS):
        try:
            return read(found)
        except (duckdb.Error, ResultsError) as error:
            seen, found = found, files()
            if found == seen or attempt == _READ_ATTEMPTS - 1:
                raise ResultsError(f"cannot read {what}: {error}") from error
    raise AssertionError("unreachable")
