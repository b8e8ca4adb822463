"""Analytics: making its tables in the background, and the sums that it then gives."""

import re
from collections.abc import Iterator
from typing import Any

from tests.standins.dhis2 import sharing, tasks
from tests.standins.dhis2.answers import Answer, Object, Request
from tests.standins.dhis2.periods import parse_period
from tests.standins.dhis2.state import Server, Task

JOB = "ANALYTICS_TABLE"
# by parameter: the kinds of tables that it leaves out
SKIPPED = {
    "skipAggregate": ["DATA_VALUE", "COMPLETENESS", "COMPLETENESS_TARGET", "ORG_UNIT_TARGET"],
    "skipEvents": ["EVENT", "TRACKED_ENTITY_INSTANCE_EVENTS"],
    "skipEnrollment": ["ENROLLMENT", "TRACKED_ENTITY_INSTANCE_ENROLLMENTS"],
    "skipTrackedEntities": ["TRACKED_ENTITY_INSTANCE"],
}
TABLES = ("DATA_VALUE", "COMPLETENESS", "COMPLETENESS_TARGET", "ORG_UNIT_TARGET", "OWNERSHIP", "VALIDATION_RESULT")
INDEXES = {"COMPLETENESS_TARGET": 9, "ORG_UNIT_TARGET": 4}
LEVELS = (2, 1)  # that are aggregated to
DROPPED, CREATED = ("Drop SQL views", "0 successful and 0 failed items"), ("Create SQL views",)
ONE, NONE = "1 successful and 0 failed items", "0 successful and 0 failed items"
HEADERS = (("dx", "Data", "TEXT"), ("pe", "Period", "TEXT"), ("ou", "Organisation unit", "TEXT"))
VALUE_HEADER = ("value", "Value", "NUMBER")


def start(server: Server, request: Request) -> Answer:
    """Make the tables, which is done when the answer comes, or as long after it as `/_analytics` says."""
    sharing.demand(request.user, server.metadata, "F_PERFORM_MAINTENANCE")
    skipped = [name for parameter, names in SKIPPED.items() if request.flag(parameter) for name in names]
    params: Object = {"skipTableTypes": skipped, "skipPrograms": []}
    params |= {"skipResourceTables": request.flag("skipResourceTables"), "skipOutliers": request.flag("skipOutliers")}
    steps = [(tasks.INFO, text) for text in _steps(server, skipped)]
    notes = tasks.notifications(JOB, {"lastYears": None, **params}, steps)
    return tasks.started(server, request, JOB, params, Task(notes, of_analytics=True))


def _steps(server: Server, skipped: list[str]) -> Iterator[str]:
    yield from ("Analytics table update process", *DROPPED, "Generating resource tables", ONE, *CREATED, NONE)
    for table in TABLES:
        if table not in skipped:
            yield f"Validating analytics table: {table}"
            parts = _parts(server, table)
            yield f"Validated analytics tables with outcome: {str(bool(parts)).lower()}"
            yield from _made(server, table, parts) if parts else ()
    yield from ("Updating system settings", "Invalidate analytics caches", "Analytics tables updated: 00:00:01.500")


def _parts(server: Server, table: str) -> int:
    """Return how many tables there are of a kind: of values one for each year."""
    if table == "DATA_VALUE":
        return len({period[:4] for period, keys in server.store.by_period.items() if keys})
    return int(table.endswith("_TARGET"))


def _made(server: Server, table: str, parts: int) -> Iterator[str]:
    yield from ("Performing pre-create table work", f"Dropping staging tables: '{table}'", ONE)
    yield from (f"Creating analytics tables: '{table}'", ONE, f"Populating {parts} analytics tables: '{table}'")
    if parts == 1:
        yield ONE
    yield f"Invoking analytics table hooks: '{table}'"
    yield from (f"Applying aggregation level {level}: '{table}'" for level in LEVELS)
    indexes = INDEXES.get(table, parts * server.differences.indexes_per_table)
    yield from (f"Creating {indexes} indexes: '{table}'", f"Vacuuming tables: '{table}'")
    yield from (f"Analyzing analytics tables: '{table}'", *DROPPED)
    yield from (f"Swapping analytics tables: '{table}'", ONE, *CREATED, NONE)


def query(server: Server, request: Request) -> Answer:
    """Return the sums of data elements by period and unit: `dimension=dx:…`, `pe:…`, `ou:…;LEVEL-2`."""
    asked = dict(dimension.split(":", 1) for dimension in request.query.get("dimension", []))
    rows = list(_rows(server, asked)) if server.analytics and server.differences.analytics_rows else []
    headers = [_header(*header, meta=True) for header in HEADERS] + [_header(*VALUE_HEADER, meta=False)]
    size = {"height": len(rows), "width": len(headers) if rows else 0, "headerWidth": len(headers)}
    return Answer(200, {"headers": headers, "metaData": {}, "rowContext": {}, "rows": rows} | size)


def _header(name: str, column: str, value_type: str, meta: bool) -> Object:
    java = "java.lang.Double" if value_type == "NUMBER" else "java.lang.String"
    return {"name": name, "column": column, "valueType": value_type, "type": java, "hidden": False, "meta": meta}


def _rows(server: Server, asked: dict[str, str]) -> Iterator[list[str]]:
    for element in asked["dx"].split(";"):
        for period in asked["pe"].split(";"):
            for unit in _units(server, asked["ou"].split(";")):
                if found := list(_values(server, element, period, unit)):
                    yield [element, period, unit["id"], f"{sum(found):.10g}"]


def _units(server: Server, asked: list[str]) -> list[Any]:
    levels = {int(match[1]) for text in asked if (match := re.fullmatch(r"LEVEL-(\d+)", text))}
    every = server.metadata.all("organisationUnits")
    roots = {text for text in asked if not text.startswith("LEVEL-")}
    if not levels:
        return [unit for unit in every if unit["id"] in roots]
    return [unit for unit in every if unit["level"] in levels and roots & set(unit["path"].split("/"))]


def _values(server: Server, element: str, period: str, unit: Object) -> Iterator[float]:
    outer = parse_period(period)
    below = {u["id"] for u in server.metadata.all("organisationUnits") if unit["id"] in u["path"].split("/")}
    for (_, id_, where, *_), row in server.store.of_element(element):
        inner = parse_period(id_)
        if where in below and inner and outer and outer.start <= inner.start and inner.end <= outer.end:
            yield float(row["value"])
