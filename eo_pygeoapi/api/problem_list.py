"""Problems over HTTP: what is wrong with the feeds, and what was."""

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.answers import answer_either, executions_of
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.jobs.documents import HTML, JSON, link
from eo_pygeoapi.watch.problems import Book

STATES = ("open", "closed")


def get_problems(api: API, request: APIRequest) -> Answer:
    """Return the open problems, the oldest first; with `state`, the closed ones too, the latest first."""
    states = [state.strip() for state in request.params.get("state", "open").split(",")]
    if unknown := [state for state in states if state not in STATES]:
        raise QueryError(f"state: {unknown[0]!r} is not allowed; allowed: {', '.join(STATES)}")
    book = Book(executions_of(api).store)
    found = [*(book.open() if "open" in states else []), *(book.closed() if "closed" in states else [])]
    url = f"{api.base_url}/problems"
    document = {
        "problems": [problem.shown().model_dump(mode="json", by_alias=True, exclude_none=True) for problem in found],
        "links": [
            link(f"{url}?f=json", "self", JSON, "This document"),
            link(f"{url}?f=html", "alternate", HTML, "This document as a page"),
        ],
    }
    return answer_either(api, request, document, "problems.html", states=states)
