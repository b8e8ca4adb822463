import csv
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.dhis2.data_values import (
    CSV_HEADER,
    DataValue,
    Payload,
    Row,
    build_dhis2_payload,
    decimal_text,
    preview,
    read_data_values,
)

DHIS2_NUMBER = re.compile(r"(-?0|-?[1-9]\d*)(\.\d+)?")
RAIN = DatasetTarget(data_element="CHIRPS_PRECIPITATION", data_set="ClimateDay1")


Whole = tuple[str, str, float | None]  # a row whose value no group divides


def build(folder: Path, whole: Sequence[Whole], target: DatasetTarget = RAIN) -> tuple[Payload, dict[str, Any]]:
    return build_rows(folder, [(*row, "") for row in whole], target)


def build_rows(folder: Path, rows: Sequence[Row], target: DatasetTarget) -> tuple[Payload, dict[str, Any]]:
    """Return the payload and the data value set that was written; the CSV must hold the same values."""
    files = folder / "payload.json", folder / "payload.csv"
    payload = build_dhis2_payload(rows, target, *files)
    written: dict[str, Any] = json.loads(files[0].read_text())
    with files[1].open(newline="") as stream:
        values = list(read_data_values(stream, target))
    named = {combo: group for group, combo in target.disaggregation.items()}
    assert values == [
        DataValue(v["orgUnit"], v["period"], v["value"], named.get(v.get("categoryOptionCombo", ""), ""))
        for v in written["dataValues"]
    ]
    assert len(values) == payload.count
    return payload, written


def test_a_value_has_all_its_dimensions(tmp_path: Path) -> None:
    target = RAIN.model_copy(update={"category_option_combo": "CocFinal001", "attribute_option_combo": "AocFinal001"})
    _, written = build(tmp_path, [("O6uvpzGd5pu", "20250701", 12.5)], target)
    assert written == {
        "dataSet": "ClimateDay1",
        "dataValues": [
            {
                "dataElement": "CHIRPS_PRECIPITATION",
                "categoryOptionCombo": "CocFinal001",
                "attributeOptionCombo": "AocFinal001",
                "period": "20250701",
                "orgUnit": "O6uvpzGd5pu",
                "value": "12.5",
            }
        ],
    }
    rows = list(csv.reader((tmp_path / "payload.csv").read_text().splitlines()))
    assert rows == [
        list(CSV_HEADER),
        ["CHIRPS_PRECIPITATION", "20250701", "O6uvpzGd5pu", "CocFinal001", "AocFinal001", "12.5"],
    ]


def test_the_values_of_groups_have_option_combinations_of_their_own(tmp_path: Path) -> None:
    target = DatasetTarget(data_element="PEOPLE", disaggregation={"f_0": "CocGirls001", "rest": "Rest, all"})
    rows: list[Row] = [("a", "2026", 3.0, "f_0"), ("a", "2026", 4.0, "rest"), ("b", "2026", None, "f_0")]
    payload, written = build_rows(tmp_path, rows, target)
    sent = [(v["orgUnit"], v["categoryOptionCombo"], v["value"]) for v in written["dataValues"]]
    assert sent == [("a", "CocGirls001", "3"), ("a", "Rest, all", "4")]
    assert (payload.count, payload.null_count, payload.org_units) == (2, 1, ["a"])
    shown = preview(payload, [DataValue("a", "2026", "3", "f_0")])
    assert shown["rows"] == [{"orgUnit": "a", "period": "2026", "group": "f_0", "value": "3"}]
    assert shown["dataValues"][0]["categoryOptionCombo"] == "CocGirls001"
    with pytest.raises(SourceError, match="unit a has more than one value for period 2026"):
        build_rows(tmp_path, [rows[0], rows[0]], target)


def test_what_the_target_does_not_name_is_not_sent(tmp_path: Path) -> None:
    _, written = build(tmp_path, [("O6uvpzGd5pu", "20250701", 12.5)], DatasetTarget())
    assert written == {"dataValues": [{"period": "20250701", "orgUnit": "O6uvpzGd5pu", "value": "12.5"}]}


