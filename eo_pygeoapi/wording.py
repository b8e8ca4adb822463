"""Write values and lists for messages."""

from collections.abc import Collection
from itertools import islice

LONGEST = 80
_JSON_WORDS = {None: "null", True: "true", False: "false"}


def shown(value: object) -> str:
    """Return a value as a message shows it: quoted if it is text, at most 80 characters."""
    text = _JSON_WORDS[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def some(names: Collection[object], most: int = 5, separator: str = ", ") -> str:
    """Return the first names and how many more there are: `a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{separator.join(map(str, islice(names, most)))}{more}"
