"""The coverage of a dataset: which values it has for each unit and period, and what DHIS2 holds of them.

    coverage/{datasetId}/values/{YYYY}-….parquet   what jobs made of the data: a value, a provisional one, or why none
    coverage/{datasetId}/dhis2/{YYYY}-….parquet    what DHIS2 holds of it: ours, a person's, or why nothing
    coverage/{datasetId}/units/all-….parquet       names and levels of the units

The tables have versions of their own: a dry run changes what the data are, and leaves what an import has recorded.
What DHIS2 holds is kept for each target, so that a dataset with another connection or data element is not taken for
imported there; of rows that name no target any may be meant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import quote

import duckdb
import numpy as np
from pydantic import BaseModel

from eo_pygeoapi.contract.intervals import too_long
from eo_pygeoapi.contract.models import Dhis2Target, Interval
from eo_pygeoapi.contract.operations import COVERAGE_LEGEND, Coverage, CoverageReason, CoverageUnit
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.store.counted import counted
from eo_pygeoapi.store.duck import quoted
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.versioned import VersionedTable

ValueState = Literal["V", "P", "-", "N", "O"]
Dhis2State = Literal["D", "R", "K", "-"]  # the last: nothing of ours any more
NOTHING = "-"
PERIODS_SHOWN = 60  # where nobody names dates
_Cells = np.ndarray[Any, np.dtype[np.bool_]]
_Numbers = np.ndarray[Any, np.dtype[np.int32]]
_YEAR = "left(period, 4)"
_REASONS = "SELECT DISTINCT reason FROM added JOIN periods USING (period) WHERE reason <> '' ORDER BY reason"
# `arg_max` finds the last state several times as fast as a window; one file has every cell once
_LAST_STATES = """(SELECT period, arg_max(state, version) AS state, min(start) AS start, min("end") AS "end"
    FROM added GROUP BY period, "orgUnit")"""
_OF_TARGET = "(target IS NULL OR target = {target})"
_LAST_IN_DHIS2 = f"""(SELECT period, arg_max(state, version) AS state FROM added WHERE {_OF_TARGET}
    GROUP BY period, "orgUnit")"""
_ONE_FILE = "added"
_COUNT_VALUES = """
    SELECT period, count(*) FILTER (state IN ('V', 'P')), count(*) FILTER (state = 'P'), min(start), min("end")
    FROM {cells} GROUP BY period"""
_COUNT_IN_DHIS2 = """
    SELECT period, count(*) FILTER (state = 'D'), count(*) FILTER (state = 'R'), count(*) FILTER (state = 'K')
    FROM {cells} GROUP BY period"""


@dataclass(frozen=True, slots=True)
class PeriodSummary:
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
    """The counts of a year."""

    periods: list[PeriodSummary]


class _Files(NamedTuple):
    """The names of the files of a year."""

    year: str
    values: Sequence[str]
    dhis2: Sequence[str]

    @property
    def names(self) -> Sequence[str]:
        return [*self.values, *self.dhis2]


def target_of(target: Dhis2Target) -> str:
    """Return what tells where in DHIS2 values go from where others do."""
    combinations = target.category_option_combo, target.attribute_option_combo
    return "/".join((target.connection, target.data_element, *combinations)).rstrip("/")


class CoverageTable:
    """The coverage of one dataset."""

    def __init__(self, store: ResultStore, dataset_id: str, target: str = "") -> None:
        """Take the store, the dataset, and where in DHIS2 its values go, as `target_of` says it."""
        self._store, self._target = store, target
        self._folder = folder = f"coverage/{quote(dataset_id, safe='')}"
        self._values = VersionedTable(store, f"{folder}/values", ("orgUnit", "period"))
        self._dhis2 = VersionedTable(store, f"{folder}/dhis2", ("orgUnit", "period", "target"))
        self._units = VersionedTable(store, f"{folder}/units", ("orgUnit",))

    @classmethod
    def of(cls, store: ResultStore, dataset: Dataset) -> Self:
        """Return the coverage of a dataset, with what DHIS2 holds where its values go now."""
        return cls(store, dataset.id, target_of(dataset.dhis2))

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
            of_target = {**cells, "target": [self._target] * len(cells["period"])}
            self._dhis2.add(_written(of_target, job_id, version), _YEAR)

    def units(self, level: int | None = None) -> list[CoverageUnit]:
        """Return the units of all requests, ordered by level and name; only those of `level` where it is given."""
        query = 'SELECT "orgUnit", name, level FROM latest ORDER BY level, name, "orgUnit"'
        rows = self._units.read(lambda connection: connection.execute(query).fetchall()) or []
        found = [CoverageUnit(id=id_, name=name, level=of_unit or None) for id_, name, of_unit in rows]
        return [unit for unit in found if level is None or unit.level == level]

    def periods(self, period_type: PeriodType, start: date | None, end: date | None) -> list[Period]:
        """Return the periods from `start` to `end`; without these, the last of which something is known.

        Raises QueryError for an end before the start.
        """
        known = self.summary() if start is None or end is None else []
        if not known and (start is None or end is None):
            return []
        start, end = start or known[-PERIODS_SHOWN:][0].start, end or known[-1].end
        if end < start:
            raise QueryError(
                f"start, end: {start} to {end} is not allowed; allowed: an end that is not before the start"
            )
        if words := too_long(start, end):
            raise QueryError(f"start, end: {words[0]}")
        return periods_in(Interval(start=start, end=end), period_type)

    def matrix(self, periods: Sequence[Period], level: int | None = None, most_reasons: int | None = None) -> Coverage:
        """Return what there is for these periods and the units of a level; see `COVERAGE_LEGEND` for the codes."""
        units = self.units(level)
        rows = np.full((len(periods), len(units)), NOTHING, dtype="U1")
        because, texts = np.zeros(rows.shape, dtype=np.int32), [""]
        if units and periods:
            row_of = {period.id: number for number, period in enumerate(periods)}
            column_of = {unit.id: number for number, unit in enumerate(units)}
            self._fill(rows, self._values, row_of, column_of, because, texts)
            in_dhis2, why_not = np.full_like(rows, ""), np.zeros_like(because)
            self._fill(in_dhis2, self._dhis2, row_of, column_of, why_not, texts)
            told = np.isin(in_dhis2, ("R", "K"))  # DHIS2's refusal and a person's value go before what the data are
            rows[told] = in_dhis2[told]
            because[told | (why_not > 0)] = why_not[told | (why_not > 0)]
        reasons, more = _spans(rows, because, texts, periods, units, most_reasons)
        return Coverage(
            periods=[period.id for period in periods],
            org_units=units,
            legend=dict(COVERAGE_LEGEND),
            rows=["".join(row) for row in rows.tolist()],
            reasons=reasons,
            **({"reasons_left_out": more} if more else {}),
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

    def summary(self) -> list[PeriodSummary]:
        """Return all periods that jobs have looked at, in order, and how many units have what.

        The counts of a year are kept beside its files and in memory, and made again only when these have changed.
        """
        values, in_dhis2, found = self._values.files(), self._dhis2.files(), list[PeriodSummary]()
        for year in sorted(values):
            of_year = _Files(year, values[year], in_dhis2.get(year, []))
            key = f"{self._folder}/summaries/{year}.json"
            made_of = [*of_year.names, self._target]
            found += counted(self._store, key, made_of, _YearSummary, partial(self._count, of_year)).periods
        return found

    def _count(self, files: "_Files") -> _YearSummary:
        """Count a year in its files, its periods in order."""
        cells = _ONE_FILE if len(files.values) == 1 else _LAST_STATES
        rows = self._values.read(_rows(_COUNT_VALUES.format(cells=cells)), files.year)
        in_dhis2 = _LAST_IN_DHIS2.format(target=quoted(self._target))
        held = self._dhis2.read(_rows(_COUNT_IN_DHIS2.format(cells=in_dhis2)), files.year)
        counts = {period: numbers for period, *numbers in held or []}
        periods = []
        for id_, present, provisional, start, end in rows or []:
            days = date.fromisoformat(start), date.fromisoformat(end)
            periods.append(PeriodSummary(id_, *days, present, provisional, *counts.get(id_, (0, 0, 0))))
        return _YearSummary(periods=sorted(periods, key=lambda summary: summary.start))

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
        because: _Numbers | None = None,
        texts: list[str] | None = None,
    ) -> None:
        """Write the codes of a table's cells into the matrix.

        Where they are given, `because` gets the place of each cell's reason in `texts`, to which new ones are added.
        """

        def codes(connection: duckdb.DuckDBPyConnection) -> tuple[JsonMapping, list[str]]:
            connection.register("periods", {"period": _texts(row_of), "row": np.arange(len(row_of))})
            connection.register("columns", {"orgUnit": _texts(column_of), "col": np.arange(len(column_of))})
            reasons = [] if texts is None else [reason for (reason,) in connection.execute(_REASONS).fetchall()]
            connection.register("reasons", {"reason": _texts(reasons), "place": np.arange(1, len(reasons) + 1)})
            why, where = ("coalesce(place, 0)", "LEFT JOIN reasons USING (reason)") if reasons else ("0", "")
            if table is self._dhis2:
                where += f" WHERE {_OF_TARGET.format(target=quoted(self._target))}"
            query = f"""WITH versions AS (SELECT version, row_number() OVER (ORDER BY version) AS rank FROM
                    (SELECT DISTINCT version FROM added))
                SELECT row, col, ascii(state)::UINT32 AS code, rank, ({why})::INT32 AS why
                FROM added JOIN versions USING (version)
                JOIN periods USING (period) JOIN columns USING ("orgUnit") {where}"""
            return connection.execute(query).fetchnumpy(), reasons

        years = "|".join(sorted({period[:4] for period in row_of}))
        if (read := table.read(codes, years)) is not None:
            found, reasons = read
            # the last version of a cell is written last; a window in SQL takes several times as long
            order = np.argsort(found["rank"], kind="stable")
            cells = found["row"][order], found["col"][order]
            rows.view(np.uint32)[cells] = found["code"][order]
            if because is not None and texts is not None:
                why = found["why"][order]
                because[cells] = np.where(why > 0, why + len(texts) - 1, 0)
                texts += reasons


def _spans(
    rows: np.ndarray[Any, np.dtype[np.str_]],
    because: _Numbers,
    texts: Sequence[str],
    periods: Sequence[Period],
    units: Sequence[CoverageUnit],
    most: int | None,
) -> tuple[list[CoverageReason], int]:
    """Return the first reasons unit by unit, one for neighbouring periods of the same code and reason; and how many
    more there are.
    """
    if not because.any():
        return [], 0
    edges = np.ones((len(periods) + 1, len(units)), dtype=bool)
    edges[1:-1] = (because[1:] != because[:-1]) | (rows[1:] != rows[:-1])
    columns, starts = np.nonzero((edges[:-1] & (because > 0)).T)
    _, ends = np.nonzero((edges[1:] & (because > 0)).T)
    count = len(columns) if most is None else min(len(columns), most)
    found = [
        CoverageReason(
            org_unit=units[column].id,
            first=periods[start].id,
            last=periods[end].id,
            code=rows[start, column],
            reason=texts[because[start, column]],
        )
        for column, start, end in zip(
            columns[:count].tolist(), starts[:count].tolist(), ends[:count].tolist(), strict=True
        )
    ]
    return found, len(columns) - count


def _rows(query: str) -> Callable[[duckdb.DuckDBPyConnection], list[tuple[Any, ...]]]:
    return lambda connection: connection.execute(query).fetchall()


def _texts(texts: Iterable[str]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(list(texts), dtype=object)


def _written(columns: JsonMapping, job_id: str, version: str) -> dict[str, object]:
    count = len(next(iter(columns.values())))
    arrays = {name: column if isinstance(column, np.ndarray) else _texts(column) for name, column in columns.items()}
    return arrays | {"jobID": _texts([job_id] * count), "version": _texts([version] * count)}
