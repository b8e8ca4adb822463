"""For those who watch the service: whether this process lives, and whether it can do its work."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.answers import answer_either, executions_of
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import RETRY_AFTER_SECONDS, EoError
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.store import MissingResultError
from eo_pygeoapi.watch.problems import ALIVE

FORGOTTEN = timedelta(days=1)
WATCH_SILENT_AFTER = timedelta(minutes=15)


class _NoWorkerError(EoError):
    """No worker is alive."""


class _NoWatchError(EoError):
    """The watch has fallen silent."""


def health(api: API, request: APIRequest) -> Answer:
    """Say that this process answers; nothing else is asked."""
    return answer_either(api, request, {"status": "ok"}, "health.html", heading="The service lives")


def ready(api: API, request: APIRequest) -> Answer:
    """Say whether Prefect, the results store and a worker are there and the datasets applied; 503 unless all are."""
    executions = executions_of(api)
    checks = outcomes(executions)
    fine = all(check["status"] == "ok" for check in checks.values())
    document: JsonObject = {"status": "ok" if fine else "unavailable", "checks": checks}
    with suppress(EoError):
        document["workers"] = signs_of_life(executions, datetime.now(UTC))
    heading = "Everything is there" if fine else "Something is missing"
    shown = {"heading": heading, "parts": {name: PARTS[name] for name in checks}}
    if fine:
        return answer_either(api, request, document, "health.html", **shown)
    document["retryAfter"] = RETRY_AFTER_SECONDS
    headers, _, content = answer_either(api, request, document, "health.html", **shown)
    return {**headers, "Retry-After": str(RETRY_AFTER_SECONDS)}, 503, content


def outcomes(executions: Executions) -> dict[str, dict[str, str]]:
    """Return what each check says: `status`, and `detail` where it is not ok."""
    found: dict[str, dict[str, str]] = {}
    for name, check in CHECKS.items():
        if name in OF_PREFECT and found["prefect"]["status"] != "ok":  # each would wait for its answer as long
            found[name] = found["prefect"]
            continue
        try:
            check(executions)
        except EoError as error:
            found[name] = {"status": "unavailable", "detail": str(error)}
        else:
            found[name] = {"status": "ok"}
    return found


def signs_of_life(executions: Executions, now: datetime) -> Sequence[JsonObject]:
    """Return how many seconds ago each worker gave its last sign of life, of those that did within a day.

    The operator alone is told the names, for they name machines.
    """
    heard = {name: now - at for name, at in executions.gateway.details.signs_of_life().items()}
    ages = {name: int(age.total_seconds()) for name, age in heard.items() if age < FORGOTTEN}
    named = viewer().operator
    return [({"name": name} if named else {}) | {"silentSeconds": age} for name, age in ages.items()]


def _worker(executions: Executions) -> None:
    if not executions.gateway.details.workers():
        raise _NoWorkerError("no worker is running; start one with `eo-pygeoapi worker`")


def _watch(executions: Executions) -> None:
    """Raise where the watch has not looked for a while; one that never ran is not missed."""
    try:
        last = datetime.fromisoformat(executions.store.read_json(ALIVE)["at"])
    except MissingResultError:
        return
    if (silent := datetime.now(UTC) - last) > WATCH_SILENT_AFTER:
        minutes = int(silent.total_seconds() // 60)
        raise _NoWatchError(f"the watch has not looked for {minutes} minutes; start it with `eo-pygeoapi watch`")


CHECKS: dict[str, Callable[[Executions], object]] = {
    "prefect": lambda executions: executions.gateway.ping(),
    "store": lambda executions: executions.store.exists("ready"),
    "worker": _worker,
    "datasets": lambda executions: executions.raise_unless_applied(),
    "watch": _watch,
}
PARTS = {
    "prefect": "Prefect server",
    "store": "Results store",
    "worker": "Worker",
    "datasets": "Configuration in force",
    "watch": "Watch",
}
# what only Prefect knows
OF_PREFECT = ("worker", "datasets")
