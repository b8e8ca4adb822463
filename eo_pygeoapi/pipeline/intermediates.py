"""Keep what the steps of a job hand to each other, in the job's folder of the results store."""

import json
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import duckdb
import geopandas as gpd
import pandas as pd
import shapely

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.pipeline import exports
from eo_pygeoapi.pipeline.dhis2 import data_values
from eo_pygeoapi.pipeline.dhis2.data_values import Payload, Row
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.features import GROUPS
from eo_pygeoapi.store.job_folder import JobFolder

SORT_MEMORY = "64MB"
ROWS_AT_ONCE = 10_000


class Intermediates:
    """The intermediate results of one job.

    Reads files of a local store in place; `scratch` is a folder for one copy of each file of a store elsewhere.
    """

    def __init__(self, folder: JobFolder, scratch: Path) -> None:
        self._folder, self._scratch = folder, scratch
        self.import_files = ImportFiles(folder)
        self._units: gpd.GeoDataFrame | None = None

    def write_units(self, frame: gpd.GeoDataFrame) -> None:
        """Keep the organisation units, with their outlines as WKB."""
        with self._folder.new_file(job_folder.STEP_UNITS) as path:
            save_table(pd.DataFrame(frame).assign(geometry=frame.geometry.to_wkb()), path)
        self._units = frame

    def units(self) -> gpd.GeoDataFrame:
        """Return the organisation units, with the columns of `OrgUnits`."""
        if self._units is None:
            found = self._read_table(job_folder.STEP_UNITS)
            outlines = shapely.from_wkb([bytes(outline) for outline in found.pop("geometry")])
            self._units = gpd.GeoDataFrame(found.astype({"level": "Int64"}), geometry=outlines, crs="EPSG:4326")
        return self._units

    def write_values(self, frame: pd.DataFrame) -> None:
        """Keep a table of values as Parquet, which keeps doubles exact."""
        with self._folder.new_file(job_folder.STEP_VALUES) as path:
            save_table(frame, path)

    def values(self) -> pd.DataFrame:
        """Return the table of values."""
        return self._read_table(job_folder.STEP_VALUES)

    def build_payload(self, dataset: Dataset) -> Payload:
        """Build the payload of the values, one by one, and keep it."""
        rows = rows_by_period(self._file(job_folder.STEP_VALUES), self._scratch)
        as_json, as_csv = self._folder.new_file(job_folder.PAYLOAD_JSON), self._folder.new_file(job_folder.PAYLOAD_CSV)
        with as_json as json_path, as_csv as csv_path:
            payload = data_values.build_dhis2_payload(rows, dataset.dhis2, json_path, csv_path)
        self.import_files.write_payload(payload)
        return payload

    @cached_property
    def preview(self) -> JsonMapping:
        """The first values, for people; after the import beside those that DHIS2 held."""
        with self._file(job_folder.PAYLOAD_CSV).open(encoding="utf-8", newline="") as stream:
            payload = self.import_files.payload()
            first = list(islice(data_values.read_data_values(stream, payload.target), data_values.PREVIEW_ROWS))
        return data_values.preview(payload, first, self.import_files.rows())

    def export(self, dataset: Dataset) -> None:
        """Keep the values as tidy CSV, and also as CHAP's CSV for period types that CHAP knows."""
        values = self._file(job_folder.STEP_VALUES)
        with self._folder.new_file(job_folder.VALUES_CSV) as target:
            exports.write_tidy_csv(values, self.units(), target, dataset.unit, list(dataset.options.divided_by()))
        if dataset.period_type in exports.CHAP_FREQUENCIES:
            with self._folder.new_file(job_folder.CHAP_CSV) as target:
                exports.write_chap_csv(values, dataset, target)

    def _read_table(self, name: str) -> pd.DataFrame:
        with duckdb.connect() as connection:
            frame: pd.DataFrame = connection.execute("FROM read_parquet(?)", [str(self._file(name))]).df()
        return frame

    def _file(self, name: str) -> Path:
        """Return the local file of this name: the store's own, or the copy of this process."""
        path = self._folder.local_path(name)
        if path is not None and path.is_file():
            return path
        copy = self._scratch / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            self._folder.copy_to(name, copy)
        return copy


def save_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet."""
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"COPY frame TO '{exports.quoted(path)}' (FORMAT parquet, USE_TMP_FILE false)")


def rows_by_period(path: Path, spill: Path) -> Iterator[Row]:
    """Yield the values of a Parquet file, by period and then in the order of the file; of groups each by itself.

    DuckDB sorts in the folder `spill` what does not fit into memory.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": SORT_MEMORY,
        "temp_directory": str(spill),
        "threads": 1,
    }
    with duckdb.connect(config=settings) as connection:
        columns = [name for name, *_ in connection.execute("DESCRIBE FROM read_parquet(?)", [str(path)]).fetchall()]
        divided = GROUPS in columns
        last = GROUPS if divided else "''"
        query = f"""SELECT "orgUnit", "period", "value", {last} FROM read_parquet(?, file_row_number=true)
            ORDER BY 2, file_row_number"""
        found = connection.execute(query, [str(path)])
        while rows := found.fetchmany(ROWS_AT_ONCE):
            if divided:
                rows = [(*row[:2], value, name) for row in rows for name, value in json.loads(row[3]).items()]
            yield from rows
