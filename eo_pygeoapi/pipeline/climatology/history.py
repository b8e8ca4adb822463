"""The published values of a dataset, by the time of the year."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.store.reader import DEFAULT_ORDER, Condition, PublishedReader

Floats = NDArray[np.float64]
_NO_LIMIT = 2**31 - 1
_KEPT = 24  # times of the year in memory: months of two indices, or the days of a few weeks


@dataclass
class History:
    """Values of some units in consecutive years, from what a dataset has published.

    A time of the year is what a period's id has after the year: `07`, `0731`, `W31`, nothing for whole years.
    """

    reader: PublishedReader
    dataset_id: str
    units: Sequence[str]
    first: int
    last: int
    _known: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)

    def values(self, time: str) -> Floats:
        """Return values at a time of the year, shape (year, unit), NaN for missing."""
        return self._of(time)[0]

    def fractions(self, time: str) -> Floats:
        """Return the valid fractions of these values."""
        return self._of(time)[1]

    def sums(self, month: str, months: int) -> Floats:
        """Return the sums of so many months that end in this one, NaN where one of them is missing."""
        total = np.zeros((self.last - self.first + 1, len(self.units)))
        for before in range(months):
            years, number = divmod(int(month) - 1 - before, 12)
            values = self.values(f"{number + 1:02}")
            shifted = np.full_like(values, np.nan)
            shifted[-years:] = values[: len(values) + years]
            total += shifted
        return total

    def _of(self, time: str) -> tuple[Floats, Floats]:
        if time not in self._known:
            while len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[time] = self._read(time)
        return self._known[time]

    def _read(self, time: str) -> tuple[Floats, Floats]:
        shape = (self.last - self.first + 1, len(self.units))
        values, fractions = np.full(shape, np.nan), np.zeros(shape)
        column = {unit: number for number, unit in enumerate(self.units)}
        wanted = [
            Condition('substr("period", 5) = ?', (time,), on_key=True),
            Condition('"period" >= ? AND "period" < ?', (str(self.first), str(self.last + 1)), on_key=True),
            Condition('"orgUnit" IN (SELECT unnest(?::VARCHAR[]))', (list(self.units),), on_key=True),
        ]
        page = self.reader.page(self.dataset_id, wanted, DEFAULT_ORDER, 0, _NO_LIMIT, with_geometry=False)
        for row in page.rows:
            place = int(row["period"][:4]) - self.first, column[row["orgUnit"]]
            if row["value"] is not None:
                values[place] = row["value"]
                fractions[place] = 1.0 if row["validFraction"] is None else row["validFraction"]
        return values, fractions
