"""What the checks before an import say, in one form."""

from collections.abc import Iterator
from typing import Literal

from eo_pygeoapi.contract.models import Finding

Findings = Iterator[Finding]


def error(code: str, message: str) -> Finding:
    """Return what keeps an import from being made, for nothing, or something wrong, would come of it."""
    return _finding("error", code, message)


def warning(code: str, message: str) -> Finding:
    """Return what a person should know, and what does not keep an import from being made."""
    return _finding("warning", code, message)


def _finding(severity: Literal["error", "warning"], code: str, message: str) -> Finding:
    return Finding(severity=severity, code=code, message=message)
