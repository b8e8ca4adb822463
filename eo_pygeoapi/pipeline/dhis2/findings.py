"""What the checks before an import say, in one form."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from eo_pygeoapi.contract.models import Finding

NAMED = 5  # so many of many names stand in a message

Findings = Iterator[Finding]


def error(code: str, message: str) -> Finding:
    """Return what keeps an import from being made, for nothing, or something wrong, would come of it."""
    return _finding("error", code, message)


def warning(code: str, message: str) -> Finding:
    """Return what a person should know, and what does not keep an import from being made."""
    return _finding("warning", code, message)


def some(names: Sequence[str], separator: str = ", ") -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{separator.join(islice(names, NAMED))}{more}"


def _finding(severity: Literal["error", "warning"], code: str, message: str) -> Finding:
    return Finding(severity=severity, code=code, message=message)
