"""A coverage matrix as CSV, and its reasons as another."""

import csv
import io
from collections.abc import Iterable, Sequence

from eo_pygeoapi.contract.operations import Coverage


def matrix_csv(coverage: Coverage) -> str:
    """Return a line for each period and a column for each unit, with the codes."""
    header = ["period", *(unit.id for unit in coverage.org_units)]
    return _csv(header, ([period, *row] for period, row in zip(coverage.periods, coverage.rows, strict=True)))


def reasons_csv(coverage: Coverage) -> str:
    """Return a line for each reason: of which unit, from which period to which, what is there, and why."""
    names = {unit.id: unit.name for unit in coverage.org_units}
    header = ["orgUnit", "name", "first", "last", "code", "meaning", "reason"]
    lines = (
        [one.org_unit, names[one.org_unit], one.first, one.last, one.code, coverage.legend[one.code], one.reason]
        for one in coverage.reasons
    )
    return _csv(header, lines)


def _csv(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()
