"""What the landing page shows of the feeds: it is the first that a person sees."""

from pygeoapi.api import API

from eo_pygeoapi.api.datasets import made_in_part, statuses
from eo_pygeoapi.api.health import OF_PREFECT, outcomes
from eo_pygeoapi.api.http.allowed import may_read
from eo_pygeoapi.api.http.answers import executions_of
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.watch import freshness
from eo_pygeoapi.watch.problems import Book

ABOUT = {
    "prefect": "The Prefect server does not answer",
    "store": "The results store cannot be read",
    "worker": "No worker is alive",
    "datasets": "The configuration is not applied yet",
    "watch": "The watch has fallen silent",
}


def status_board(api: API) -> dict[str, object]:
    """Return each dataset in a line, the worst first, what is wrong, and how many jobs run, for those who may know."""
    if not may_read():
        return {"hidden": True}
    executions = executions_of(api)
    checks = outcomes(executions)
    away = checks["prefect"]["status"] != "ok"
    wrong = [
        f"{ABOUT[name]}: {check['detail']}"
        for name, check in checks.items()
        if check["status"] != "ok" and not (away and name in OF_PREFECT)
    ]
    board: dict[str, object] = {"wrong": wrong, "prefect": executions.prefect_pages()}
    try:
        board["problems"] = Book(executions.store).open()
        documents = freshness.worst_first(statuses(api, list(executions.datasets().values()), away))
        board["datasets"] = [document.to_json() for document in documents]
        board["in_part"] = made_in_part(executions, documents)
        if not away:
            board["running"] = executions.gateway.runs.list(1, 0, JobFilter(statuses=("running", "accepted")))[1]
    except EoError as error:  # `wrong` says it, and the page is to come all the same
        board.setdefault("datasets", [])
        board["unknown"] = str(error)
    return board
