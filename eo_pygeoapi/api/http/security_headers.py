"""What browsers are told to refuse: scripts, styles and frames that are not ours, and guessed types."""

import base64
import hashlib
from urllib.parse import urlsplit

from flask import Response

from eo_pygeoapi.api.http.answers import TEMPLATES

_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


def with_security_headers(response: Response, templates: str, base_url: str) -> Response:
    """Return an answer with them; pages made of the operators' own `templates` may load what these say."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        strict = templates == str(TEMPLATES)
        policy = content_security_policy(base_url) if strict else "frame-ancestors 'self'"
        response.headers.setdefault("Content-Security-Policy", policy)
    return response


def content_security_policy(base_url: str) -> str:
    """Return the policy of our pages: nothing but the style that stands in them, and forms to ourselves.

    `base_url` is where forms lead: a browser may have come by another name of the same server.
    """
    address = urlsplit(base_url)
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_STYLE}'",
            "img-src data:",
            f"form-action 'self' {address.scheme}://{address.netloc}",
            "frame-ancestors 'self'",
            "base-uri 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# Jinja leaves out the last line's end of what it includes
_STYLE = _hash((TEMPLATES / "style.css").read_text(encoding="utf-8").removesuffix("\n"))
