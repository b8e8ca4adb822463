"""Importing values: `POST /api/dataValueSets`, at once or in the background; deleting one; and what was changed."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2 import sharing, tasks, values_from_243, values_until_242
from tests.standins.dhis2.answers import Answer, Object, Request, refusal
from tests.standins.dhis2.imports import Import, answer_of, import_options
from tests.standins.dhis2.periods import parse_period
from tests.standins.dhis2.state import Server, Task
from tests.standins.dhis2_metadata import DEFAULT_COMBO

JOB = "DATAVALUE_IMPORT"
LEFT_OPEN: Mapping[str, Any] = {"preheatCache": None, "filename": None, "notificationLevel": None, "dataSet": None}
STEPS_UNTIL_242 = (
    "Data value set import",
    "Loading file resource",
    "Loading file content",
    "Reading data set header",
    "Creating import context",
    "Preheat caches...",
    "Loading base metadata",
    "Run data set validation",
    "Importing values (list)",
)
STEPS_FROM_243 = (
    "Data value set import",
    "Loading file resource",
    "Loading file content",
    "Deserializing JSON data",
)


def post(server: Server, request: Request) -> Answer:
    sharing.demand(request.user, server.metadata, "F_DATAVALUE_ADD")
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    if kind != "application/json":
        raise refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type '{kind}' is not supported")
    server.apply_later()
    run = Import(server, {}, request.params(), request.user)
    try:
        run.payload = request.json()
    except ValueError:
        if server.differences.values_as_a_group:
            raise values_from_243.unreadable(request.content) from None
        return answer_of(server, values_until_242.unreadable(run))
    found = _imported(run)
    if request.flag("async"):
        return _in_background(run, request, found)
    return answer_of(server, found)


def _imported(run: Import) -> Object:
    group, store = run.server.differences.values_as_a_group, run.server.store
    before = len(store.audit)
    found = values_from_243.import_as_group(run) if group else values_until_242.import_one_by_one(run)
    changed = sum(entry["auditType"] != "CREATE" for entry in store.audit[before:])
    new = run.counts["imported"] + run.counts["updated"] - changed
    run.server.cost.import_(group, new=new, same=run.counts["ignored"], changed=changed)
    return found


def _in_background(run: Import, request: Request, found: Object) -> Answer:
    options, counts = import_options(run.server, run.params), run.counts
    end = f"Import complete with status {found['status']}, {counts['imported']} created, {counts['updated']} updated, "
    end += f"{counts['deleted']} deleted, {counts['ignored']} ignored"
    texts: tuple[str, ...] = STEPS_FROM_243
    if not run.server.differences.values_as_a_group:
        count = f"[imports={counts['imported']}, updates={counts['updated']}, ignores={counts['ignored']}]"
        texts = (*STEPS_UNTIL_242, f"Import summary: {count}")
    steps = [*((tasks.INFO, text) for text in texts), *run.steps, (tasks.INFO, end)]
    notes = tasks.notifications(JOB, {**options, **LEFT_OPEN}, steps)
    return tasks.started(run.server, request, JOB, options, Task(notes, found))


def delete(server: Server, request: Request) -> Answer:
    sharing.demand(request.user, server.metadata, "F_DATAVALUE_ADD")
    period = parse_period(request.one("pe"))
    combos = (request.one("co", DEFAULT_COMBO), request.one("cp", DEFAULT_COMBO))
    key = (request.one("de"), period.id if period else "", request.one("ou"), *combos)
    if server.store.held(key) is None:
        raise refusal(HTTPStatus.CONFLICT, "Data value does not exist", "E2032")
    server.store.delete(key, request.user["username"])
    return Answer(HTTPStatus.NO_CONTENT, None)


def audits(server: Server, request: Request) -> Object:
    """Return what became of a cell: until 2.42 the values before each change, from 2.43 on those after it."""
    new = server.differences.audits_creation
    cell = {"dataElement": request.one("de"), "period": request.one("pe"), "orgUnit": request.one("ou")}
    found = [entry for entry in server.store.audit if cell.items() <= entry.items()]
    return {"dataValueAudits": [_audit(server, e) for e in reversed(found) if new or e["auditType"] != "CREATE"]}


def _audit(server: Server, entry: Object) -> Object:
    new = server.differences.audits_creation
    combos = {name: {"id": entry[name]} for name in ("categoryOptionCombo", "attributeOptionCombo")}
    period: Object = {"id": entry["period"]}
    if new and (found := parse_period(entry["period"])):
        dates = {"startDate": f"{found.start}T00:00:00.000", "endDate": f"{found.end}T00:00:00.000"}
        period = {"periodType": found.type, **dates}
    return combos | {
        "created": server.made,
        "modifiedBy": entry["modifiedBy"],
        "auditType": entry["auditType"],
        "value": entry["new" if new else "value"],
        "period": period,
        "organisationUnit": {"id": entry["orgUnit"]},
        "dataElement": {"id": entry["dataElement"]},
    }
