"""Step 5: from a table of values to the data value set that DHIS2 takes.

DHIS2 accepts a number as text that matches `^(-?0|-?[1-9]\\d*)(\\.\\d+)?$`: no exponent, no NaN, no infinity. What
cannot be written so is left out and counted, never changed.

The values may be millions, so they pass one by one, ordered by period, into two files: JSON and CSV as DHIS2 imports
them. The import reads the CSV again; what is in memory does not grow with the number of values.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from eo_pygeoapi.contract.models import LeftOut, Model
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.wording import counted

PREVIEW_ROWS = 100
# the columns of DHIS2's own CSV, which it tells apart by their places
CSV_HEADER = ("dataelement", "period", "orgunit", "catoptcombo", "attroptcombo", "value")

Row = tuple[str, str, float | None, str]  # organisation unit, period, value, group
Cell = tuple[str, str, str]  # organisation unit, period, group


class DataValue(NamedTuple):
    """One value; what all values of a payload have in common stands in its target.

    `group` is the one of the target's `disaggregation` that the value is of; empty for a value that is whole.
    """

    org_unit: str
    period: str
    value: str
    group: str = ""

    @property
    def cell(self) -> Cell:
        """Return where the value is in the data element."""
        return self.org_unit, self.period, self.group


def as_row(value: DataValue, change: str, *, stored: str = "", stored_by: str = "") -> dict[str, str]:
    """Return a value as a row for people: beside what DHIS2 holds, who stored that, and what it made of the value."""
    row = {
        "orgUnit": value.org_unit,
        "period": value.period,
        "value": value.value,
        "stored": stored,
        "change": change,
        "storedBy": stored_by,
    }
    return row | {"group": value.group} if value.group else row


def value_in(row: Mapping[str, str]) -> DataValue:
    """Return the value of such a row."""
    return DataValue(row["orgUnit"], row["period"], row["value"], row.get("group") or "")


class Payload(Model):
    """The summary of a payload: its target, its counts, and its units and periods, without the values."""

    target: DatasetTarget = DatasetTarget()
    count: int = 0
    null_count: int = 0
    zero_count: int = 0
    fraction_count: int = 0
    org_units: list[str] = []
    periods: list[str] = []
    left_out: list[LeftOut] = []

    def in_words(self) -> str:
        """Return how many data values the payload holds, and how many rows have none."""
        rows = counted(self.null_count + len(self.left_out), "row")
        return f"{counted(self.count, 'data value')}; {rows} without a value"


def build_dhis2_payload(rows: Iterable[Row], target: DatasetTarget, json_file: Path, csv_file: Path) -> Payload:
    """Write the data value set of the rows, which come ordered by period, as JSON and as CSV.

    The values come rounded; they are written with the fewest digits that read back as the same number. Without a data
    element in `target` the payload is one to look at. Nulls are left out and counted (why they are null, step 4 has
    listed); infinite values are left out and listed. Raises SourceError where a unit has two values for one period.
    """
    found = _Found()
    with ExitStack() as files:
        as_json = files.enter_context(json_file.open("w", encoding="utf-8"))
        as_csv = files.enter_context(csv_file.open("w", encoding="utf-8", newline=""))
        csv_rows = csv.writer(as_csv, lineterminator="\n")
        csv_rows.writerow(CSV_HEADER)
        combo, of_attributes = target.category_option_combo, target.attribute_option_combo
        common = "".join(f"{json.dumps(name)}: {json.dumps(value)}, " for name, value in dimensions(target).items())
        data_set = f'"dataSet": {json.dumps(target.data_set)}, ' if target.data_set else ""
        as_json.write(f'{{{data_set}"dataValues": [')
        before = "\n"
        for org_unit, period, value, group in found.data_values(rows):
            of_group = target.disaggregation.get(group, group)
            csv_rows.writerow((target.data_element, period, org_unit, of_group or combo, of_attributes, value))
            cell = f'"period": {json.dumps(period)}, "orgUnit": {json.dumps(org_unit)}'
            cell += f', "categoryOptionCombo": {json.dumps(of_group)}' if group else ""
            as_json.write(f'{before}{{{common}{cell}, "value": "{value}"}}')
            before = ",\n"
        as_json.write("]}\n")
    return Payload(
        target=target,
        count=found.count,
        null_count=found.nulls,
        zero_count=found.zeros,
        fraction_count=found.fractions,
        org_units=list(found.org_units),
        periods=found.periods,
        left_out=found.left_out,
    )


def read_data_values(stream: TextIO, target: DatasetTarget) -> Iterator[DataValue]:
    """Yield the values of a payload's CSV, in their order."""
    groups = {combo: group for group, combo in target.disaggregation.items()}
    rows = csv.reader(stream)
    next(rows, None)
    for _, period, org_unit, combo, _, value in rows:
        yield DataValue(org_unit, period, value, groups.get(combo, ""))


