"""DHIS2's query language: field lists such as `id,dataSetElements[dataSet[id]]`, and filters."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.standins.dhis2.answers import Object


class QueryError(Exception):
    """A filter or field list that DHIS2 would not take."""


def field_names(text: str) -> dict[str, str]:
    """Split `a,b[c,d[e]]` into names and what stands in their brackets."""
    found: dict[str, str] = {}
    depth, start, name, inner = 0, 0, "", 0
    for position, char in enumerate(f"{text},"):
        if char == "[":
            depth += 1
            if depth == 1:
                name, inner = text[start:position], position + 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                found[name.strip()] = text[inner:position]
                name = ""
        elif char == "," and depth == 0:
            if plain := text[start:position].strip():
                found.setdefault(plain.partition("[")[0], "")
            start = position + 1
    if depth:
        raise QueryError(f"unbalanced brackets in fields: {text}")
    return found


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda held, given: held == given,
    "in": lambda held, given: held in given.strip("[]").split(","),
    "like": lambda held, given: given.lower() in held.lower(),
    "ilike": lambda held, given: given.lower() in held.lower(),
}


def parsed_filter(text: str) -> Callable[[Object], bool]:
    match = re.fullmatch(r"([\w.]+):(!?\w+)(?::(.*))?", text)
    if not match or match[2] not in OPERATORS:
        raise QueryError(f"Unable to parse filter `{text}`")
    path, operator, given = match[1].split("."), OPERATORS[match[2]], match[3] or ""
    return lambda entry: any(operator(held, given) for held in _values(entry, path))


def _values(entry: Any, path: Sequence[str]) -> list[str]:
    if isinstance(entry, list):
        return [value for member in entry for value in _values(member, path)]
    if not path:
        return [] if entry is None else [str(entry)]
    return _values(entry.get(path[0]), path[1:]) if isinstance(entry, dict) else []
