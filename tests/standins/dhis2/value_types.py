"""Which values a data element takes, by its value type."""

import re
from dataclasses import dataclass

NUMBER = re.compile(r"(-?0|-?[1-9]\d*)(\.\d+)?")
INTEGER = r"(0|-?[1-9]\d*)"
BOOLEANS = {"0": "false", "f": "false", "n": "false", "no": "false", "1": "true", "t": "true", "y": "true"}
BOOLEANS |= {"yes": "true", "true": "true", "false": "false"}


@dataclass(frozen=True)
class ValueType:
    """A pattern, limits, and how DHIS2 says that a value is none: by a key and in words."""

    pattern: str
    key: str
    words: str
    low: float = float("-inf")
    high: float = float("inf")

    def takes(self, value: str) -> bool:
        if not re.fullmatch(self.pattern, value):
            return False
        return not NUMBER.fullmatch(value) or self.low <= float(value) <= self.high


VALUE_TYPES = {
    "NUMBER": ValueType(NUMBER.pattern, "value_not_numeric", "Data value is not numeric"),
    "INTEGER": ValueType(INTEGER, "value_not_integer", "Data value is not an integer"),
    "INTEGER_POSITIVE": ValueType(INTEGER, "value_not_positive_integer", "Data value is not a positive integer", low=1),
    "INTEGER_NEGATIVE": ValueType(
        INTEGER, "value_not_negative_integer", "Data value is not a negative integer", high=-1
    ),
    "INTEGER_ZERO_OR_POSITIVE": ValueType(
        INTEGER, "value_not_zero_or_positive_integer", "Data value is not zero or a positive integer", low=0
    ),
    "PERCENTAGE": ValueType(NUMBER.pattern, "value_not_percentage", "Data value is not a percentage", 0, 100),
    "UNIT_INTERVAL": ValueType(NUMBER.pattern, "value_not_unit_interval", "Data value is not a unit interval", 0, 1),
    "BOOLEAN": ValueType("true|false", "value_not_bool", "Data value is not a boolean"),
    "TEXT": ValueType(r"(?s:.*)", "", ""),
}


def normalised(value: str, value_type: str) -> str:
    """Return a value as it is stored: `1` is `true` where that is asked for."""
    return BOOLEANS.get(value.lower(), value) if value_type == "BOOLEAN" else value


def fault_of(value: str, value_type: str) -> ValueType | None:
    """Return the type that does not take this value."""
    found = VALUE_TYPES[value_type]
    return None if found.takes(value) else found
