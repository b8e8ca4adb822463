"""Translate the filters of OGC API - Features into conditions on published values.

The texts of a client become parameters of the query, never a part of its text. A mistake raises InputError, which
names the filter, the value and what is allowed.
"""

import math
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pygeofilter import ast  # type: ignore[import-untyped]

from eo_pygeoapi.dates import days_of, ends_of, instant
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.store.reader import Condition, Touching
from eo_pygeoapi.wording import shown

FIELDS: dict[str, dict[str, str]] = {
    "orgUnit": {"type": "string"},
    "name": {"type": "string"},
    "level": {"type": "integer"},
    "period": {"type": "string"},
    "start": {"type": "string", "format": "date"},
    "end": {"type": "string", "format": "date"},
    "value": {"type": "number"},
    "validFraction": {"type": "number"},
    "jobID": {"type": "string"},
}
_OF_KEY = ("orgUnit", "period")  # not the days, which a row that takes others back has none of

_DATETIME = "YYYY, YYYY-MM, YYYY-MM-DD or an RFC 3339 date-time, or two of them as start/end, where .. is open"
_DAY_OF_GDAL = re.compile(r"(?<=\d)T(?=/|$)")  # GDAL 3.6 writes the days of a filter as 2026-11-20T
_LIKE_PATTERN = re.compile(r"([^\\]|\\.)*", re.DOTALL)
# takes the place of an apostrophe in the texts of CQL2 filters: a private character of Unicode, which nobody uses
APOSTROPHE = "\ue000"
_LARGEST_INTEGER = 2**31 - 1
LARGEST_SIMPLIFY = 100_000


def property_condition(name: str, text: str) -> Condition:
    """Return the rows whose property `name` equals what `text` says."""
    return Condition(f'"{_known(name)}" = ?', (_value(name, text),), on_key=name in _OF_KEY)


def datetime_condition(text: str) -> Condition:
    """Return the rows whose days overlap an instant or interval; instants with an offset count as UTC days."""
    try:
        first, last = ends_of(_DAY_OF_GDAL.sub("", text))
        start = _days(first)[0] if first else date.min
        end = _days(last)[1] if last else date.max
    except ValueError as error:
        raise _wrong("datetime", text, _DATETIME) from error
    if end < start:
        raise _wrong("datetime", text, "a start that is not after the end")
    return Condition('start <= ? AND "end" >= ?', (end, start))


def _days(text: str) -> tuple[date, date]:
    """Return the first and the last day of a date or a date-time; ValueError when it is neither."""
    if ":" not in text:
        return days_of(text)
    day = instant(text).date()
    return day, day


def bbox_condition(bbox: Sequence[float]) -> Touching:
    """Return the rows whose geometry touches the box of 4 numbers, or of 6 with heights, which do not matter.

    A box whose west is greater than its east crosses the 180th meridian.
    """
    if len(bbox) not in (4, 6) or not all(math.isfinite(number) for number in bbox):
        raise _wrong("bbox", ",".join(map(str, bbox)), "west,south,east,north in degrees")
    half = len(bbox) // 2
    (west, south), (east, north) = bbox[:2], bbox[half : half + 2]
    if west <= east:
        return Touching(((west, south, east, north),))
    return Touching(((west, south, 180.0, north), (-180.0, south, east, north)))


def parse_simplify(text: str) -> float:
    """Return how coarse outlines may be, in metres; 0 where `text` is empty."""
    try:
        metres = _number(text or "0")
    except ValueError:
        metres = -1.0
    if not 0 <= metres <= LARGEST_SIMPLIFY:
        raise _wrong("simplify", text, f"metres, from 0 to {LARGEST_SIMPLIFY}")
    return metres


def text_condition(text: str) -> Condition:
    """Return the rows whose unit has the text in its name, whatever the case."""
    return Condition("contains(lower(name), lower(?))", (text,))


def cql_condition(node: object) -> Condition:
    """Return the rows that a parsed CQL2 filter means.

    It may compare a property with a value (also BETWEEN, IN, LIKE, IS NULL) and combine that with AND, OR and NOT.
    """
    try:
        return _condition(node)
    except RecursionError as error:
        raise InputError("filter: nested too deeply") from error


