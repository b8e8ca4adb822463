"""The import history of a dataset: one line for each import, kept when its job is long gone.

history/{datasetId}/{YYYY}-….parquet   the lines of jobs that ended in that year, in columns named as in JSON
history/{datasetId}/totals.json        what all lines add up to, and the digest of the files it was counted in
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import duckdb
import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.history import ImportRecord, ImportTotals
from eo_pygeoapi.store.counted import counted
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.versioned import VersionedTable

_COUNTS = ("imported", "updated", "deleted", "ignored", "unchanged", "rejected", "kept")
_TEXTS = (
    "jobID",
    "dataset",
    "process",
    "tenant",
    "connection",
    "dataElement",
    "status",
    "importStatus",
    "by",
    "message",
)
_DAYS, _INSTANTS = ("start", "end"), ("started", "finished")
_YEAR = "strftime(finished, '%Y')"


class History:
    """The lines of one dataset; every method raises ResultsError."""

    def __init__(self, store: ResultStore, dataset_id: str) -> None:
        self._store, self._folder = store, f"history/{quote(dataset_id, safe='')}"
        self._table = VersionedTable(store, self._folder, ("jobID",))

    def add(self, record: ImportRecord, now: datetime) -> None:
        """Add the line of a job, in place of one that it has already."""
        values = record.model_dump(by_alias=True)
        # a table of one row, whose times are in UTC and of no zone
        moments = {n: values[n] and values[n].astimezone(UTC).replace(tzinfo=None) for n in _INSTANTS}
        columns: dict[str, NDArray[np.generic]] = {n: np.array([values[n]], dtype=object) for n in _TEXTS}
        columns |= {n: np.array([values[n]], dtype="datetime64[D]").astype("datetime64[s]") for n in _DAYS}
        columns |= {n: np.array([moment], dtype="datetime64[us]") for n, moment in moments.items()}
        columns |= {n: np.array([values[n]], dtype=np.int64) for n in _COUNTS}
        columns["dryRun"] = np.array([record.dry_run])
        columns["version"] = np.array([f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"], dtype=object)
        self._table.add(columns, _YEAR)

    def page(self, limit: int, offset: int = 0) -> tuple[list[ImportRecord], int]:
        """Return lines, the latest first, and how many there are."""
        query = 'SELECT * EXCLUDE (version) FROM latest ORDER BY finished DESC, "jobID" LIMIT ? OFFSET ?'

        def read(connection: duckdb.DuckDBPyConnection) -> tuple[list[ImportRecord], int]:
            found = connection.execute(query, [limit, offset])
            names = [column[0] for column in found.description or ()]
            records = []
            for row in found.fetchall():
                known = {name: value for name, value in zip(names, row, strict=True) if value is not None}
                known |= {name: known[name].date() for name in _DAYS if name in known}
                known |= {name: known[name].replace(tzinfo=UTC) for name in _INSTANTS if name in known}
                records.append(ImportRecord.model_validate(known))
            (count,) = connection.execute("SELECT count(*) FROM latest").fetchone() or (0,)
            return records, int(count)

        return self._table.read(read) or ([], 0)

    def job_ids(self) -> set[str]:
        """Return the ids of all jobs that have a line."""
        rows = self._table.read(lambda connection: connection.execute('SELECT "jobID" FROM added').fetchall())
        return {job_id for (job_id,) in rows or []}

    def totals(self) -> ImportTotals:
        """Return what all lines add up to; it is counted again only where there are new ones."""
        files = [name for names in self._table.files().values() for name in names]
        if not files:
            return ImportTotals(jobs={})
        return counted(self._store, f"{self._folder}/totals.json", files, ImportTotals, self._count)

    def _count(self) -> ImportTotals:
        query = """SELECT status, count(*), sum(CASE WHEN "dryRun" THEN 0 ELSE imported + updated + deleted END)
            FROM latest GROUP BY status"""
        rows = self._table.read(lambda connection: connection.execute(query).fetchall()) or []
        return ImportTotals(jobs={row[0]: row[1] for row in rows}, values=sum(int(row[2]) for row in rows))

    def values_made(self) -> int:
        """Return how many values imports have made in DHIS2 that were not taken back; dry runs made none."""
        query = 'SELECT sum(imported) - sum(deleted) FROM latest WHERE NOT "dryRun"'
        row = self._table.read(lambda connection: connection.execute(query).fetchone())
        return max(int(row[0]), 0) if row and row[0] is not None else 0

    def compact(self) -> None:
        """Merge the files of each year into one."""
        self._table.compact()


def histories(store: ResultStore) -> Sequence[str]:
    """Return the ids of the datasets that have a history, also of those that are not enabled any more."""
    return sorted({unquote(key.split("/")[1]) for key in store.keys("history")})
