"""Which path leads to which room."""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2 import analytics, login, metadata_import, reading, system, tasks, values, values_read
from tests.standins.dhis2.answers import Answer, Request, no_resource, refusal
from tests.standins.dhis2.fields import QueryError
from tests.standins.dhis2.metadata import KLASSES
from tests.standins.dhis2.state import Server

Room = Callable[..., Any]
PREFIX = re.compile(r"/api(/\d+)?(?=/)")
COLLECTION = "|".join(KLASSES)

# the first that fits; what stands in brackets is handed on
ROUTES: Sequence[tuple[str, str, Room]] = (
    ("GET", "me", login.me),
    ("POST", "apiTokens?", login.make_token),
    ("GET", "apiTokens?", login.tokens),
    ("GET", "system/info", system.info),
    ("GET", "system/ping", login.ping),
    ("GET", "system/id", system.new_ids),
    ("GET", r"system/tasks/(\w+)/(\w+)", tasks.task),
    ("GET", r"system/taskSummaries/(\w+)/(\w+)", tasks.summary),
    ("GET", "periodTypes", system.period_types),
    ("GET", "systemSettings", system.settings),
    ("GET", r"systemSettings/(\w+)", system.setting),
    ("POST", "dataValueSets", values.post),
    ("GET", "dataValueSets", values_read.values),
    ("DELETE", "dataValues", values.delete),
    ("GET", "audits/dataValue", values.audits),
    ("POST", "resourceTables/analytics", analytics.start),
    ("GET", "analytics", analytics.query),
    ("POST", "metadata", metadata_import.post),
    ("POST", "maintenance", metadata_import.maintain),
    ("POST", "users", metadata_import.post_user),
    ("GET", "organisationUnits.geojson", reading.geojson),
    ("GET", f"({COLLECTION})", reading.listed),
    ("GET", rf"({COLLECTION})/(\w+)", reading.one),
    ("PATCH", rf"({COLLECTION})/(\w+)", metadata_import.patch),
)


def answered(server: Server, request: Request) -> Answer:
    """Return the answer to a request of somebody who is logged in."""
    try:
        found = _room(server, request)
    except Answer as answer:
        return answer
    except QueryError as error:
        return refusal(HTTPStatus.BAD_REQUEST, str(error))
    return found if isinstance(found, Answer) else Answer(HTTPStatus.OK, found)


def _room(server: Server, request: Request) -> Any:
    prefix = PREFIX.match(request.path)
    path = request.path[prefix.end() :].strip("/").removesuffix(".json") if prefix else ""
    fitting = [(method, match, room) for method, pattern, room in ROUTES if (match := re.fullmatch(pattern, path))]
    for method, match, room in fitting:
        if method == request.method:
            return room(server, request, *match.groups())
    if fitting:
        text = f"Request method '{request.method}' is not supported"
        raise refusal(HTTPStatus.METHOD_NOT_ALLOWED, text)
    raise no_resource(request.path, server.differences.tomcat)
