import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo_pygeoapi.datasets import DatasetTarget
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.models import LeftOut
from eo_pygeoapi.pipeline.data_values import Payload, build_dhis2_payload, decimal_text, preview

DHIS2_NUMBER = re.compile(r"(-?0|-?[1-9]\d*)(\.\d+)?")
RAIN = DatasetTarget(data_element="CHIRPS_PRECIPITATION", data_set="ClimateDay1")


def table(*rows: tuple[str, str, float | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["orgUnit", "period", "value"]).astype({"value": "float64"})


def test_a_value_has_all_its_dimensions() -> None:
    target = RAIN.model_copy(update={"category_option_combo": "CocFinal001", "attribute_option_combo": "AocFinal001"})
    payload = build_dhis2_payload(table(("O6uvpzGd5pu", "20250701", 12.5)), target)
    assert payload.data_value_set == {
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


def test_what_the_target_does_not_name_is_not_sent() -> None:
    payload = build_dhis2_payload(table(("O6uvpzGd5pu", "20250701", 12.5)), DatasetTarget())
    assert payload.data_value_set == {"dataValues": [{"period": "20250701", "orgUnit": "O6uvpzGd5pu", "value": "12.5"}]}


def test_values_are_ordered_by_period_and_then_as_they_came() -> None:
    frame = table(("b", "20250702", 1), ("a", "20250702", 2), ("b", "20250701", 3), ("a", "20250701", 4))
    values = build_dhis2_payload(frame, RAIN).data_value_set["dataValues"]
    assert [value["value"] for value in values] == ["3", "4", "1", "2"]


def test_nulls_and_infinite_values_are_left_out_and_listed() -> None:
    frame = table(("a", "20250701", None), ("b", "20250701", math.inf), ("c", "20250701", 0.0))
    payload = build_dhis2_payload(frame, RAIN)
    assert [value["orgUnit"] for value in payload.data_value_set["dataValues"]] == ["c"]
    assert payload.left_out == [
        LeftOut(org_unit="a", period="20250701", reason="no data"),
        LeftOut(org_unit="b", period="20250701", reason="the value is infinite"),
    ]


def test_two_values_for_one_unit_and_period_are_refused() -> None:
    frame = table(("a", "20250701", 1), ("b", "20250701", 1), ("a", "20250701", 2))
    with pytest.raises(SourceError, match="unit a has more than one value for period 20250701"):
        build_dhis2_payload(frame, RAIN)


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


@pytest.mark.parametrize("dtype", ["float32", "Float64", "object"])
def test_columns_of_other_types_are_read_alike(dtype: str) -> None:
    frame = pd.DataFrame(
        {"orgUnit": ["a", "b"], "period": ["2026", "2026"], "value": pd.Series([0.1, None], dtype=dtype)}
    )
    payload = build_dhis2_payload(frame, RAIN)
    assert [value["value"] for value in payload.data_value_set["dataValues"]] == ["0.1"]
    assert len(payload.left_out) == 1


def test_an_empty_table_makes_an_empty_payload() -> None:
    assert build_dhis2_payload(table(), RAIN).data_value_set == {"dataSet": "ClimateDay1", "dataValues": []}


def test_a_payload_survives_the_store() -> None:
    payload = build_dhis2_payload(table(("a", "20250701", 1.5), ("b", "20250701", None)), RAIN)
    assert Payload.model_validate(json.loads(json.dumps(payload.to_json()))) == payload


def test_the_preview_is_a_shortened_data_value_set_with_its_target() -> None:
    payload = build_dhis2_payload(table(*[("a", f"202507{day:02}", day) for day in range(1, 32)]), RAIN)
    assert preview(payload, rows=2) == {
        "target": {
            "connection": "default",
            "dataElement": "CHIRPS_PRECIPITATION",
            "dataSet": "ClimateDay1",
            "importStrategy": "CREATE_AND_UPDATE",
            "onConflict": "keep",
        },
        "count": 31,
        "leftOutCount": 0,
        "dataSet": "ClimateDay1",
        "dataValues": [
            {"dataElement": "CHIRPS_PRECIPITATION", "period": "20250701", "orgUnit": "a", "value": "1"},
            {"dataElement": "CHIRPS_PRECIPITATION", "period": "20250702", "orgUnit": "a", "value": "2"},
        ],
    }
