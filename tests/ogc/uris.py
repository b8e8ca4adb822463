"""The short forms in which the requirements name URIs."""

from collections.abc import Iterable, Mapping
from typing import Any

import requests

RELATION = "http://www.opengis.net/def/rel/ogc/1.0/"
EXCEPTION = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
CONFORMANCE = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"
PROBLEM = "application/problem+json"


def relation(name: str) -> str:
    """`REL:name`, or a relation of IANA's."""
    return name.replace("REL:", RELATION)


def hrefs(document: Mapping[str, Any] | Iterable[Mapping[str, Any]], rel: str) -> list[str]:
    """The addresses of the links with this relation."""
    links = document["links"] if isinstance(document, Mapping) else document
    return [link["href"] for link in links if link["rel"] == relation(rel)]


def href(document: Mapping[str, Any], rel: str) -> str:
    found = hrefs(document, rel)
    assert found, f"no link {rel} in {document['links']}"
    return found[0]


def assert_problem(answer: requests.Response, status: int, type_: str = "") -> dict[str, Any]:
    """The answer is a problem document with this status, and with this type of OGC's where one is given."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert all(isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail"))
    assert ":" in problem["type"] and "Traceback" not in answer.text
    if type_:
        assert problem["type"] == EXCEPTION + type_
    return problem
