"""For those who watch the service: whether this process lives, and whether it can do its work."""

from collections.abc import Callable
from typing import Any

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.answers import answer_json, executions_of
from eo_pygeoapi.api.problems import Answer
from eo_pygeoapi.errors import RETRY_AFTER_SECONDS, EoError
from eo_pygeoapi.jobs.executions import Executions


class _NoWorkerError(EoError):
    """No worker is alive."""


def health(api: API, request: APIRequest) -> Answer:
    """Say that this process answers; nothing else is asked."""
    return answer_json(api, request, {"status": "ok"})


def ready(api: API, request: APIRequest) -> Answer:
    """Say whether Prefect, the results store and a worker are there and the datasets applied; 503 unless all are."""
    executions = executions_of(api)
    checks = {name: _outcome(check, executions) for name, check in CHECKS.items()}
    fine = all(check["status"] == "ok" for check in checks.values())
    document = {"status": "ok" if fine else "unavailable", "checks": checks}
    if fine:
        return answer_json(api, request, document)
    return answer_json(api, request, document, 503, **{"Retry-After": str(RETRY_AFTER_SECONDS)})


def _outcome(check: Callable[[Executions], None], executions: Executions) -> dict[str, Any]:
    try:
        check(executions)
    except EoError as error:
        return {"status": "unavailable", "detail": str(error)}
    return {"status": "ok"}


def _prefect(executions: Executions) -> None:
    executions.gateway.ping()


def _store(executions: Executions) -> None:
    executions.store.exists("ready")


def _worker(executions: Executions) -> None:
    if not executions.gateway.details.workers():
        raise _NoWorkerError("no worker is running; start one with `eo-pygeoapi worker`")


def _datasets(executions: Executions) -> None:
    executions.raise_unless_applied()


CHECKS: dict[str, Callable[[Executions], None]] = {
    "prefect": _prefect,
    "store": _store,
    "worker": _worker,
    "datasets": _datasets,
}
