"""Errors as pages: what is wrong, what to do about it, and where to go on."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.access import CHANGING
from eo_pygeoapi.api.http.allowed import in_words, page_path, sentence, sign_in_address
from eo_pygeoapi.api.http.answers import answer_page, manager_of, pairs
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.errors import (
    EoError,
    ForbiddenError,
    NoSuchDatasetError,
    NoSuchJobError,
    NoSuchProcessError,
    NoSuchScheduleError,
    ResultNotAvailableError,
    ResultNotReadyError,
    UnauthorizedError,
)
from eo_pygeoapi.jobs.executions import JobFailedError
from eo_pygeoapi.json_types import JsonMapping

_TITLES: Mapping[int, str] = {
    400: "The request is not right",
    401: "Sign in first",
    403: "You may not do that",
    404: "There is no such page",
    405: "That cannot be done here",
    406: "There is no such form of this page",
    409: "That is not possible as things are",
    413: "That is too large",
    415: "That is of the wrong kind",
    429: "Too many requests",
    500: "Something went wrong here",
    502: "What the request needs did not work",
    503: "Not available now",
    504: "What the request needs does not answer",
}
# by kind of error, where that says more than the status
_TITLES_OF: Mapping[type[EoError], str] = {
    JobFailedError: "The job has failed, so it has no results",
    NoSuchDatasetError: "There is no such dataset",
    NoSuchProcessError: "There is no such process",
    NoSuchScheduleError: "There is no such schedule",
    NoSuchJobError: "There is no such job",
    ResultNotReadyError: "The job has not ended yet",
    ResultNotAvailableError: "There is no such result",
}
# the pages that list what stands below the first part of a path
_LISTS: Mapping[str, str] = {
    "jobs": "All jobs",
    "datasets": "All datasets",
    "schedules": "All schedules",
    "collections": "All collections",
    "processes": "All processes",
}
# where the forms of pages are sent to; that of the sign-in is no such form, for a token belongs in no address
_FORMS = ("/form", "/dismiss", "/pause", "/resume", "/run")
_ONE = {"jobs": "The job", "datasets": "The dataset", "collections": "The collection", "processes": "The process"}


def error_page(
    api: API, request: APIRequest, document: JsonMapping, error: EoError | None, method: str, path: str
) -> Answer:
    """Return the page for a problem document, which tells of `error` where it is one of ours."""
    status = int(document["status"])
    heading = next((title for kind, title in _TITLES_OF.items() if isinstance(error, kind)), _TITLES.get(status))
    shown = {
        "heading": heading or document["title"],
        "said": in_words(error) if isinstance(error, ForbiddenError) else sentence(str(document["detail"])),
        "onwards": [] if isinstance(error, UnauthorizedError) else _onwards(api.base_url, path),
    }
    wanted = _wanted(request, method, path)
    if method in CHANGING and path.endswith(_FORMS):
        back = f"{api.base_url}{page_path(*wanted)}"
        shown["onwards"] = [("Back to the form", back), *_onwards(api.base_url, path)[1:]]
    if isinstance(error, UnauthorizedError | ForbiddenError) and manager_of(api).settings.api_tokens_file:
        shown["sign_in"] = sign_in_address(api.base_url, *wanted)
    return answer_page(api, request, "exception.html", {**document, **shown}, status)


def _wanted(request: APIRequest, method: str, path: str) -> tuple[str, list[tuple[str, str]]]:
    """Return path and query of the page to come back to: for a form that page which has it, filled as it was."""
    if method not in CHANGING:
        return path, pairs(request.params)
    if path.endswith(_FORMS):
        return path.rpartition("/")[0], parse_qsl(request.data.decode("utf-8", "replace"))
    return "/", []


def _onwards(base_url: str, path: str) -> list[tuple[str, str]]:
    """Return where a person may go on from a path: to what it is a part of, and to the list."""
    first, *rest = path.strip("/").split("/")
    found = []
    if len(rest) > 1 and first in _ONE:
        found.append((_ONE[first], f"{base_url}/{first}/{rest[0]}?f=html"))
    if rest and first in _LISTS:
        found.append((_LISTS[first], f"{base_url}/{first}?f=html"))
    return found or [("The first page", f"{base_url}?f=html")]
