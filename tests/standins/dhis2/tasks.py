"""What runs in the background: jobs, their notifications and what came of them."""

import time
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2.answers import Answer, Object, Request, message
from tests.standins.dhis2.login import new_uid
from tests.standins.dhis2.state import Server, Task, instant

INFO = "INFO"
FIRST = 2  # so many notifications there are of a task that goes on


def started(server: Server, request: Request, type_: str, params: Object, task: Task) -> Answer:
    """Note a job, and return the answer that says where its notifications are."""
    uid, name = new_uid(), f"{type_} ({int(time.time() * 1000)})"
    server.tasks[type_, uid] = task
    job = {"name": name, "id": uid, "created": instant(), "jobType": type_, "jobStatus": "NOT_STARTED"}
    where = {"relativeNotifierEndpoint": f"/api/system/tasks/{type_}/{uid}", "responseType": "JobConfiguration"}
    said = message(HTTPStatus.OK, f"Initiated {name}", "OK")
    location = f"{request.address}/api/system/tasks/{type_}"
    return Answer(HTTPStatus.OK, said | {"response": job | {"jobParameters": params} | where}, Location=location)


def notifications(type_: str, params: Object, steps: Iterable[tuple[str, str]]) -> list[Object]:
    """Return the notifications of a job that has ended, the newest first; `steps` are levels and texts."""
    first, *others = steps
    parameters = _notification(type_, *first) | {"dataType": "PARAMETERS", "data": params}
    found = [parameters, *(_notification(type_, *step) for step in others)]
    found[-1]["completed"] = True
    return found[::-1]


def _notification(type_: str, level: str, text: str) -> Object:
    uid = new_uid()
    said = {"level": level, "category": type_, "message": text, "completed": False}
    return said | {"id": uid, "uid": uid, "time": instant()}


def task(server: Server, request: Request, type_: str, uid: str) -> Sequence[Object]:
    found = server.tasks.get((type_, uid))
    if found is None:
        return []
    return found.notifications[-FIRST:] if server.is_going_on(found) else found.notifications


def summary(server: Server, request: Request, type_: str, uid: str) -> Any:
    found = server.tasks.get((type_, uid))
    return Answer(HTTPStatus.OK, found.summary if found else None)
