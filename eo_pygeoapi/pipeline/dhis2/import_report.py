"""What DHIS2 answers to an import of metadata."""

from collections.abc import Iterator, Mapping
from typing import Any


def import_report(answer: Any) -> dict[str, Any] | None:
    """Return the report of an import of metadata; until 2.37 it is the answer itself."""
    report = answer.get("response", answer) if isinstance(answer, dict) else None
    return report if isinstance(report, dict) and "stats" in report else None


def messages(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an import of metadata was refused for."""
    for of_type in report.get("typeReports") or []:
        for of_object in of_type.get("objectReports") or []:
            yield from (str(found.get("message", "")) for found in of_object.get("errorReports") or [])
    if report.get("status") == "ERROR" and not report.get("typeReports"):
        yield "the metadata were refused without a reason"
