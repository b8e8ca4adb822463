"""Answers compressed for those who take gzip: whole, at the very end, and in this one place.

pygeoapi's core compresses in some places and says that it did in others; its errors nobody could read.
"""

import gzip

from flask import Flask, Response, request
from pygeoapi.formats import F_GZIP, FORMAT_TYPES

SMALLEST = 500  # bytes; below, the answer would grow
_LEVEL = 5


def compress_answers(app: Flask, wanted: bool) -> None:
    """Keep pygeoapi from compressing, and where it is `wanted` compress what the application answers.

    Is to be called before other functions are registered that change answers: they run first.
    """
    FORMAT_TYPES.pop(F_GZIP, None)
    if wanted:
        app.after_request(compressed)


def compressed(response: Response) -> Response:
    """Compress an answer for a client that takes it; files, which are sent in parts, pass as they are."""
    if response.is_streamed or response.direct_passthrough:
        return response
    response.vary.add("Accept-Encoding")
    if "Content-Encoding" in response.headers:
        return response
    if request.accept_encodings.quality("gzip") and len(content := response.get_data()) >= SMALLEST:
        response.set_data(gzip.compress(content, _LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response
