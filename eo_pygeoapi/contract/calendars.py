"""The Ethiopian and the Nepali calendar, as DHIS2 has them on servers that run on these (`keyCalendar`).

Conversion is by `convertdate` (the Ethiopian calendar is the Coptic one, whose years have other numbers) and
`nepali-datetime`; both are imported when they are needed only. DHIS2's Ethiopian year has twelve months of 30 days: the
five or six days of the 13th month, Pagume, are in no period there, and in no year.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from eo_pygeoapi.errors import InputError

_AFTER_COPTIC = 276  # years
NOT_IN_DHIS2 = 13  # Pagume, the month of five or six days
SETTLED_NEPALI_YEARS = 2030  # until then DHIS2's table has the months of ours; Gregorian


@dataclass(frozen=True)
class LocalDay:
    """A day of a local calendar."""

    year: int
    month: int
    day: int


@dataclass(frozen=True)
class Calendar:
    """A calendar by its name in DHIS2: how it calls a day, and which day a name means; ValueError for none.

    `months` are those of a year, the last of which DHIS2 does not have where it is the 13th.
    """

    name: str
    of: Callable[[date], LocalDay]
    day: Callable[[int, int, int], date]
    months: int = 12

    def month_of(self, day: date) -> tuple[date, date]:
        """Return the first and the last day of the month of a day."""
        local = self.of(day)
        first = self.day(local.year, local.month, 1)
        if local.month < self.months:
            return first, self.day(local.year, local.month + 1, 1) - timedelta(1)
        return first, self.day(local.year + 1, 1, 1) - timedelta(1)

    def year_of(self, day: date) -> tuple[date, date]:
        """Return the first and the last day of DHIS2's year of a day, which is twelve months long."""
        year = self.of(day).year
        after = self.day(year, NOT_IN_DHIS2, 1) if self.months == NOT_IN_DHIS2 else self.day(year + 1, 1, 1)
        return self.day(year, 1, 1), after - timedelta(1)


def _ethiopian(day: date) -> LocalDay:
    from convertdate import coptic

    year, month, number = coptic.from_gregorian(day.year, day.month, day.day)
    return LocalDay(int(year) + _AFTER_COPTIC, int(month), int(number))


def _from_ethiopian(year: int, month: int, day: int) -> date:
    from convertdate import coptic

    if not (1 <= month <= 13 and 1 <= day <= 30):
        raise ValueError(f"no day {day} of month {month}")
    return date(*(int(part) for part in coptic.to_gregorian(year - _AFTER_COPTIC, month, day)))


def _nepali(day: date) -> LocalDay:
    import nepali_datetime

    try:
        found = nepali_datetime.date.from_datetime_date(day)
    except (ValueError, OverflowError) as error:
        raise InputError(f"the Nepali calendar is known from 1918 to 2043, and not for {day}") from error
    return LocalDay(found.year, found.month, found.day)


def _from_nepali(year: int, month: int, day: int) -> date:
    import nepali_datetime

    found: date = nepali_datetime.date(year, month, day).to_datetime_date()
    return found


CALENDARS: Mapping[str, Calendar] = {
    "Ethiopian": Calendar("ethiopian", _ethiopian, _from_ethiopian, NOT_IN_DHIS2),
    "Nepali": Calendar("nepali", _nepali, _from_nepali),
}
