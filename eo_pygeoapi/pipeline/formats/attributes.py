"""Read the attributes of a file, whichever way a program wrote them: numbers as text, one number as a list of one."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from eo_pygeoapi.errors import SourceError

Number = int | float

# ECMWF's, says whether values are of a moment or of the time that ends with their label
STEP_TYPE = "GRIB_stepType"

# ncdump and C put letters behind a number: -9999.f, -32767s, 255UB
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:[fFdDlLsSbBuU]{0,3})")
_WORDS = {"nan": np.nan, "inf": np.inf, "infinity": np.inf, "-inf": -np.inf, "-infinity": -np.inf}


def text(attributes: Mapping[Any, Any], name: str) -> str:
    """Return an attribute as text, '' where there is none."""
    value = attributes.get(name, "")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return " ".join(str(value).split())


def listed(attributes: Mapping[Any, Any], name: str) -> list[Number]:
    """Return the numbers of an attribute, in order; skip words that are no numbers."""
    value = attributes.get(name)
    if value is None:
        return []
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind not in "SUO":
        return [each for each in array.tolist() if isinstance(each, int | float)]
    found: list[Number] = []
    for each in array.tolist():
        written = each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each)
        for word in written.replace(",", " ").split():
            if word.lower() in _WORDS:
                found.append(_WORDS[word.lower()])
            elif match := _NUMBER.fullmatch(word):
                digits = match[1]
                found.append(int(digits) if digits.lstrip("+-").isdigit() else float(digits))
    return found


def numbers(attributes: Mapping[Any, Any], name: str) -> list[Number]:
    """Return the numbers of an attribute; for each of single precision also its double: 0.1 for 0.1000000015."""
    found = listed(attributes, name)
    if np.asarray(attributes.get(name)).dtype == np.float32:
        found += [float(str(np.float32(each))) for each in found]
    return found


def number(attributes: Mapping[Any, Any], name: str, source: str) -> Number | None:
    """Return the number of an attribute, None where there is no such attribute.

    Raises SourceError where the attribute holds text that is no number, or several numbers.
    """
    if text(attributes, name) == "":
        return None
    found = listed(attributes, name)
    if len(found) != 1:
        raise SourceError(f"{source}: its {name} is {text(attributes, name)!r}; expected a number")
    return found[0]
