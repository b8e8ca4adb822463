"""Errors as the API answers them: RFC 7807 problem documents, with the exception types of OGC as URIs."""

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from eo_pygeoapi.errors import RETRY_AFTER_SECONDS, EoError, ProblemsError
from eo_pygeoapi.jobs.executions import JobFailedError
from eo_pygeoapi.redaction import redact

MEDIA_TYPE = "application/problem+json"
OGC_TYPES = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
MOST_MISTAKES = 50  # that an answer names
OWN_TYPES = "urn:eo-pygeoapi:error:"

# codes that have a type of OGC's; every other one has a type of our own
OGC_TYPE_BY_CODE: Mapping[str, str] = {
    "NoSuchProcess": "no-such-process",
    "NoSuchJob": "no-such-job",
    "NoSuchOutput": "no-such-output",
    "ResultNotReady": "result-not-ready",
    "ResultNotAvailable": "result-not-available",
    "InvalidQueryParameterValue": "invalid-query-parameter-value",
}

# what pygeoapi says without saying what is allowed, and the same in our words
_IN_OUR_WORDS: Mapping[str, str] = {
    "Bad CQL text": "filter: not understood; allowed: CQL2 text such as value > 30 AND name LIKE 'B%'",
    "Bad CQL JSON": "the filter in the body is not understood; allowed: CQL2 as JSON such as "
    '{"op": ">", "args": [{"property": "value"}, 30]}',
    "Invalid filter language": "filter-lang: not known; allowed: cql2-text, cql2-json",
}

Answer = tuple[dict[str, str], int, Any]


def type_uri(code: str) -> str:
    """Return the URI of an exception type: OGC's where it has one, else one of ours."""
    if code in OGC_TYPE_BY_CODE:
        return OGC_TYPES + OGC_TYPE_BY_CODE[code]
    return OWN_TYPES + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", code).lower()


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer for an error; a 503, and results that are not there yet, say when to try again."""
    phrase = HTTPStatus(status).phrase
    body: dict[str, object] = {
        "type": type_uri(code),
        "title": phrase,
        "status": int(status),
        "detail": detail or phrase,
    }
    sent = {**(headers or {}), "Content-Type": MEDIA_TYPE}
    if status == HTTPStatus.SERVICE_UNAVAILABLE or code == "ResultNotReady":
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        body["retryAfter"] = int(sent["Retry-After"])
    return sent, int(status), json.dumps(body, ensure_ascii=False)


def problem_of(error: EoError, secrets: Iterable[str] = ()) -> Answer:
    """Return the answer for one of our errors; a failed job's is that of what went wrong in the worker."""
    status, code = int(error.status), error.code
    if isinstance(error, JobFailedError):
        status, code = error.failed_status, error.failed_code
    said = str(error)
    if isinstance(error, ProblemsError) and (more := len(error.problems) - MOST_MISTAKES) > 0:
        said = "; ".join([*error.problems[:MOST_MISTAKES], f"{more} more mistakes"])
    return problem(status, code, redact(said, secrets))


def problem_of_pygeoapi(status: int, body: object, secrets: Iterable[str] = ()) -> Answer:
    """Return the answer for an error as pygeoapi's core words it: `{code, type, description}`."""
    described = body if isinstance(body, Mapping) else {}
    code = str(described.get("code") or HTTPStatus(status).phrase.title().replace(" ", ""))
    detail = str(described.get("description") or HTTPStatus(status).phrase)
    return problem(status, code, redact(in_our_words(detail), secrets))


def in_our_words(detail: str) -> str:
    """Return what pygeoapi says of a mistake, with what is allowed where it does not say so."""
    return _IN_OUR_WORDS.get(detail, detail)
