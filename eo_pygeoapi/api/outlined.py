"""Answers whose outlines are put in as text at the very end, plain or compressed.

An outline of a thousand corners is in a page as often as there are periods. Written once, and copied, it costs a
hundredth of what writing it each time does; compressed once, and copied, the same.
"""

import re
from collections.abc import Mapping

from pygeoapi.api import API, APIRequest
from werkzeug.http import parse_accept_header

from eo_pygeoapi.api.http.forwarded import outside
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.http.splicing import spliced_gzip
from eo_pygeoapi.provider import REFERENCE

# a unit may be called like a reference, so only what stands in place of a geometry is one; what is rare comes first
_REFERENCE = re.compile(rf'"{REFERENCE}(?:(?<="geometry":"{REFERENCE})|(?<="geometry": "{REFERENCE}))([0-9a-f]+)"')


def with_outlines(api: API, request: APIRequest, answer: Answer, outlines: Mapping[str, str]) -> Answer:
    """Return an answer of text with an outline in place of each reference; compressed for those who take that."""
    headers, status, text = answer
    accepted = parse_accept_header(dict(request.headers).get("Accept-Encoding"))
    if api.config["server"].get("gzip") and accepted.quality("gzip") and not _is_rewritten(request):
        return {**headers, "Content-Encoding": "gzip"}, status, spliced_gzip(text, _REFERENCE, outlines.__getitem__)
    return headers, status, _REFERENCE.sub(lambda found: outlines[found[1]], text)


def _is_rewritten(request: APIRequest) -> bool:
    """Tell whether links are changed after this: what is compressed by parts cannot be."""
    return request.params.get("links") == "relative" or bool(outside())
