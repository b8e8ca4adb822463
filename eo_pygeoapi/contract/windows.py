"""The hours of each day in which a backfill may run, such as 20:00-05:00 in a dataset's time zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
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
        return moment if self.is_open(moment) else self._next(moment, is_open=True)

    def closes(self, moment: datetime) -> datetime | None:
        """Return when it closes next; None where it never does."""
        return None if self.start == self.end else self._next(self.opens(moment), is_open=False)

    @property
    def length(self) -> timedelta:
        """How long it is open in a day of 24 hours."""
        open_, close = (timedelta(hours=at.hour, minutes=at.minute) for at in (self.start, self.end))
        return (close - open_) % timedelta(days=1) or timedelta(days=1)

    def open_between(self, begun: datetime, end: datetime) -> timedelta:
        """Return how long it is open between two moments."""
        total, now = timedelta(0), self.opens(begun)
        while now < end:
            closes = self.closes(now)
            if closes is None or closes >= end:
                return total + (end - now)
            total, now = total + (closes - now), self.opens(closes)
        return total

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

    def _next(self, moment: datetime, *, is_open: bool) -> datetime:
        """Return the next moment from which on the window is open, or closed."""
        today = moment.astimezone(self.zone).date()
        for days in range(4):
            for there in self._changes(today + timedelta(days)):
                if there > moment and self.is_open(there) == is_open:
                    return there
        raise AssertionError("every window opens and closes within days")

    def _changes(self, day: date) -> list[datetime]:
        """Return the moments of a day at which it may open or close, in order.

        The clock shows its ends then, twice where clocks are put back, or the clocks are put forward or back.
        """
        midnight = datetime.combine(day, time(), self.zone).astimezone(UTC)
        next_one = datetime.combine(day + timedelta(1), time(), self.zone).astimezone(UTC)
        found = {
            datetime.combine(day, at, self.zone).replace(fold=fold).astimezone(UTC)
            for at in (self.start, self.end)
            for fold in (0, 1)
        }
        if midnight.astimezone(self.zone).utcoffset() != next_one.astimezone(self.zone).utcoffset():
            found.add(_moment_of_change(midnight, next_one, self.zone))
        return sorted(found)


def _moment_of_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment with the offset of `after`, to the second."""
    wanted = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == wanted else (middle, after)
    return after.replace(microsecond=0)
