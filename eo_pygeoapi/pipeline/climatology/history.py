"""The published values of a dataset, by the time of the year."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, period_with_id
from eo_pygeoapi.store.reader import DEFAULT_ORDER, Condition, PublishedReader

Floats = NDArray[np.float64]
_NO_LIMIT = 2**31 - 1
_DAYS_BEFORE = 3  # the 32nd of a Nepali month, and the 29th that every month has
_KEPT = 24  # times of the year in memory: months of two indices, or the days of a few weeks


@dataclass
class History:
    """Values of some units in consecutive years, from what a dataset has published.

    A time of the year is what a period's id has after the year: `07`, `0731`, `W31`, nothing for whole years. Years
    from `first` to `last` are those of the ids, in a local calendar local ones.
    """

    reader: PublishedReader
    dataset_id: str
    units: Sequence[str]
    period_type: PeriodType
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

    def of_years(self, years: tuple[int, int], time: str, known: Callable[[str], Floats]) -> Floats:
        """Return what is `known` of a time of the year in these Gregorian years, NaN for missing.

        Where a year has no such time (29 February, week 53), the one before stands for it.
        """
        tables: dict[str, Floats] = {}
        rows = [np.empty((0, len(self.units)))]
        for year in range(self.first, self.last + 1):
            period = at_time(year, time, self.period_type)
            if period is None or not years[0] <= period.year <= years[1]:
                continue
            if (its := period.id[4:]) not in tables:
                tables[its] = known(its)
            rows.append(tables[its][year - self.first][None])
        return np.concatenate(rows)

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


def at_time(year: int, time: str, period_type: PeriodType) -> Period | None:
    """Return the period at a time of a year, or the one before where the year has none, such as 28 February."""
    words = re.fullmatch(r"(.*?)(\d+)", time)
    for before in range(_DAYS_BEFORE + 1 if words else 1):
        here = f"{words[1]}{int(words[2]) - before:0{len(words[2])}}" if words else time
        if period := period_with_id(f"{year:04}{here}", period_type):
            return period
    return None
