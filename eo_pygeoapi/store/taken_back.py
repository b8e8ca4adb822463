"""Have the collection of a dataset follow an undo: its latest values are again those of before the undone job.

A job that publishes an import keeps what the collection showed before of its units and periods. That is published anew
when the job is undone; where there was nothing before, nothing is published any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np

from eo_pygeoapi.contract.periods import period_with_id
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.duck import quoted
from eo_pygeoapi.store.features import GROUPS, Table
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.published import (
    IMPORTED,
    LATEST,
    Files,
    folder_of,
    local_paths,
    read_files,
    rows_of,
    save,
    stamp,
    workshop,
)

_COLUMNS = f""""orgUnit", name, level, period, start, "end", value, "validFraction", "jobID", geometry, {GROUPS}"""


def keep_replaced(folder: JobFolder, dataset_id: str, table: Table) -> None:
    """Keep with a job what is published of its units and periods, before it publishes others; done once."""
    if folder.exists(job_folder.REPLACED) or not len(table):
        return

    def keep(files: Files) -> None:
        with workshop(dataset_id) as (connection, copies), folder.new_file(job_folder.REPLACED) as path:
            connection.register("cells", {name: table.columns[name] for name in ("orgUnit", "period")})
            first, last = connection.execute("SELECT min(period), max(period) FROM cells").fetchall()[0]
            keys = [key for year, keys in files.values.items() if first[:4] <= year <= last[:4] for key in keys]
            if keys:
                paths = local_paths(folder.store, keys, copies)
                query = f"""SELECT {_COLUMNS} FROM (SELECT * FROM {rows_of("?")} WHERE period BETWEEN ? AND ? {LATEST})
                    SEMI JOIN cells USING ("orgUnit", period) WHERE start IS NOT NULL"""
                options = "FORMAT parquet, USE_TMP_FILE false"
                connection.execute(f"COPY ({query}) TO {quoted(path)} ({options})", [paths, first, last])
            else:
                path.touch()  # nothing was published

    read_files(folder.store, dataset_id, keep)


@dataclass(frozen=True)
class TakenBack:
    """How many values the collection shows again, and how many it shows no more."""

    shown_again: int = 0
    gone: int = 0


def take_back(undo: JobFolder, job_ids: Sequence[str], dataset: Dataset, now: datetime) -> TakenBack:
    """Publish again what the collection showed before some jobs, the last one first, where it still shows their values.

    What DHIS2 has not let the undo take back stays as it is, and so does what a job found in DHIS2 as it was and this
    undo has not taken back either, where nothing was published of it before. The coverage follows, also where a later
    job shows its own value and had found the undone one in DHIS2. A repetition changes nothing.

    The `dhis2` of the dataset is where the jobs wrote to.
    """
    shown_again = gone = 0
    for number, job_id in enumerate(job_ids):
        found = _take_one_back(undo, job_id, dataset, now, f"{stamp(now)} {undo.job_id} {number:06}")
        shown_again, gone = shown_again + found.shown_again, gone + found.gone
    return TakenBack(shown_again, gone)


def _take_one_back(undo: JobFolder, job_id: str, dataset: Dataset, now: datetime, version: str) -> TakenBack:
    store, job = undo.store, JobFolder(undo.store, job_id)

    def publish(files: Files) -> TakenBack:
        with workshop(dataset.id) as (connection, copies):
            if not _tabulate(connection, undo, job, copies):
                return TakenBack()
            first, last = connection.execute("SELECT min(period), max(period) FROM ours").fetchall()[0]
            years = [year for year in files.values if first[:4] <= year <= last[:4]]
            paths = local_paths(store, [key for year in years for key in files.values[year]], copies)
            if not paths:
                return TakenBack()
            connection.execute(
                f"""CREATE TEMP TABLE back AS
                SELECT now."orgUnit", coalesce(was.name, now.name) AS name, coalesce(was.level, now.level) AS level,
                    now.period, was.start, was."end", was.value, was."validFraction",
                    coalesce(was."jobID", $undo) AS "jobID", was.geometry, was.groups, $version AS version,
                    now.start AS first, now."end" AS last
                FROM (SELECT * FROM {rows_of("$paths")} WHERE period BETWEEN $first AND $last {LATEST}) AS now
                LEFT JOIN was USING ("orgUnit", period)
                WHERE now."jobID" = $job AND now.start IS NOT NULL AND (now."orgUnit", now.period) NOT IN (FROM stays)
                    AND (was.start IS NOT NULL OR (now."orgUnit", now.period) NOT IN (FROM as_it_was))""",
                {"undo": undo.job_id, "version": version, "paths": paths, "first": first, "last": last, "job": job_id},
            )
            for (year,) in connection.execute("SELECT DISTINCT left(period, 4) FROM back ORDER BY ALL").fetchall():
                of_year = f"SELECT {_COLUMNS}, version FROM back WHERE left(period, 4) = ?"
                query = f'{of_year} ORDER BY "orgUnit", period'
                save(connection, query, [year], store, f"{folder_of(dataset.id)}/{IMPORTED}-{year}")
            _cover(connection, undo, dataset, version, now)
            query = "SELECT count(start), count(*) - count(start) FROM back"
            return TakenBack(*connection.execute(query).fetchall()[0])

    return read_files(store, dataset.id, publish)


def _tabulate(connection: duckdb.DuckDBPyConnection, undo: JobFolder, job: JobFolder, copies: Path) -> bool:
    """Make the tables of cells `ours`, `was`, `stays`, `kept`, `gone` and `as_it_was`; False where there are none."""
    cells = 'SELECT "orgUnit", period FROM read_csv(?, all_varchar=true) WHERE change IN (SELECT unnest(?))'
    undone = _local(undo, job_folder.CHANGES, copies)
    changes, replaced = (_local(job, name, copies) for name in (job_folder.CHANGES, job_folder.REPLACED))
    if undone is None or changes is None:
        return False
    connection.execute(f"CREATE TEMP TABLE stays AS {cells}", [str(undone), ["rejected"]])
    connection.execute(f"CREATE TEMP TABLE kept AS {cells}", [str(undone), ["kept"]])
    nothing = "(change = 'deleted' OR (change = 'unchanged' AND coalesce(stored, '') = ''))"
    ours = 'SELECT DISTINCT "orgUnit", period FROM read_csv(?, all_varchar=true)'
    connection.execute(
        f'CREATE TEMP TABLE gone AS {ours} WHERE {nothing} AND ("orgUnit", period) IN ({ours})',
        [str(undone), str(changes)],
    )
    taken_back = f'("orgUnit", period) IN ({cells})'
    connection.execute(
        f"CREATE TEMP TABLE as_it_was AS {cells} AND NOT {taken_back}",
        [str(changes), ["unchanged"], str(undone), ["deleted", "restored"]],
    )
    connection.execute(
        'CREATE TEMP TABLE ours AS SELECT "orgUnit", period FROM read_csv(?, all_varchar=true)', [str(changes)]
    )
    if replaced is not None and replaced.stat().st_size:
        connection.execute(f"CREATE TEMP TABLE was AS SELECT {_COLUMNS} FROM {rows_of('?')}", [str(replaced)])
    else:
        connection.execute(
            """CREATE TEMP TABLE was ("orgUnit" VARCHAR, name VARCHAR, level INTEGER, period VARCHAR, start DATE,
            "end" DATE, value DOUBLE, "validFraction" DOUBLE, "jobID" VARCHAR, geometry VARCHAR, groups VARCHAR)"""
        )
    found = connection.execute("SELECT count(*) FROM ours").fetchall()
    return bool(found[0][0])


def _cover(
    connection: duckdb.DuckDBPyConnection, undo: JobFolder, dataset: Dataset, version: str, now: datetime
) -> None:
    """Record in the coverage what there is again, and what is gone, here and in DHIS2."""
    words = f"taken back by job {undo.job_id}"
    table, today = CoverageTable.of(undo.store, dataset), now.astimezone(UTC).date()
    back = connection.execute(
        'SELECT "orgUnit", period, first, last, start IS NULL FROM back ORDER BY period, "orgUnit"'
    ).fetchall()
    periods = {period: period_with_id(period, dataset.period_type) for _, period, *_ in back}
    finals = {id_: dataset.options.final_from(period.end) if period else None for id_, period in periods.items()}
    states = [
        "-" if gone else "P" if (final := finals[period]) is not None and today < final else "V"
        for _, period, _, _, gone in back
    ]
    cells = {
        "orgUnit": [row[0] for row in back],
        "period": [row[1] for row in back],
        "start": [row[2].isoformat() for row in back],
        "end": [row[3].isoformat() for row in back],
        "state": states,
        "reason": [words if gone else "" for *_, gone in back],
    }
    table.add_values({n: np.array(c, dtype=object) for n, c in cells.items()}, (), undo.job_id, version)
    in_dhis2 = connection.execute(
        """SELECT "orgUnit", period, max(state) FROM
        (SELECT "orgUnit", period, '-' AS state FROM gone UNION ALL SELECT "orgUnit", period, 'K' FROM kept)
        GROUP BY ALL"""  # of a unit's groups one may be kept
    ).fetchall()
    table.add_import(
        {
            "orgUnit": [unit for unit, _, _ in in_dhis2],
            "period": [period for _, period, _ in in_dhis2],
            "state": [state for _, _, state in in_dhis2],
            "reason": ["" if state == "K" else words for _, _, state in in_dhis2],
        },
        undo.job_id,
        version,
    )


def _local(folder: JobFolder, name: str, copies: Path) -> Path | None:
    """Return a local path of a file of a job; None where there is none."""
    return Path(*local_paths(folder.store, [folder.key(name)], copies)) if folder.exists(name) else None
