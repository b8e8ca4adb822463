import csv
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point

from eo_pygeoapi.pipeline.exports import write_chap_csv, write_tidy_csv
from tests.pipeline.made import dataset, units


def values_file(folder: Path, rows: list[tuple[str, str, str, str, float]]) -> Path:
    frame = pd.DataFrame(rows, columns=["orgUnit", "period", "start", "end", "value"]).assign(validFraction=1.0)
    path = folder / "it's values.parquet"
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        quoted = str(path).replace("'", "''")
        connection.execute(f"COPY frame TO '{quoted}' (FORMAT parquet)")
    return path


MONTHS = [
    ("b", "202502", "2025-02-01", "2025-02-28", 3.5),
    ("a", "202501", "2025-01-01", "2025-01-31", 0.1),
    ("b", "202501", "2025-01-01", "2025-01-31", np.nan),
]


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_tidy_csv_has_a_row_for_each_unit_and_period(tmp_path: Path) -> None:
    target = tmp_path / "values.csv"
    frame = units({"a": Point(0, 0), "b": Point(1, 1)}).assign(name=["Bo, town", 'The "other"'])
    frame["level"] = pd.array([2, pd.NA], dtype="Int64")
    write_tidy_csv(values_file(tmp_path, MONTHS), frame, target, "mm 'a' day")
    found = rows_of(target)
    assert list(found[0]) == ["orgUnit", "name", "level", "period", "start", "end", "value", "validFraction", "unit"]
    assert {row["unit"] for row in found} == {"mm 'a' day"}
    assert [(row["orgUnit"], row["name"], row["level"], row["period"], row["value"]) for row in found] == [
        ("a", "Bo, town", "2", "202501", "0.1"),
        ("b", 'The "other"', "", "202501", ""),
        ("b", 'The "other"', "", "202502", "3.5"),
    ]


def test_months_for_chap(tmp_path: Path) -> None:
    target = tmp_path / "chap.csv"
    made = dataset(periodType="monthly").model_copy(update={"id": "chirps3-monthly"})
    write_chap_csv(values_file(tmp_path, MONTHS), made, target)
    assert rows_of(target) == [
        {"time_period": "2025-01", "location": "a", "disease_cases": "", "chirps3_monthly": "0.1"},
        {"time_period": "2025-02", "location": "a", "disease_cases": "", "chirps3_monthly": ""},
        {"time_period": "2025-01", "location": "b", "disease_cases": "", "chirps3_monthly": ""},
        {"time_period": "2025-02", "location": "b", "disease_cases": "", "chirps3_monthly": "3.5"},
    ]


@pytest.mark.parametrize(("period", "expected"), [("2025W5", "2025-W05"), ("2025W12", "2025-W12")])
def test_weeks_for_chap(tmp_path: Path, period: str, expected: str) -> None:
    target = tmp_path / "chap.csv"
    path = values_file(tmp_path, [("a", period, "2025-01-27", "2025-02-02", 1.0)])
    write_chap_csv(path, dataset(periodType="weekly"), target)
    assert [row["time_period"] for row in rows_of(target)] == [expected]
