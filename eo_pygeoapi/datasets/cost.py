"""What data cost that are not here yet, as their source reckons it without asking the provider for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eo_pygeoapi.datasets.source import SourceOptions

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Cost:
    """Bytes that the provider sends, and that are kept of them; its requests, and the seconds that it usually takes."""

    download: int = 0
    kept: int = 0
    requests: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """Return what both cost together."""
        return Cost(
            self.download + other.download,
            self.kept + other.kept,
            self.requests + other.requests,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class Needed:
    """The days whose data are needed, in order, and the box around the units: west, south, east, north in degrees.

    `companions` are the options of datasets whose data come with the same download. `size` returns the bytes of a file
    by its address or path, None where it is not known. `sums_of_months`: are values sums over whole months?
    """

    days: Sequence[date]
    box: Box
    companions: Sequence["SourceOptions"] = ()
    size: Callable[[str], int | None] = lambda _place: None
    sums_of_months: bool = False

    @property
    def months(self) -> int:
        """How many months the days lie in."""
        return len({(day.year, day.month) for day in self.days})

    @property
    def years(self) -> list[int]:
        """The years that the days lie in."""
        return sorted({day.year for day in self.days})
