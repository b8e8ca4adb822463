"""Between which numbers the values of a dataset lie, as far as that is known before there are any."""

from eo_pygeoapi.contract.day_statistics import day_statistic
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.source import Limits


def value_limits(dataset: Dataset) -> Limits:
    """Return the lowest and the highest value that the dataset's statistics can give; None where none is known."""
    if (
        dataset.aggregation.spatial in ("count", "std")
        or day_statistic(dataset.aggregation.temporal)
        or dataset.exposure
    ):
        return 0.0, None
    if dataset.plausible:
        return dataset.plausible
    # the source's limits are for its time steps and in its units; only 0 is the same in all
    return 0.0 if dataset.options.plausible()[0] == 0 else None, None
