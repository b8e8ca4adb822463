"""Raise the error for data that are not there: the provider has stopped, or the data may still come."""

from collections.abc import Sequence
from datetime import date, timedelta

from eo_pygeoapi.datasets.source import SourceOptions
from eo_pygeoapi.errors import NoDataError, NotPublishedYetError, StaleProviderError


def raise_if_stale(
    name: str, options: SourceOptions, missing: Sequence[date], newest: date | None, today: date
) -> None:
    """Raise StaleProviderError where days are missing because the provider's newest is older than twice its delay.

    Messages call the provider `name`; `newest` is its last day, None where that is unknown.
    """
    if newest is None or not missing or missing[-1] <= newest:
        return
    first = newest + timedelta(1)
    usual = options.expected(first)
    if usual is None or today - newest <= 2 * (usual - first):
        return
    raise StaleProviderError(
        f"stale provider: the newest day of {name} is {newest}, {(today - newest).days} days ago; usually a day is "
        f"there after {(usual - first).days} days. Ask for days until {newest}, or set "
        "another provider or address"
    )


def no_data(message: str, options: SourceOptions, missing: Sequence[date], today: date) -> NoDataError:
    """Return the error of a job whose days are all missing: a later attempt helps while the last may still come."""
    usual = options.expected(missing[-1])
    comes = usual is not None and today <= usual + (usual - missing[-1])
    return NotPublishedYetError(message, usual) if comes else NoDataError(message)
