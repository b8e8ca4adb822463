"""What the attributes of a file say, however they were written: numbers as text, one number as a list of one."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from eo_pygeoapi.errors import SourceError

Number = int | float

# with the letters that ncdump and C put behind a number: -9999.f, -32767s, 255UB
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:[fFdDlLsSbBuU]{0,3})")
_WORDS = {"nan": np.nan, "inf": np.inf, "infinity": np.inf, "-inf": -np.inf, "-infinity": -np.inf}


def text(attributes: Mapping[Any, Any], name: str) -> str:
    """Return an attribute as text, '' where there is none."""
    value = attributes.get(name, "")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return " ".join(str(value).split())


def listed(attributes: Mapping[Any, Any], name: str) -> list[Number]:
    """Return the numbers that an attribute holds, in order; words that are no numbers are passed over."""
    value = attributes.get(name)
    if value is None:
        return []
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind in "SUO":
        return [number for word in array.tolist() for number in _in_text(word)]
    return [each for each in array.tolist() if isinstance(each, int | float)]


def numbers(attributes: Mapping[Any, Any], name: str) -> list[Number]:
    """Return what the numbers of an attribute may have been: 0.1 of single precision is 0.1 of double too."""
    found = listed(attributes, name)
    if np.asarray(attributes.get(name)).dtype == np.float32:
        found += [float(str(np.float32(each))) for each in found]
    return found


def number(attributes: Mapping[Any, Any], name: str, source: str) -> Number | None:
    """Return the one number that an attribute holds, None where there is no such attribute.

    Raises SourceError for text that is no number, and for several numbers.
    """
    if text(attributes, name) == "":
        return None
    found = listed(attributes, name)
    if len(found) != 1:
        raise SourceError(f"{source}: its {name} is {text(attributes, name)!r}; expected a number")
    return found[0]


def _in_text(value: Any) -> list[Number]:
    words = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).replace(",", " ").split()
    found: list[Number] = []
    for word in words:
        if word.lower() in _WORDS:
            found.append(_WORDS[word.lower()])
        elif match := _NUMBER.fullmatch(word):
            digits = match[1]
            found.append(int(digits) if digits.lstrip("+-").isdigit() else float(digits))
    return found
