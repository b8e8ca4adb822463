"""DuckDB as it is used here: reads Parquet, keeps to its memory, downloads nothing."""

from pathlib import Path

import duckdb

WRITER_MEMORY, READER_MEMORY = "512MB", "256MB"
_THREADS = 2


def connect(spill: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that past so much memory goes on in the folder `spill`."""
    return duckdb.connect(
        config={
            "threads": _THREADS,
            "memory_limit": memory,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def quoted(path: Path) -> str:
    """Return a path as a literal of SQL."""
    return f"""'{str(path).replace("'", "''")}'"""
