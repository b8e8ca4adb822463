"""What the steps of one job hand to each other, kept in the results store under `jobs/{jobID}/`.

| key | what |
|---|---|
| `steps/org-units.json` | the organisation units, as GeoJSON |
| `steps/values.parquet` | the values, a row per unit and period |
| `steps/import-rows.json` | the first values beside what DHIS2 held |
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline import exports
from eo_pygeoapi.pipeline.dhis2 import data_values
from eo_pygeoapi.pipeline.dhis2.data_values import Payload, Row
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.org_units.load import OrgUnits, from_geojson, to_geojson
from eo_pygeoapi.store.store import ResultStore

SORT_MEMORY = "64MB"
ROWS_AT_ONCE = 10_000
_UNITS, _VALUES = "steps/org-units.json", "steps/values.parquet"


class Intermediates:
    """The intermediate results of the job `job_id`.

    They are read where they lie; `scratch` is a folder for copies of what a store elsewhere holds, one of each file,
    for all who read it.
    """

    def __init__(self, store: ResultStore, job_id: str, scratch: Path) -> None:
        self.store, self.job_id = store, job_id
        self.import_files = ImportFiles(store, job_id)
        self._scratch = scratch
        self._units: OrgUnits | None = None

    def write_units(self, units: OrgUnits) -> None:
        """Keep the organisation units."""
        self.store.write_json(self._key(_UNITS), to_geojson(units))
        self._units = units

    def units(self) -> OrgUnits:
        """Return the organisation units."""
        if self._units is None:
            self._units = from_geojson(self.units_geojson())
        return self._units

    def units_geojson(self) -> dict[str, Any]:
        """Return the organisation units as a FeatureCollection."""
        collection: dict[str, Any] = self.store.read_json(self._key(_UNITS))
        return collection

    def write_values(self, frame: pd.DataFrame) -> None:
        """Keep a table of values as Parquet; doubles stay what they are."""
        with self.store.new_file(self._key(_VALUES)) as path:
            save_values(frame, path)

    def values(self) -> pd.DataFrame:
        """Return the table of values."""
        with duckdb.connect() as connection:
            frame: pd.DataFrame = connection.execute("FROM read_parquet(?)", [str(self._file(_VALUES))]).df()
        return frame

    def build_payload(self, dataset: Dataset) -> Payload:
        """Build the payload of the values and keep it; the values pass one by one."""
        with (
            self.store.new_file(self._key("payload.json")) as as_json,
            self.store.new_file(self._key("payload.csv")) as csv,
        ):
            rows = rows_by_period(self._file(_VALUES), self._scratch)
            payload = data_values.build_dhis2_payload(rows, dataset.dhis2, as_json, csv)
        self.import_files.write_payload(payload)
        return payload

    @cached_property
    def preview(self) -> Mapping[str, Any]:
        """What a person looks at: the first values, after the import beside what DHIS2 held."""
        key = self._key("steps/import-rows.json")
        compared = self.store.read_json(key) if self.store.exists(key) else ()
        with self._file("payload.csv").open(encoding="utf-8", newline="") as stream:
            first = list(islice(data_values.read_data_values(stream), data_values.PREVIEW_ROWS))
        return data_values.preview(self.import_files.payload(), first, compared)

    def export(self, dataset: Dataset) -> None:
        """Keep the values as tidy CSV, and where CHAP knows the period type as CHAP's."""
        values = self._file(_VALUES)
        with self.store.new_file(self._key("values.csv")) as target:
            exports.write_tidy_csv(values, self.units().frame, target)
        if dataset.period_type in exports.CHAP_FREQUENCIES:
            with self.store.new_file(self._key("chap.csv")) as target:
                exports.write_chap_csv(values, dataset, target)

    def _key(self, name: str) -> str:
        return f"jobs/{self.job_id}/{name}"

    def _file(self, name: str) -> Path:
        """Return a local file with what is kept under the name: the file itself, or the copy of this process."""
        path = self.store.local_path(self._key(name))
        if path is not None and path.is_file():
            return path
        copy = self._scratch / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            self.store.copy_to(self._key(name), copy)
        return copy


def save_values(frame: pd.DataFrame, path: Path) -> None:
    """Write a table of values as Parquet."""
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"COPY frame TO '{exports.quoted(path)}' (FORMAT parquet, USE_TMP_FILE false)")


def rows_by_period(path: Path, spill: Path) -> Iterator[Row]:
    """Yield the values of a Parquet file, ordered by period and then as they came.

    DuckDB writes to the folder `spill` what it sorts and what does not fit into memory.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": SORT_MEMORY,
        "temp_directory": str(spill),
        "threads": 1,
    }
    query = 'SELECT "orgUnit", "period", "value" FROM read_parquet(?, file_row_number=true) ORDER BY 2, file_row_number'
    with duckdb.connect(config=settings) as connection:
        found = connection.execute(query, [str(path)])
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield from rows