_CQL_ALLOWED = (
    "filter: not supported; allowed: comparisons of a property with a value, BETWEEN, IN, LIKE and IS NULL, "
    "combined with AND, OR and NOT; use bbox and datetime for the rest"
)


def _known(name: object) -> str:
    if not isinstance(name, str) or name not in FIELDS:  # a filter in JSON may have anything there
        raise InputError(f"unknown property {shown(name)}; allowed: {', '.join(FIELDS)}")
    return name


def _wrong(name: str, value: object, allowed: str) -> InputError:
    return InputError(f"{name}: {shown(value)} is not allowed; allowed: {allowed}")


def _value(name: str, given: Any) -> object:
    schema = FIELDS[_known(name)]
    kind = schema.get("format", schema["type"])
    try:
        if kind == "integer":
            number = int(given)
            if isinstance(given, bool) or number != float(given) or abs(number) > _LARGEST_INTEGER:
                raise ValueError(given)
            return number
        if kind == "number":
            return _number(given)
        if kind == "date" and isinstance(given, date):
            return given.date() if isinstance(given, datetime) else given
        return datetime.strptime(_text(given), "%Y-%m-%d").date() if kind == "date" else _text(given)
    except (ValueError, TypeError, OverflowError) as error:
        raise _wrong(name, given, _ALLOWED[kind]) from error


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError(given)
    return given.replace(APOSTROPHE, "'")


def _number(given: Any) -> float:
    if isinstance(given, bool) or not math.isfinite(float(given)):
        raise ValueError(given)
    return float(given)


_ALLOWED = {"string": "text", "integer": "an integer", "number": "a number", "date": "a date as YYYY-MM-DD"}

_OPERATORS = {
    ast.ComparisonOp.EQ: ("=", "="),
    ast.ComparisonOp.NE: ("<>", "<>"),
    ast.ComparisonOp.LT: ("<", ">"),
    ast.ComparisonOp.LE: ("<=", ">="),
    ast.ComparisonOp.GT: (">", "<"),
    ast.ComparisonOp.GE: (">=", "<="),
}


def _condition(node: object) -> Condition:
    match node:
        case ast.And() | ast.Or():
            left, right = _condition(node.lhs), _condition(node.rhs)
            return Condition(f"({left.sql}) {node.op.value} ({right.sql})", (*left.parameters, *right.parameters))
        case ast.Not():
            inner = _condition(node.sub_node)
            return Condition(f"NOT ({inner.sql})", inner.parameters)
        case ast.Comparison():
            operator, mirrored = _OPERATORS[node.op]
            if isinstance(node.lhs, ast.Attribute):
                return _compare(node.lhs, f"{operator} ?", node.rhs)
            return _compare(node.rhs, f"{mirrored} ?", node.lhs)
        case ast.Between():
            return _compare(node.lhs, f"{_not(node)}BETWEEN ? AND ?", node.low, node.high)
        case ast.In() if isinstance(node.sub_nodes, list):
            return _compare(node.lhs, f"{_not(node)}IN ({', '.join('?' * len(node.sub_nodes))})", *node.sub_nodes)
        case ast.Like() if isinstance(node.lhs, ast.Attribute) and FIELDS.get(node.lhs.name) == {"type": "string"}:
            if not isinstance(node.pattern, str):
                raise _wrong("filter", node.pattern, "a text as the pattern of LIKE")
            if not _LIKE_PATTERN.fullmatch(node.pattern):
                raise _wrong("filter", node.pattern, "a pattern that does not end within an escape")
            like = "ILIKE" if node.nocase else "LIKE"
            return _compare(node.lhs, f"{_not(node)}{like} ? ESCAPE '\\'", node.pattern)
        case ast.IsNull():
            return _compare(node.lhs, f"IS {_not(node)}NULL")
    raise InputError(_CQL_ALLOWED)


def _compare(operand: object, rest: str, *values: object) -> Condition:
    if not isinstance(operand, ast.Attribute) or any(isinstance(value, ast.Node) for value in values):
        raise InputError(_CQL_ALLOWED)
    name = _known(operand.name)
    return Condition(f'"{name}" {rest}', tuple(_value(name, value) for value in values))


def _not(node: Any) -> str:
    return "NOT " if node.not_ else ""
