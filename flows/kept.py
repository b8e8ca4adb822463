"""What the steps of one job hand to each other, kept in the results store under `jobs/{jobID}/`."""

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.data_values import Payload
from eo_pygeoapi.pipeline.org_units import OrgUnits, from_geojson, to_geojson
from eo_pygeoapi.results import ResultStore
from eo_pygeoapi.settings import Settings


class Kept:
    """The kept intermediate results of the job `job_id`."""

    def __init__(self, job_id: str) -> None:
        self._folder = f"jobs/{job_id}"

    @cached_property
    def store(self) -> ResultStore:
        """The results store of this process's environment."""
        return ResultStore(Settings().results)

    def write_units(self, units: OrgUnits) -> None:
        """Keep the organisation units as GeoJSON."""
        self.store.write_json(f"{self._folder}/steps/org-units.json", to_geojson(units))

    def read_units(self) -> OrgUnits:
        """Return the kept organisation units."""
        return from_geojson(self.read_units_geojson())

    def read_units_geojson(self) -> dict[str, Any]:
        """Return the kept organisation units as a FeatureCollection."""
        collection: dict[str, Any] = self.store.read_json(f"{self._folder}/steps/org-units.json")
        return collection

    def write_values(self, frame: pd.DataFrame) -> None:
        """Keep a table of values as Parquet; doubles stay what they are."""
        with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
            path = Path(folder, "values.parquet")
            connection.register("frame", frame)
            connection.execute(f"COPY frame TO '{path}' (FORMAT parquet)")
            self.store.write_bytes(f"{self._folder}/steps/values.parquet", path.read_bytes())

    def read_values(self) -> pd.DataFrame:
        """Return the kept table of values."""
        with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
            path = Path(folder, "values.parquet")
            path.write_bytes(self.store.read_bytes(f"{self._folder}/steps/values.parquet"))
            frame: pd.DataFrame = connection.execute(f"FROM '{path}'").df()
        return frame

    def write_payload(self, payload: Payload) -> None:
        """Keep the whole payload."""
        self.store.write_json(f"{self._folder}/payload.json", payload.to_json())

    def read_payload(self) -> Payload:
        """Return the kept payload."""
        return Payload.model_validate(self.store.read_json(f"{self._folder}/payload.json"))

    def write_error(self, error: EoError, message: str) -> None:
        """Keep why the job failed, with the HTTP status and the code that its results are answered with."""
        kept = {"status": int(error.status), "code": error.code, "detail": message}
        self.store.write_json(f"{self._folder}/error.json", kept)
