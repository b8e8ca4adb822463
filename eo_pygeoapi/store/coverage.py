"""The coverage of a dataset: which values it has for each unit and period, and what DHIS2 holds of them.

    coverage/{datasetId}/values/{YYYY}-….parquet   what jobs made of the data: a value, a provisional one, or why none
    coverage/{datasetId}/dhis2/{YYYY}-….parquet    what DHIS2 holds of it: ours, a person's, or why nothing
    coverage/{datasetId}/units/all-….parquet       names and levels of the units

The tables have versions of their own: a dry run changes what the data are, and leaves what an import has recorded.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal
from urllib.parse import quote

import duckdb
import numpy as np
from pydantic import BaseModel, ValidationError

from eo_pygeoapi.contract.operations import COVERAGE_LEGEND, Coverage, CoverageUnit
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.versioned import VersionedTable

ValueState = Literal["V", "P", "-", "N", "O"]
Dhis2State = Literal["D", "R", "K", "-"]  # the last: nothing of ours any more
NOTHING = "-"
_Cells = np.ndarray[Any, np.dtype[np.bool_]]
_YEAR = "left(period, 4)"
_REASONS = """SELECT "orgUnit", reason FROM latest WHERE period = ? AND reason <> ''"""
# `arg_max` finds the last state several times as fast as a window; one file has every cell once
_LAST_STATES = """(SELECT period, arg_max(state, version) AS state, min(start) AS start, min("end") AS "end"
    FROM added GROUP BY period, "orgUnit")"""
_LAST_IN_DHIS2 = '(SELECT period, arg_max(state, version) AS state FROM added GROUP BY period, "orgUnit")'
_ONE_FILE = "added"
_COUNT_VALUES = """
    SELECT period, count(*) FILTER (state IN ('V', 'P')), count(*) FILTER (state = 'P'), min(start), min("end")
    FROM {cells} GROUP BY period"""
_COUNT_IN_DHIS2 = """
    SELECT period, count(*) FILTER (state = 'D'), count(*) FILTER (state = 'R'), count(*) FILTER (state = 'K')
    FROM {cells} GROUP BY period"""


class PeriodSummary(BaseModel):
    """The number of units in each state, in one period."""

    id: str
    start: date
    end: date
    present: int
    provisional: int
    imported: int
    rejected: int
    kept: int


class _YearSummary(BaseModel):
    """The counts of a year, and the digest of the files that they were counted in."""

    digest: str
    periods: list[PeriodSummary]


class CoverageTable:
    """The coverage of one dataset."""

    def __init__(self, store: ResultStore, dataset_id: str) -> None:
        self._store = store
        self._folder = folder = f"coverage/{quote(dataset_id, safe='')}"
        self._values = VersionedTable(store, f"{folder}/values", ("orgUnit", "period"))
        self._dhis2 = VersionedTable(store, f"{folder}/dhis2", ("orgUnit", "period"))
        self._units = VersionedTable(store, f"{folder}/units", ("orgUnit",))

    def add_values(self, cells: JsonMapping, units: Sequence[CoverageUnit], job_id: str, version: str) -> None:
        """Add the states that a job found in the data, and the units of its request.

        `cells` are columns `orgUnit`, `period`, `start`, `end` (ISO dates), `state` (a `ValueState`) and `reason`.
        """
        if len(cells["period"]):
            self._values.add(_written(cells, job_id, version), _YEAR)
        if units:
            columns = {
                "orgUnit": [unit.id for unit in units],
                "name": [unit.name for unit in units],
                "level": np.array([unit.level or 0 for unit in units], dtype=np.int32),
            }
            self._units.add(_written(columns, job_id, version))

    def add_import(self, cells: JsonMapping, job_id: str, version: str) -> None:
        """Add what DHIS2 holds after an import that was not a dry run.

        `cells` are columns `orgUnit`, `period`, `state` (a `Dhis2State`) and `reason`.
        """
        if len(cells["period"]):
            self._dhis2.add(_written(cells, job_id, version), _YEAR)

    def units(self, level: int | None = None) -> list[CoverageUnit]:
        """Return the units of all requests, ordered by level and name; only those of `level` where it is given."""
        query = 'SELECT "orgUnit", name, level FROM latest ORDER BY level, name, "orgUnit"'
        rows = self._units.read(lambda connection: connection.execute(query).fetchall()) or []
        found = [CoverageUnit(id=id_, name=name, level=of_unit or None) for id_, name, of_unit in rows]
        return [unit for unit in found if level is None or unit.level == level]

    def matrix(self, periods: Sequence[Period], level: int | None = None) -> Coverage:
        """Return what there is for these periods and the units of a level; see `COVERAGE_LEGEND` for the codes."""
        units = self.units(level)
        rows = np.full((len(periods), len(units)), NOTHING, dtype="U1")
        if units and periods:
            row_of = {period.id: number for number, period in enumerate(periods)}
            column_of = {unit.id: number for number, unit in enumerate(units)}
            self._fill(rows, self._values, row_of, column_of)
            in_dhis2 = np.full_like(rows, "")
            self._fill(in_dhis2, self._dhis2, row_of, column_of)
            told = np.isin(in_dhis2, ("R", "K"))  # DHIS2's refusal and a person's value go before what the data are
            rows[told] = in_dhis2[told]
        return Coverage(
            periods=[period.id for period in periods],
            org_units=units,
            legend=dict(COVERAGE_LEGEND),
            rows=["".join(row) for row in rows.tolist()],
        )

    def lacking(self, periods: Sequence[Period], org_units: Sequence[str]) -> tuple[_Cells, _Cells]:
        """Return for which cells DHIS2 holds no value yet, though it may, and which of those it has refused.

        Both have a row for each period and a column for each unit. DHIS2 holds ours, or a person's that is kept. There
        is none to be had where the data have none for a unit.
        """
        row_of = {period.id: number for number, period in enumerate(periods)}
        column_of = {unit: number for number, unit in enumerate(org_units)}
        values = np.full((len(periods), len(org_units)), NOTHING, dtype="U1")
        in_dhis2 = np.full_like(values, "")
        if values.size:
            self._fill(values, self._values, row_of, column_of)
            self._fill(in_dhis2, self._dhis2, row_of, column_of)
        found: _Cells = ~(np.isin(in_dhis2, ("D", "K")) | (values == "O"))
        return found, found & (in_dhis2 == "R")

    def reasons(self, period: str) -> dict[str, str]:
        """Return why units have no value, or not ours, in a period."""
        found: dict[str, str] = {}
        for table in (self._values, self._dhis2):
            rows = table.read(lambda connection: connection.execute(_REASONS, [period]).fetchall(), period[:4])
            found |= dict(rows or [])
        return found

    def summary(self) -> list[PeriodSummary]:
        """Return all periods that jobs have looked at, in order, and how many units have what.

        The counts of a year are kept beside its files, and made again only when these have changed.
        """
        values, in_dhis2, found = self._values.files(), self._dhis2.files(), list[PeriodSummary]()
        for year in sorted(values):
            files = "\n".join([*values[year], *in_dhis2.get(year, [])])
            key, digest = f"{self._folder}/summaries/{year}.json", hashlib.sha256(files.encode()).hexdigest()
            kept = self._counted(key)
            if kept is not None and kept.digest == digest:
                found += kept.periods
                continue
            states = _ONE_FILE if len(values[year]) == 1 else _LAST_STATES
            held = _ONE_FILE if len(in_dhis2.get(year, ())) == 1 else _LAST_IN_DHIS2
            rows = self._values.read(_rows(_COUNT_VALUES.format(cells=states)), year) or []
            there = self._dhis2.read(_rows(_COUNT_IN_DHIS2.format(cells=held)), year) or []
            counts = {period: numbers for period, *numbers in there}
            periods = []
            for id_, present, provisional, start, end in rows:
                known = {"id": id_, "start": start, "end": end, "present": present, "provisional": provisional}
                known |= dict(zip(("imported", "rejected", "kept"), counts.get(id_, (0, 0, 0)), strict=True))
                periods.append(PeriodSummary.model_validate(known))
            periods.sort(key=lambda summary: summary.start)
            self._store.write_json(key, _YearSummary(digest=digest, periods=periods).model_dump(mode="json"))
            found += periods
        return found

    def _counted(self, key: str) -> _YearSummary | None:
        """Return the counts that are kept of a year; None where there are none that can be read."""
        try:
            return _YearSummary.model_validate(self._store.read_json(key))
        except (ResultsError, ValidationError):
            return None

    def compact(self) -> None:
        """Merge the files of each year into one."""
        for table in (self._values, self._dhis2, self._units):
            table.compact()

    def _fill(
        self,
        rows: np.ndarray[Any, np.dtype[np.str_]],
        table: VersionedTable,
        row_of: Mapping[str, int],
        column_of: Mapping[str, int],
    ) -> None:
        """Write the codes of a table's cells into the matrix."""

        def codes(connection: duckdb.DuckDBPyConnection) -> JsonMapping:
            connection.register("periods", {"period": _texts(row_of), "row": np.arange(len(row_of))})
            connection.register("columns", {"orgUnit": _texts(column_of), "col": np.arange(len(column_of))})
            query = """WITH versions AS (SELECT version, row_number() OVER (ORDER BY version) AS rank FROM
                    (SELECT DISTINCT version FROM added))
                SELECT row, col, ascii(state)::UINT32 AS code, rank FROM added JOIN versions USING (version)
                JOIN periods USING (period) JOIN columns USING ("orgUnit")"""
            return connection.execute(query).fetchnumpy()

        years = "|".join(sorted({period[:4] for period in row_of}))
        if (found := table.read(codes, years)) is not None:
            # the last version of a cell is written last; a window in SQL takes several times as long
            order = np.argsort(found["rank"], kind="stable")
            rows.view(np.uint32)[found["row"][order], found["col"][order]] = found["code"][order]


def _rows(query: str) -> Callable[[duckdb.DuckDBPyConnection], list[tuple[Any, ...]]]:
    return lambda connection: connection.execute(query).fetchall()


def _texts(texts: Iterable[str]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(list(texts), dtype=object)


def _written(columns: JsonMapping, job_id: str, version: str) -> dict[str, object]:
    count = len(next(iter(columns.values())))
    arrays = {name: column if isinstance(column, np.ndarray) else _texts(column) for name, column in columns.items()}
    return arrays | {"jobID": _texts([job_id] * count), "version": _texts([version] * count)}
