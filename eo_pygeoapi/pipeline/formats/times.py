"""Turn the times of a file into dates.

Reads `days since …` in every unit, also the months and years of the climate data libraries, and dates as numbers
(20240131, 202401) or as text. The dates are those of the file's own clock; `ahead` is that clock's offset from UTC.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import cftime
import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.attributes import text

_SINCE = re.compile(r"^\s*([a-z]+)\s+(?:since|after|from)\s+(.+?)\s*$", re.IGNORECASE)
_MOMENT = re.compile(
    r"(?P<year>[+-]?\d{1,4})(?:-(?P<month>\d{1,2}))?(?:-(?P<day>\d{1,2}))?"
    r"(?:[T\s]+(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2}))?(?::(?P<second>\d{1,2}(?:\.\d*)?))?)?"
    r"\s*(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?\s*[+-]\d{1,2}(?::?\d{2})?)?(?::00)?",
    re.IGNORECASE,
)
_SECONDS = {
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("week", "weeks"), 7 * 86400.0),
}
_MONTHS = {**dict.fromkeys(("month", "months", "mon", "mons"), 1), **dict.fromkeys(("year", "years", "yr", "yrs"), 12)}
_USUAL = ("", "standard", "gregorian", "proleptic_gregorian", "none")
# a count of months needs no days
_OF_MONTHS = (*_USUAL, "360", "360_day")
_MODELS = {"noleap": "noleap", "365_day": "noleap", "360": "360_day"}
# the precision of a date that is written as a number, by the number of its digits
_DIGITS = {8: "D", 6: "M", 4: "Y", 10: "h"}
_YEARS = (1800, 2200)
_LEAP_YEARS_AGREE = (1900, 2100)  # between these a fourth of the years are leap years in both calendars
_HOUR = 3600 * 10**9  # nanoseconds
_EXPECTED = "expected dates, such as units 'days since 2024-01-01' in the calendar 'standard'"


@dataclass(frozen=True, eq=False)
class Times:
    """Dates of a clock, how many seconds that clock is ahead of UTC, and where each step ends, if the file says so."""

    labels: NDArray[np.datetime64]
    ahead: float = 0.0
    ends: NDArray[np.datetime64] | None = None


def are_times(values: NDArray[Any], attributes: Mapping[Any, Any]) -> bool:
    """Return whether the values of a variable are dates."""
    return bool(_SINCE.match(text(attributes, "units"))) or values.dtype.kind == "M"


def times(values: NDArray[Any], attributes: Mapping[Any, Any], source: str) -> Times:
    """Return the dates that the numbers or words of a time axis mean.

    Raises SourceError where that is not clear; the message begins with `source`, and says what to write instead.
    """
    if values.dtype.kind == "M":
        return Times(_complete(values.astype("M8[ns]"), source))
    if values.dtype.kind in "SUO":
        if values.ndim == 2:  # a character each
            values = np.array([b"".join(np.asarray(row, "S1").tolist()) for row in values])
        words = [word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in values.tolist()]
        words = [word.strip("\x00 ") for word in words]
        if all(re.fullmatch(r"\d{8}|\d{6}|\d{4}|\d{10}", word) for word in words):
            return Times(_of_digits(np.array([int(word) for word in words]), "", source))
        try:
            # ISO 8601, also with `/` or `_` instead of `-`
            words = [re.sub(r"(?<=\d)[/_](?=\d)", "-", word) for word in words]
            words = [f"{word}-01-01"[:10] if re.fullmatch(r"\d{4}(-\d{2})?", word) else word for word in words]
            moments = [datetime.fromisoformat(word) for word in words]
            (ahead,) = {moment.utcoffset() or timedelta(0) for moment in moments}
        except ValueError as error:
            raise SourceError(f"{source}: its times are words such as {words[0]!r}; {_EXPECTED}") from error
        return Times(np.array([moment.replace(tzinfo=None) for moment in moments], "M8[ns]"), ahead.total_seconds())
    units = text(attributes, "units")
    if match := _SINCE.match(units):
        return _since(_complete(values, source), match[1].lower(), match[2], attributes, source)
    return Times(_of_digits(_complete(values, source), units, source))


def _complete(values: NDArray[Any], source: str) -> NDArray[Any]:
    """Return the values; raise SourceError where one is missing."""
    missing = np.isnat(values) if values.dtype.kind == "M" else ~np.isfinite(values.astype("float64"))
    if missing.any():
        raise SourceError(f"{source}: its time step {int(np.flatnonzero(missing)[0]) + 1} has no time; {_EXPECTED}")
    return values


def _since(values: NDArray[Any], unit: str, since: str, attributes: Mapping[Any, Any], source: str) -> Times:
    calendar = text(attributes, "calendar").lower()
    found = _MOMENT.fullmatch(since.strip())
    written = f"{unit} since {since}"
    if not found:
        raise SourceError(f"{source}: its times are in {written!r}, which is no moment; {_EXPECTED}")
    if unit in _MONTHS and calendar in _OF_MONTHS:
        first = np.datetime64(f"{int(found['year']):04}-{int(found['month'] or 1):02}", "M")
        # some libraries count whole months from the 16th, which are middles of months
        months = values.astype("float64") * _MONTHS[unit] + (int(found["day"] or 1) - 1) / 31
        whole = np.floor(months)
        if not np.allclose(months * 2, np.round(months * 2), atol=0.1):
            raise SourceError(f"{source}: its times are in {written!r} and not whole or half months; {_EXPECTED}")
        start = first + whole.astype("int64").astype("m8[M]")
        _possible(start.astype("M8[D]").astype("int64"), source)
        length = (start + np.timedelta64(1, "M")).astype("M8[D]") - start.astype("M8[D]")
        # half a month means the middle of the month
        days = np.floor((months - whole) * length.astype("int64")).astype("int64")
        return Times(np.asarray((start.astype("M8[D]") + days.astype("m8[D]")).astype("M8[ns]")))
    numbers = [int(found[name] or 1) for name in ("year", "month", "day")]
    if calendar == "julian" and numbers[0] > _LEAP_YEARS_AGREE[0]:
        return _in_julian(values, unit, since, attributes, source)
    if calendar not in _USUAL:
        return Times(_of_model(values, written, calendar, source))
    if unit not in _SECONDS:
        raise SourceError(f"{source}: its times are in {written!r}; allowed: seconds, minutes, hours, days, months")
    if numbers[0] < 1:
        raise SourceError(f"{source}: its times are in {written!r}, a year that no calendar has; {_EXPECTED}")
    mixed = "proleptic_gregorian" if calendar == "proleptic_gregorian" else "standard"
    try:
        day = cftime.datetime(*numbers, calendar=mixed).toordinal()
        of_1970 = cftime.datetime(1970, 1, 1, calendar=mixed).toordinal()
    except ValueError as error:
        raise SourceError(f"{source}: its times are in {written!r}, which is no moment; {_EXPECTED}") from error
    hour, minute, second = (float(found[name] or 0) for name in ("hour", "minute", "second"))
    origin = day - of_1970, round((hour * 3600 + minute * 60 + second) * 1e9)
    labels = _of_seconds(values, _SECONDS[unit], origin, source)
    zone = re.search(r"([+-])(\d{1,2}):?(\d{2})?", found["zone"] or "")
    ahead = int(zone[2]) * 3600 + int(zone[3] or 0) * 60 if zone else 0
    return Times(labels, float(-ahead if zone and zone[1] == "-" else ahead))


def _in_julian(values: NDArray[Any], unit: str, since: str, attributes: Mapping[Any, Any], source: str) -> Times:
    """Read real dates that a program calls Julian, as in files of GPM IMERG; both calendars count these years alike."""
    found = _since(values, unit, since, {**attributes, "calendar": "standard"}, source)
    years = found.labels.astype("M8[Y]").astype("int64") + 1970
    if ((years <= _LEAP_YEARS_AGREE[0]) | (years >= _LEAP_YEARS_AGREE[1])).any():
        raise SourceError(f"{source}: its times are in the calendar 'julian' and not from 1901 to 2099; {_EXPECTED}")
    return found


def _of_model(values: NDArray[Any], written: str, calendar: str, source: str) -> NDArray[np.datetime64]:
    """Read the dates of a climate model's calendar; raise SourceError where it has days that do not exist.

    The days of a year without 29 February all exist. Of other calendars only months and years are taken.
    """
    try:
        dates = cftime.num2date(values.astype("float64"), written, _MODELS.get(calendar, calendar))
    except (ValueError, OverflowError) as error:
        raise SourceError(f"{source}: its times are in {written!r}, calendar {calendar!r}; {_EXPECTED}") from error
    months = np.array([f"{date.year:04}-{date.month:02}" for date in dates], "M8[M]")
    days = np.array([date.day - 1 for date in dates], "m8[D]")
    if _MODELS.get(calendar) != "noleap" and np.unique(months).size < months.size:
        raise SourceError(
            f"{source}: its days are those of a climate model ({calendar}), which do not all exist; expected the "
            "calendar 'standard' or 'noleap'; use monthly values, or ask the provider for real dates"
        )
    lengths = (months + 1).astype("M8[D]") - months.astype("M8[D]")
    hours = np.array([timedelta(hours=date.hour, minutes=date.minute, seconds=date.second) for date in dates], "m8[ns]")
    _possible(months.astype("M8[D]").astype("int64"), source)
    return np.asarray((months.astype("M8[D]") + np.minimum(days, lengths - 1)).astype("M8[ns]") + hours)


def _of_seconds(values: NDArray[Any], unit: float, origin: tuple[int, int], source: str) -> NDArray[np.datetime64]:
    """Count whole days and the rest apart, because one number has too few digits for both."""
    per_day = 86400.0 / unit
    if values.dtype.kind in "iu" and per_day == round(per_day):
        numbers: NDArray[Any] = values.astype("int64")
        whole, rest = np.divmod(numbers, round(per_day))
    else:
        numbers = values.astype("float64")
        whole = np.floor(numbers / per_day)
        rest = numbers - whole * per_day
    days = _possible(whole.astype("int64") + origin[0], source)
    nanoseconds = np.round(rest * (unit * 1e9)).astype("int64") + origin[1]
    if values.dtype.kind == "f":
        # the program rounded an hour where the distance to it is below the precision of the numbers
        digits = np.spacing(np.abs(values)).astype("float64") * unit * 1e9
        beside = (nanoseconds + _HOUR // 2) % _HOUR - _HOUR // 2
        nanoseconds = np.where(np.abs(beside) <= digits, nanoseconds - beside, nanoseconds)
    return np.asarray(days + nanoseconds.astype("m8[ns]"))


def _possible(days: NDArray[np.int64], source: str) -> NDArray[np.datetime64]:
    """Return days since 1970 as dates; raise SourceError for years in which nobody has data."""
    low, high = (np.datetime64(str(year), "D").astype("int64") for year in _YEARS)
    if ((days < low) | (days >= high)).any():
        raise SourceError(f"{source}: its times lie before {_YEARS[0]} or after {_YEARS[1]}; expected real dates")
    return days.astype("M8[D]").astype("M8[ns]")


def _of_digits(values: NDArray[Any], units: str, source: str) -> NDArray[np.datetime64]:
    """Read dates that are written as numbers; in 20240131.25 the fraction is one of the day."""
    numbers = values.astype("float64")
    whole = np.floor(numbers)
    digits = {len(str(int(number))) for number in whole}
    unit = _DIGITS.get(digits.pop()) if len(digits) == 1 else None
    if unit and (np.array_equal(numbers, whole) or unit == "D"):
        words = [str(int(number)) for number in whole]
        parts = [(word[:4], word[4:6] or "01", word[6:8] or "01", word[8:10] or "00") for word in words]
        try:
            moments = [datetime.strptime("".join(each), "%Y%m%d%H") for each in parts]
        except ValueError:
            moments = []
        if moments and all(_YEARS[0] <= moment.year < _YEARS[1] for moment in moments):
            rest = np.round((numbers - whole) * 86400e9).astype("int64").astype("m8[ns]")
            return np.asarray(np.array(moments, "M8[ns]") + rest)
    said = f"have the units {units!r}" if units else "have no units"
    some = ", ".join(f"{number:g}" for number in numbers[:3])
    raise SourceError(f"{source}: its times ({some}{', …' if numbers.size > 3 else ''}) {said}; {_EXPECTED}")