def data_value_set(
    values: Iterable[DataValue], target: DatasetTarget, uids: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the values as the JSON that DHIS2 imports, with the `uids` of the units in place of their names."""
    common = dimensions(target)
    of_group = {group: {"categoryOptionCombo": combo} for group, combo in target.disaggregation.items()} | {"": {}}
    data_set = {"dataSet": target.data_set} if target.data_set else {}
    return {
        **data_set,
        "dataValues": [
            {
                **common,
                "period": v.period,
                "orgUnit": uids[v.org_unit] if uids else v.org_unit,
                **of_group[v.group],
                "value": v.value,
            }
            for v in values
        ],
    }


def dimensions(target: DatasetTarget) -> dict[str, str]:
    """Return the members that all values share, without empty ones: DHIS2 has defaults for these."""
    named = {
        "dataElement": target.data_element,
        "categoryOptionCombo": target.category_option_combo,
        "attributeOptionCombo": target.attribute_option_combo,
    }
    return {name: value for name, value in named.items() if value}


def decimal_text(value: float | np.floating[Any]) -> str:
    """Write a finite number as a plain decimal: no exponent, no `-0`, as few digits as its precision tells apart.

    A float32 is written with the digits of a float32: 0.1, not 0.10000000149011612.
    """
    text = repr(value) if type(value) is float else "e"
    text = np.format_float_positional(value, trim="-") if "e" in text else text.removesuffix(".0")
    return "0" if text == "-0" else text


def preview(payload: Payload, values: Sequence[DataValue], rows: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """Return the preview of an import for people: the target, the counts and the first values.

    It is itself a data value set, shortened, with `count`, `leftOutCount` and `target` beside the DHIS2 members, and
    `rows`: the same values as a table, each with what DHIS2 holds (`stored`) and what that makes of it (`change`),
    where DHIS2 was asked.
    """
    unasked = [
        {"orgUnit": v.org_unit, "period": v.period} | ({"group": v.group} if v.group else {}) | {"value": v.value}
        for v in values
    ]
    return {
        "target": {name: value for name, value in payload.target.to_json().items() if value not in ("", {})},
        "count": payload.count,
        "leftOutCount": payload.null_count + len(payload.left_out),
        **data_value_set(values, payload.target),
        "rows": list(rows) or unasked,
    }


class _Found:
    """Counts the rows while they pass."""

    def __init__(self) -> None:
        self.count = self.nulls = self.zeros = self.fractions = 0
        self.org_units: dict[str, None] = {}  # a set that keeps the order
        self.periods: list[str] = []
        self.left_out: list[LeftOut] = []

    def data_values(self, rows: Iterable[Row]) -> Iterator[DataValue]:
        for period, of_period in groupby(rows, key=lambda row: row[1]):
            seen: set[tuple[str, str]] = set()
            for org_unit, _, value, group in of_period:
                if (org_unit, group) in seen:
                    raise SourceError(
                        f"organisation unit {org_unit} has more than one value for period {period}; "
                        "allowed: one value a unit and period"
                    )
                seen.add((org_unit, group))
                if value is None or math.isnan(value):
                    self.nulls += 1
                    continue
                if math.isinf(value):
                    self.left_out.append(LeftOut(org_unit=org_unit, period=period, reason="the value is infinite"))
                    continue
                if not self.periods or self.periods[-1] != period:
                    self.periods.append(period)
                self.org_units[org_unit] = None
                self.count += 1
                self.zeros += value == 0
                self.fractions += not float(value).is_integer()
                yield DataValue(org_unit, period, decimal_text(value), group)
