"""Write the values of a job for other programs: a tidy CSV, and a CSV for CHAP (through dhis2eo)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import duckdb
import geopandas as gpd
import pandas as pd
from dhis2eo.integrations.chap import dataframe_to_chap_csv

from eo_pygeoapi.datasets.block import Dataset

CHAP_FREQUENCIES: dict[str, Literal["monthly", "weekly"]] = {"monthly": "monthly", "weekly": "weekly"}
TIDY_QUERY = """
    COPY (
      SELECT "orgUnit", name, level, "period", "start", "end",
             CASE WHEN isnan(value) THEN NULL ELSE value END AS value, "validFraction"{groups},
             nullif('{unit}', '') AS unit
      FROM read_parquet('{path}', file_row_number=true) LEFT JOIN units USING ("orgUnit")
      ORDER BY "start", file_row_number
    ) TO '{target}' (FORMAT csv, HEADER)
"""


def write_tidy_csv(values: Path, units: gpd.GeoDataFrame, target: Path, unit: str, groups: Sequence[str] = ()) -> None:
    """Write a Parquet file of values as CSV: a row per unit and period, with the unit's name and level.

    Values that are divided by groups have a column for each group, too. The last column is the `unit` of the values.
    """
    of_groups = "".join(f""", (groups->>'$.{name}')::DOUBLE AS "{name}\"""" for name in groups)
    named = pd.DataFrame(units[["orgUnit", "name", "level"]])
    with duckdb.connect() as connection:
        connection.register("units", named)
        parts = {"path": quoted(values), "target": quoted(target), "groups": of_groups}
        connection.execute(TIDY_QUERY.format(**parts, unit=unit.replace("'", "''")))


def write_chap_csv(values: Path, dataset: Dataset, target: Path) -> None:
    """Write the values of a monthly or weekly dataset as CHAP reads them, in a column named like the dataset.

    CHAP wants `time_period`, `location` and `disease_cases`; others fill in the cases. A period that a unit lacks is a
    row without a value.
    """
    with duckdb.connect() as connection:
        frame = connection.execute(f"""SELECT "orgUnit", "period", value FROM '{quoted(values)}'""").df()
    frequency = CHAP_FREQUENCIES[dataset.period_type]
    if frequency == "weekly":  # CHAP writes 2024W5 as 2024-W05
        year_and_week = frame["period"].str.split("W", expand=True)
        frame["period"] = year_and_week[0] + "-W" + year_and_week[1].str.zfill(2)
    column = dataset.id.replace("-", "_")
    frame = frame.rename(columns={"value": column}).assign(disease_cases=pd.NA)
    columns = {"time_period": "period", "location": "orgUnit", "disease_cases": "disease_cases"}
    dataframe_to_chap_csv(
        frame, column_map=columns, freq=frequency, continuity_policy="ignore", output_path=str(target)
    )


def quoted(path: Path) -> str:
    """Return a path for use between the quotes of an SQL text."""
    return str(path).replace("'", "''")
