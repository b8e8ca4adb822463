"""Record in its dataset's coverage what a job found and imported."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import batched
from typing import Self

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import Period, periods_in
from eo_pygeoapi.datasets.source import SourceOptions
from eo_pygeoapi.datasets.validate import Execution
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.coverage import CoverageTable, Dhis2State
from eo_pygeoapi.store.features import Columns, Unit
from eo_pygeoapi.store.job_folder import JobFolder

# what `changes.csv` says of a value, and what DHIS2 then holds
STATE_OF_CHANGE: Mapping[str, Dhis2State] = {
    "new": "D",
    "changed": "D",
    "unchanged": "D",
    "kept": "K",
    "rejected": "R",
}
NOT_PUBLISHED = "not published"
_ROWS_AT_ONCE = 100_000
_Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Asked:
    """The periods and units of a request."""

    periods: Sequence[Period]
    units: Sequence[CoverageUnit]

    @classmethod
    def of(cls, execution: Execution, units: Mapping[str, Unit], left_out: Iterable[LeftOut]) -> Self:
        """Return the periods of an execution, and the units with those of `left_out`."""
        known = {id_: CoverageUnit(id=id_, name=unit.name, level=unit.level) for id_, unit in units.items()}
        for entry in left_out:
            if entry.org_unit and entry.org_unit not in known:
                known[entry.org_unit] = CoverageUnit(id=entry.org_unit, name=entry.org_unit, level=None)
        return cls(periods_in(execution.interval, execution.dataset.period_type), list(known.values()))


def value_cells(
    asked: Asked, values: Columns, left_out: Iterable[LeftOut], options: SourceOptions, today: date
) -> dict[str, object]:
    """Return the columns for `CoverageTable.add_values`, a row for each period and unit of `asked`.

    `values` has the columns `orgUnit`, `period` and `value`. A value is provisional where the provider publishes final
    data for its period after `today`.
    """
    rows = {period.id: number for number, period in enumerate(asked.periods)}
    columns = {unit.id: number for number, unit in enumerate(asked.units)}
    shape = (len(rows), len(columns))
    states: _Texts = np.full(shape, "O", dtype=object)
    reasons: _Texts = np.full(shape, "", dtype=object)
    for entry in left_out:
        state = "N" if entry.expected or entry.reason.startswith(NOT_PUBLISHED) else "O"
        place = (
            (rows.get(entry.period) if entry.period else slice(None)),
            (columns.get(entry.org_unit) if entry.org_unit else slice(None)),
        )
        if None not in place:
            states[place], reasons[place] = state, entry.reason
    row = np.array([rows.get(period, -1) for period in np.asarray(values["period"]).tolist()], dtype=np.int64)
    column = np.array([columns.get(unit, -1) for unit in np.asarray(values["orgUnit"]).tolist()], dtype=np.int64)
    there = (row >= 0) & (column >= 0) & np.isfinite(np.asarray(values["value"], dtype=np.float64))
    finals = [options.final_from(period.end) for period in asked.periods]
    of_period = np.array(["P" if final is not None and today < final else "V" for final in finals], dtype=object)
    states[row[there], column[there]] = of_period[row[there]]
    reasons[row[there], column[there]] = ""
    return {
        "orgUnit": np.tile(_texts(columns), shape[0]),
        "period": np.repeat(_texts(rows), shape[1]),
        "start": np.repeat(_texts(period.start.isoformat() for period in asked.periods), shape[1]),
        "end": np.repeat(_texts(period.end.isoformat() for period in asked.periods), shape[1]),
        "state": states.ravel(),
        "reason": reasons.ravel(),
    }


def record(
    folder: JobFolder, execution: Execution, asked: Asked, values: Columns, left_out: Iterable[LeftOut], now: datetime
) -> None:
    """Add a job's values, and unless it was a dry run, what DHIS2 holds after it, to the coverage.

    A job that overrides its dataset's settings changes nothing here, as it publishes nothing.
    """
    if execution.overridden:
        return
    dataset, version = execution.dataset, f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f} {folder.job_id}"
    table = CoverageTable.of(folder.store, dataset)
    cells = value_cells(asked, values, left_out, dataset.options, now.date())
    table.add_values(cells, asked.units, folder.job_id, version)
    if execution.inputs.dry_run or not folder.exists(job_folder.CHANGES):
        return
    # every value that DHIS2 was asked to take
    rejected = folder.read_json(job_folder.REJECTED, [])
    reasons = {(entry.get("orgUnit"), entry.get("period")): entry["reason"] for entry in rejected}
    changes: Iterator[tuple[str, str, Dhis2State, str]] = (
        (unit, period, state, reasons.get((unit, period), "") if state == "R" else "")
        for change in csv.DictReader(io.StringIO(folder.read_bytes(job_folder.CHANGES).decode()))
        for unit, period in [(change["orgUnit"], change["period"])]
        if (state := STATE_OF_CHANGE.get(change["change"]))
    )
    if dataset.options.divided_by():
        changes = iter(_worst(changes))
    for rows in batched(changes, _ROWS_AT_ONCE):
        columns = {name: [row[n] for row in rows] for n, name in enumerate(("orgUnit", "period", "state", "reason"))}
        table.add_import(columns, folder.job_id, version)


def _worst(changes: Iterable[tuple[str, str, Dhis2State, str]]) -> list[tuple[str, str, Dhis2State, str]]:
    """Return of each unit and period the worst of its groups: rejected, then kept, then taken by DHIS2."""
    found: dict[tuple[str, str], tuple[str, str, Dhis2State, str]] = {}
    for change in changes:
        before = found.setdefault(change[:2], change)
        if "DKR".index(change[2]) > "DKR".index(before[2]):
            found[change[:2]] = change
    return list(found.values())


def _texts(texts: Iterable[str]) -> _Texts:
    return np.array(list(texts), dtype=object)
