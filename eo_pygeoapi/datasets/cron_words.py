"""Cron expressions for people: `every Monday at 07:30` for `30 7 * * 1`."""

import calendar
from collections.abc import Sequence

from croniter import croniter

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MOST_TIMES = 4  # of a day, that are listed
_SUFFIXES = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_ANY: Sequence[int] = ()


def in_words(cron: str) -> str:
    """Return what a cron expression means, or the expression where that has no short words."""
    expanded, by_week = croniter.expand(cron)
    if by_week or len(expanded) != 5 or "l" in expanded[2]:
        return cron  # such as `l`, the last day of a month, and `1#2`, its second Monday
    fields = [_ANY if field == ["*"] else sorted(n for n in field if isinstance(n, int)) for field in expanded]
    minutes, hours, days, months, weekdays = fields
    times = _times(minutes, hours)
    return f"{_days(days, months, weekdays)}{times}" if times else cron


def _times(minutes: Sequence[int], hours: Sequence[int]) -> str:
    """Return the times of a day: ` at 06:00`; nothing where there are no short words."""
    if minutes and hours and len(minutes) * len(hours) <= _MOST_TIMES:
        return f" at {_listed([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])}"
    if len(minutes) == 1:
        often = f"every hour at minute {minutes[0]}"
    elif not minutes:
        often = "every minute"
    elif minutes == list(range(0, 60, minutes[1])):
        often = f"every {minutes[1]} minutes"
    else:
        return ""
    if not hours:
        return f", {often}"
    if len(hours) == hours[-1] - hours[0] + 1:
        return f", {often} from {hours[0]:02}:{(minutes or [0])[0]:02} to {hours[-1]:02}:{(minutes or [59])[-1]:02}"
    return ""


def _days(days: Sequence[int], months: Sequence[int], weekdays: Sequence[int]) -> str:
    """Return on which days; cron takes days of the month and of the week as alternatives."""
    within = f" in {_run([calendar.month_name[month] for month in months], months)}" if months else ""
    on = f"every {_run([_WEEKDAYS[day] for day in weekdays], weekdays)}" if weekdays else ""
    if not days:
        return f"{on or 'every day'}{within}"
    if len(days) == 1 and len(months) == 1 and not on:
        return f"every year on {days[0]} {calendar.month_name[months[0]]}"
    of_month = f"on the {_listed([f'{day}{_SUFFIXES.get(day, "th")}' for day in days])}"
    return f"{of_month}{within or ' of every month'}{f' and {on}{within}' if on else ''}"


def _run(names: Sequence[str], numbers: Sequence[int]) -> str:
    """Return `Monday to Friday` for three or more without a gap, else all of them."""
    whole = len(numbers) > 2 and len(numbers) == numbers[-1] - numbers[0] + 1
    return f"{names[0]} to {names[-1]}" if whole else _listed(names)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
