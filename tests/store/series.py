"""Series of values as a dataset would have published them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.reader import PublishedReader
from eo_pygeoapi.store.store import ResultStore
from tests.store.results_data import square, units

Row = tuple[str, Period, float]  # unit, period, value


def publish_series(folder: Path, dataset_id: str, rows: Sequence[Row], fraction: float = 1.0) -> PublishedReader:
    """Publish these values, all of this valid fraction; returns what reads them."""
    columns = {
        "orgUnit": np.array([unit for unit, _, _ in rows], dtype=object),
        "period": np.array([period.id for _, period, _ in rows], dtype=object),
        "start": np.array([period.start.isoformat() for _, period, _ in rows], dtype=object),
        "end": np.array([period.end.isoformat() for _, period, _ in rows], dtype=object),
        "value": np.array([value for _, _, value in rows], dtype=np.float64),
        "validFraction": np.full(len(rows), fraction),
    }
    results = JobResults(
        units=units({unit: square(n, 0) for n, unit in enumerate(dict.fromkeys(unit for unit, _, _ in rows))}),
        values=columns,
        summary=ImportSummary(status="SKIPPED", dry_run=True),
        left_out=[],
        preview={"dataValues": [], "rows": []},
    )
    store = ResultStore(str(folder / "results"))
    publish_results(JobFolder(store, "a-job"), dataset_id, results)
    return PublishedReader(store)
