"""Check the keys of a dataset that are right by themselves, and wrong together."""

from collections.abc import Iterator

from eo_pygeoapi.datasets.block import Dataset


def combination_problems(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yield the key of the block that is to be changed, and what is wrong and allowed."""
    if refused := dataset.options.refuses(dataset.aggregation):
        yield "aggregation", refused
