"""What the steps of one job hand to each other, kept in its folder in the results store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline import exports
from eo_pygeoapi.pipeline.dhis2 import data_values
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue, Payload, Row
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.org_units.load import OrgUnits, from_geojson, to_geojson
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore

SORT_MEMORY = "64MB"
ROWS_AT_ONCE = 10_000


class Kept:
    """The kept intermediate results of the job `job_id`."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id

    @cached_property
    def folder(self) -> JobFolder:
        """The job's folder in the results store of this process's environment."""
        return JobFolder(ResultStore(Settings().results), self._job_id)

    def write_units(self, units: OrgUnits) -> None:
        """Keep the organisation units as GeoJSON."""
        self.folder.write_json(job_folder.STEP_UNITS, to_geojson(units))

    def read_units(self) -> OrgUnits:
        """Return the kept organisation units."""
        return from_geojson(self.read_units_geojson())

    def read_units_geojson(self) -> dict[str, Any]:
        """Return the kept organisation units as a FeatureCollection."""
        collection: dict[str, Any] = self.folder.read_json(job_folder.STEP_UNITS)
        return collection

    def write_values(self, frame: pd.DataFrame) -> None:
        """Keep a table of values as Parquet; doubles stay what they are."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "values.parquet")
            _save(frame, path)
            self.folder.write_bytes(job_folder.STEP_VALUES, path.read_bytes())

    def read_values(self) -> pd.DataFrame:
        """Return the kept table of values."""
        with self._values_file() as path, duckdb.connect() as connection:
            frame: pd.DataFrame = connection.execute(f"FROM '{path}'").df()
        return frame

    @property
    def import_files(self) -> ImportFiles:
        """What the import reads and leaves."""
        return ImportFiles(self.folder)

    def build_payload(self, dataset: Dataset) -> Payload:
        """Build the payload of the kept values and keep it; the values pass one by one."""
        as_json, as_csv = self.folder.new_file(job_folder.PAYLOAD_JSON), self.folder.new_file(job_folder.PAYLOAD_CSV)
        with self._values_file() as path, as_json as json, as_csv as csv:
            payload = data_values.build_dhis2_payload(_rows_by_period(path), dataset.dhis2, json, csv)
        self.import_files.write_payload(payload)
        return payload

    def first_values(self, count: int = data_values.PREVIEW_ROWS) -> list[DataValue]:
        """Return the first values of the payload."""
        with self.import_files.data_values() as values:
            return list(islice(values, count))

    def export(self, dataset: Dataset) -> None:
        """Keep the values as tidy CSV, and where CHAP knows the period type as CHAP's."""
        with self._values_file() as path:
            with self.folder.new_file(job_folder.VALUES_CSV) as target:
                exports.write_tidy_csv(path, self.read_units().frame, target)
            if dataset.period_type in exports.CHAP_FREQUENCIES:
                with self.folder.new_file(job_folder.CHAP_CSV) as target:
                    exports.write_chap_csv(path, dataset, target)

    @contextmanager
    def _values_file(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "values.parquet")
            self.folder.copy_to(job_folder.STEP_VALUES, path)
            yield path

    def write_error(self, error: EoError, message: str) -> None:
        """Keep why the job failed, with the HTTP status and the code that its results are answered with."""
        kept = {"status": int(error.status), "code": error.code, "detail": message}
        self.folder.write_json(job_folder.ERROR, kept)


def _save(frame: pd.DataFrame, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"COPY frame TO '{path}' (FORMAT parquet)")


def _rows_by_period(path: Path) -> Iterator[Row]:
    """Yield the values of a Parquet file, ordered by period and then as they came; DuckDB spills what it sorts."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": SORT_MEMORY,
        "temp_directory": str(path.parent),
        "threads": 1,
    }
    query = 'SELECT "orgUnit", "period", "value" FROM read_parquet(?, file_row_number=true) ORDER BY 2, file_row_number'
    with duckdb.connect(config=settings) as connection:
        found = connection.execute(query, [str(path)])
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield from rows
