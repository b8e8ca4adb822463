"""Write values and lists for messages."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

LONGEST = 80
MINUTE, HOUR, DAY = 60, 3600, 86400
_JSON_WORDS = {None: "null", True: "true", False: "false"}


def shown(value: object) -> str:
    """Return a value as a message shows it: quoted if it is text, at most 80 characters."""
    text = _JSON_WORDS[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, which takes an s: `1 job`, `12 jobs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def lasting(seconds: float) -> str:
    """Return how long something takes, in the largest unit that tells: `7 seconds`, `20 minutes`, `2.5 hours`."""
    if seconds < 1:
        return "less than a second"
    if seconds < 2 * MINUTE:
        return counted(round(seconds), "second")
    if seconds < 1.5 * HOUR:
        return counted(round(seconds / MINUTE), "minute")
    return f"{round(seconds / HOUR, 1):g} hours" if seconds < 2 * DAY else f"{round(seconds / DAY, 1):g} days"


def estimated(minutes: float) -> str:
    """Return how long something will take about."""
    return f"about {lasting(round(minutes) * MINUTE)}" if minutes >= 2 else "about a minute or less"


def some(names: Collection[object], most: int = 5, separator: str = ", ") -> str:
    """Return the first names and how many more there are: `a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{separator.join(map(str, islice(names, most)))}{more}"


def nearest(given: object, known: Iterable[str]) -> str:
    """Return the end of a sentence that asks whether one of the known names was meant; nothing where none is near."""
    by_letters = {_letters(name): name for name in known}
    found = get_close_matches(_letters(str(given)), by_letters, 1, 0.8)
    return f"; did you mean {by_letters[found[0]]}?" if found else ""


def not_known(name: object, known: Collection[str]) -> str:
    """Return the end of a sentence on a member that nobody knows: what is allowed, and what may have been meant."""
    return f"is not known here; allowed: {', '.join(known) or 'none'}{nearest(name, known)}"


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
