"""The body of a request, read before anything else is done with it."""

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from eo_pygeoapi.errors import InputError, MediaTypeError
from eo_pygeoapi.wording import shown


def read_body(request: Request) -> None:
    """Read a request's body, so that a form comes as it was sent, too; pygeoapi finds it read.

    Raises MediaTypeError for a compressed one, InputError for one that does not come or is in unreadable pieces.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise MediaTypeError(f"Content-Encoding: {shown(encoding)} is not allowed; allowed: a body as it is")
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        raise
    except Exception as error:  # each server raises errors of its own
        raise InputError("the body cannot be read: it does not come, or its pieces (chunks) are not right") from error
    if len(body) < (request.content_length or 0):
        raise InputError(f"the body ends after {len(body)} of {request.content_length} bytes")
