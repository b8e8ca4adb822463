"""Count what the watch asks of a dataset at each look, so that it reads what is counted already.

The watch lives for months: it would keep the 40 MB that reading Parquet files takes.
"""

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.store.boundaries import boundary_changes
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.store import ResultStore


def count_again(store: ResultStore, dataset: Dataset) -> None:
    """Count it in the files that the dataset has now, where these have changed. Raises ResultsError."""
    CoverageTable.of(store, dataset).summary()
    boundary_changes(store, dataset.id)
    History(store, dataset.id).totals()
