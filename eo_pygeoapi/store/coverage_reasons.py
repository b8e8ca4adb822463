"""The reasons of a coverage matrix, each once: of how many units, and from which period to which."""

from dataclasses import dataclass

from eo_pygeoapi.contract.operations import Coverage, CoverageCode, CoverageReason


@dataclass(frozen=True)
class Cause:
    """One reason; it is that of so many units, in so many spans of periods that follow each other."""

    code: CoverageCode
    reason: str
    units: int
    spans: int
    first: str
    last: str


def causes_of(coverage: Coverage) -> list[Cause]:
    """Return each reason of a matrix, in the order in which they are met."""
    found: dict[tuple[CoverageCode, str], list[CoverageReason]] = {}
    for one in coverage.reasons:
        found.setdefault((one.code, one.reason), []).append(one)
    return [
        Cause(
            code=code,
            reason=reason,
            units=len({span.org_unit for span in spans}),
            spans=len(spans),
            first=min(span.first for span in spans),
            last=max(span.last for span in spans),
        )
        for (code, reason), spans in found.items()
    ]