def test_nulls_are_counted_and_infinite_values_are_listed(tmp_path: Path) -> None:
    rows: list[Whole] = [
        ("a", "20250701", None),
        ("b", "20250701", math.inf),
        ("c", "20250701", 0.0),
        ("d", "20250701", math.nan),
    ]
    payload, written = build(tmp_path, rows)
    assert [value["orgUnit"] for value in written["dataValues"]] == ["c"]
    assert (payload.null_count, payload.zero_count, payload.fraction_count) == (2, 1, 0)
    assert payload.left_out == [LeftOut(org_unit="b", period="20250701", reason="the value is infinite")]


def test_what_the_check_before_the_import_needs_is_noted(tmp_path: Path) -> None:
    rows: list[Whole] = [
        ("b", "20250701", 1.5),
        ("a", "20250701", 2.0),
        ("a", "20250702", 0.0),
        ("c", "20250703", None),
    ]
    payload, _ = build(tmp_path, rows)
    assert (payload.org_units, payload.periods) == (["b", "a"], ["20250701", "20250702"])
    assert (payload.count, payload.fraction_count, payload.zero_count) == (3, 1, 1)


def test_two_values_for_one_unit_and_period_are_refused(tmp_path: Path) -> None:
    rows: list[Whole] = [("a", "20250701", 1.0), ("b", "20250701", 1.0), ("a", "20250701", 2.0)]
    with pytest.raises(SourceError, match="unit a has more than one value for period 20250701"):
        build(tmp_path, rows)


@pytest.mark.parametrize("name", ['a "quoted" one', "a,b", "a\nb", "Ségou"])
def test_any_name_of_a_unit_survives_both_files(tmp_path: Path, name: str) -> None:
    payload, _ = build(tmp_path, [(name, "2026", 1.0)])
    assert payload.org_units == [name]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (26.0, "26"),
        (-0.0, "0"),
        (-0.5, "-0.5"),
        (1e-12, "0.000000000001"),
        (1e22, "10000000000000000000000"),
        (123456789.123, "123456789.123"),
        (np.float32(0.1), "0.1"),
    ],
)
def test_decimals_are_plain_and_short(value: float, text: str) -> None:
    assert decimal_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_one_for_dhis2_and_reads_back_the_same(value: float) -> None:
    text = decimal_text(value)
    assert DHIS2_NUMBER.fullmatch(text)
    assert float(text) == value
    assert text != "-0"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_has_no_noise(value: float) -> None:
    narrow = np.float32(value)
    text = decimal_text(narrow)
    assert DHIS2_NUMBER.fullmatch(text)
    assert np.float32(text) == narrow
    assert len(text.replace("-", "").replace(".", "").strip("0")) <= 9


def test_no_rows_make_an_empty_payload(tmp_path: Path) -> None:
    payload, written = build(tmp_path, [])
    assert written == {"dataSet": "ClimateDay1", "dataValues": []}
    assert payload == Payload(target=RAIN)


def test_a_payload_survives_the_store(tmp_path: Path) -> None:
    payload, _ = build(tmp_path, [("a", "20250701", 1.5), ("b", "20250701", math.inf)])
    assert Payload.model_validate(json.loads(json.dumps(payload.to_json()))) == payload


def test_the_preview_is_a_shortened_data_value_set_with_its_target() -> None:
    payload = Payload(target=RAIN, count=31, null_count=2)
    values = [DataValue("a", "20250701", "1"), DataValue("a", "20250702", "2")]
    rows = [{"orgUnit": "a", "period": "20250701", "value": "1", "stored": "3", "change": "changed"}]
    shown = preview(payload, values, rows)
    assert shown == {
        "target": {
            "connection": "default",
            "dataElement": "CHIRPS_PRECIPITATION",
            "dataSet": "ClimateDay1",
            "importStrategy": "CREATE_AND_UPDATE",
            "onConflict": "keep",
        },
        "count": 31,
        "leftOutCount": 2,
        "dataSet": "ClimateDay1",
        "dataValues": [
            {"dataElement": "CHIRPS_PRECIPITATION", "period": "20250701", "orgUnit": "a", "value": "1"},
            {"dataElement": "CHIRPS_PRECIPITATION", "period": "20250702", "orgUnit": "a", "value": "2"},
        ],
        "rows": rows,
    }
    assert preview(payload, values)["rows"][0] == {"orgUnit": "a", "period": "20250701", "value": "1"}
