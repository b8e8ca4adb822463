"""The hours of each day in which a backfill may run, such as 20:00-05:00 in a dataset's time zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

WINDOW = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
_MOST_OPENINGS = 20_000  # more than fifty years of nights


@dataclass(frozen=True)
class Window:
    """From `start` to before `end` by the clocks of a time zone; where both are the same, always.

    Clocks that are put forward or back make it shorter or longer, as the clock on the wall says.
    """

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def of(cls, text: str, zone: str) -> Self:
        """Read `20:00-05:00`; no text means always."""
        start, _, end = (text or "00:00-00:00").partition("-")
        return cls(time.fromisoformat(start), time.fromisoformat(end), ZoneInfo(zone))

    def is_open(self, moment: datetime) -> bool:
        """Return whether it is open at a moment."""
        if self.start == self.end:
            return True
        here = moment.astimezone(self.zone).time()
        if self.start < self.end:
            return self.start <= here < self.end
        return here >= self.start or here < self.end

    def opens(self, moment: datetime) -> datetime:
        """Return the moment itself where it is open then, else when it opens next."""
        return moment if self.is_open(moment) else self._next(self.start, moment, is_open=True)

    def closes(self, moment: datetime) -> datetime | None:
        """Return when it closes next; None where it never does."""
        return None if self.start == self.end else self._next(self.end, moment, is_open=False)

    def after(self, begun: datetime, work: timedelta) -> datetime:
        """Return when so much time in the window has gone by."""
        now = self.opens(begun)
        for _ in range(_MOST_OPENINGS):
            closes = self.closes(now)
            if closes is None or closes - now >= work:
                return now + work
            work -= closes - now
            now = self.opens(closes)
        return now + work

    def _next(self, at: time, moment: datetime, *, is_open: bool) -> datetime:
        """Return the next time the clock shows `at`, and the window is open, or closed, from then on.

        A time that the clocks skip is the moment at which they skip it.
        """
        today = moment.astimezone(self.zone).date()
        for days in range(-1, 4):
            there = datetime.combine(today + timedelta(days), at, self.zone).astimezone(UTC)
            if there.astimezone(self.zone).time() != at:  # skipped: by the clock before it is too late by the gap
                early = datetime.combine(today + timedelta(days), at, self.zone).replace(fold=1).astimezone(UTC)
                there = _moment_of_skip(early, there, self.zone)
            if there > moment and self.is_open(there) == is_open:
                return there
        raise AssertionError("every window opens and closes within days")


def _moment_of_skip(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment with the offset of `after`, to the second."""
    wanted = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == wanted else (middle, after)
    return after.replace(microsecond=0)
