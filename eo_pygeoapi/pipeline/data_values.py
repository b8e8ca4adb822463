"""Step 5: from a table of values to the data value set that DHIS2 takes.

DHIS2 accepts a number as text that matches `^(-?0|-?[1-9]\\d*)(\\.\\d+)?$`: no exponent, no NaN, no infinity. What
cannot be written so is left out and listed; it is never sent as something else.
"""

from typing import Any

import numpy as np
import pandas as pd

from eo_pygeoapi.datasets import DatasetTarget
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.models import LeftOut, Model

PREVIEW_ROWS = 100


class Payload(Model):
    """A data value set as DHIS2 wants it, where it is meant to go, and the values that are not in it."""

    data_value_set: dict[str, Any]
    target: DatasetTarget = DatasetTarget()
    left_out: list[LeftOut] = []


def build_dhis2_payload(frame: pd.DataFrame, target: DatasetTarget) -> Payload:
    """Build the data value set of the columns `orgUnit`, `period` and `value` (a number, null where there is none).

    The values come rounded; they are written with the fewest digits that read back as the same number. They are
    ordered by period, and within a period as in `frame`. Without a data element in `target` the payload is one to
    look at. Nulls and infinite values are left out and listed. Raises SourceError where a unit has two values for
    one period.
    """
    _refuse_duplicates(frame)
    ordered = frame.sort_values("period", kind="stable")
    numbers = _numbers(ordered["value"])
    dimensions = _dimensions(target)
    data_values: list[dict[str, str]] = []
    left_out: list[LeftOut] = []
    cells = zip(ordered["orgUnit"], ordered["period"], numbers, np.isfinite(numbers), strict=True)
    for org_unit, period, value, finite in cells:
        if finite:
            unit_and_period = {"period": str(period), "orgUnit": str(org_unit)}
            data_values.append(dimensions | unit_and_period | {"value": decimal_text(value)})
        else:
            reason = "no data" if np.isnan(value) else "the value is infinite"
            left_out.append(LeftOut(org_unit=str(org_unit), period=str(period), reason=reason))
    data_set = {"dataSet": target.data_set} if target.data_set else {}
    return Payload(data_value_set={**data_set, "dataValues": data_values}, target=target, left_out=left_out)


def decimal_text(value: float | np.floating[Any]) -> str:
    """Write a finite number as a plain decimal: no exponent, no `-0`, as few digits as its precision tells apart.

    A float32 is written with the digits of a float32: 0.1, not 0.10000000149011612.
    """
    text = np.format_float_positional(value, trim="-")
    return "0" if text == "-0" else text


def preview(payload: Payload, rows: int = PREVIEW_ROWS) -> dict[str, Any]:
    """Return what a person looks at before importing: where the values go, how many there are, and the first `rows`.

    It is itself a data value set, shortened, with `count`, `leftOutCount` and `target` beside the DHIS2 members.
    """
    data_values = payload.data_value_set["dataValues"]
    return {
        "target": {name: value for name, value in payload.target.to_json().items() if value != ""},
        "count": len(data_values),
        "leftOutCount": len(payload.left_out),
        **payload.data_value_set,
        "dataValues": data_values[:rows],
    }


def _dimensions(target: DatasetTarget) -> dict[str, str]:
    """Return what every value has in common; empty members are not sent, for DHIS2 has its defaults for them."""
    named = {
        "dataElement": target.data_element,
        "categoryOptionCombo": target.category_option_combo,
        "attributeOptionCombo": target.attribute_option_combo,
    }
    return {name: value for name, value in named.items() if value}


def _numbers(values: pd.Series) -> np.ndarray[Any, Any]:
    """Return the values as floats of their own precision, NaN where null."""
    dtype = values.dtype if values.dtype in (np.dtype("float32"), np.dtype("float64")) else np.dtype("float64")
    numbers: np.ndarray[Any, Any] = values.to_numpy(dtype=dtype, na_value=np.nan)
    return numbers


def _refuse_duplicates(frame: pd.DataFrame) -> None:
    repeated = frame[frame.duplicated(["orgUnit", "period"])]
    if len(repeated):
        first = repeated.iloc[0]
        raise SourceError(
            f"organisation unit {first['orgUnit']} has more than one value for period {first['period']} "
            f"({len(repeated)} values too many); allowed: one value a unit and period"
        )
