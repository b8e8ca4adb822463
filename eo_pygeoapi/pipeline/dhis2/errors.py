"""Errors of requests to DHIS2, translated in one place into our error tree.

A message names the server (without credentials), the request, and DHIS2's own words, shortened.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

import httpx
from dhis2_client.errors import DHIS2HTTPError

from eo_pygeoapi.errors import Dhis2CredentialError, Dhis2Error, Dhis2UnavailableError
from eo_pygeoapi.redaction import redact

WORDS = 300
# until 2.42 DHIS2 creates a period that a request names first, a read too; of two requests at once it refuses one
COLLISION = re.compile(r"duplicate key value|could not serialize access|deadlock detected")
TRANSIENT = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,  # of DHIS2 also where a transaction met another one
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
HINTS = {
    HTTPStatus.UNAUTHORIZED: "check the token, or the user name and password, of this connection",
    HTTPStatus.FORBIDDEN: "check the authorities and the sharing of this connection's user",
    HTTPStatus.NOT_FOUND: "check the address of this connection",
    HTTPStatus.MOVED_PERMANENTLY: "set the address of this connection to where the redirect leads",
    HTTPStatus.FOUND: "set the address of this connection to where the redirect leads",
    HTTPStatus.PERMANENT_REDIRECT: "set the address of this connection to where the redirect leads",
}


class CollisionError(Dhis2UnavailableError):
    """Two requests collided in DHIS2's database; a retry succeeds."""


class LoginPageError(Exception):
    """DHIS2 redirects to its login page: we are not logged in."""


@contextmanager
def translating(server: str, asked: str, secrets: Sequence[str] = ()) -> Iterator[None]:
    """Turn what one call of dhis2-client raises into Dhis2Error, Dhis2CredentialError or Dhis2UnavailableError.

    `server` and `asked` (`GET /api/me`) are named in the message; `secrets` are kept out of it.
    """
    try:
        yield
    except DHIS2HTTPError as error:
        raise _refused(error, server, asked, secrets) from error
    except LoginPageError as error:
        raise Dhis2CredentialError(
            f"not logged in: DHIS2 at {server} answered {asked} with a redirect to its login page; check the token, or "
            "the user name and password, of this connection, and that a proxy passes on the header Authorization"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = redact(str(error), secrets) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in detail:
            raise Dhis2Error(
                f"DHIS2 at {server} shows a certificate that is not trusted: {detail}; "
                "for a certificate authority of your own set EO_DHIS2_<NAME>_CA_FILE"
            ) from error
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            raise Dhis2Error(f"{server!r} is no address of a DHIS2: {detail}") from error
        raise Dhis2UnavailableError(f"DHIS2 at {server} does not answer {asked}: {detail}") from error
    except (ValueError, AttributeError) as error:  # of dhis2-client, where a body is not JSON or no object
        raise Dhis2UnavailableError(
            f"DHIS2 at {server} answered {asked} with something that is not its JSON; "
            "a maintenance or login page may stand in front of it"
        ) from error


def _refused(error: DHIS2HTTPError, server: str, asked: str, secrets: Sequence[str]) -> Dhis2Error:
    status = error.status_code
    payload = error.payload
    own_words = " ".join((str(payload.get("message", "")) if isinstance(payload, dict) else str(payload)).split())
    if re.match(r"<(!doctype|html|\?xml)", own_words, re.IGNORECASE):  # of a proxy
        title = re.search(r"<title>(.*?)</title>", own_words, re.IGNORECASE)
        own_words = f"an HTML page{f' ({title[1][:WORDS]})' if title and title[1] else ''}"
    else:
        own_words = own_words[:WORDS] or "no reason given"
    collided = status == HTTPStatus.CONFLICT and COLLISION.search(own_words) is not None
    away = status in TRANSIENT
    does = "does not answer" if away else "refused"
    hint = f"; {HINTS[HTTPStatus(status)]}" if status in HINTS else ""
    no_token = status == HTTPStatus.BAD_REQUEST and "Checksum" in own_words  # what DHIS2 says of a token that is none
    if no_token:
        hint = "; check the token of this connection"
    message = f"DHIS2 at {server} {does} {asked}: {redact(own_words, secrets)} (HTTP {status}){hint}"
    if collided:
        return CollisionError(message)
    if no_token or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Dhis2CredentialError(message)
    return Dhis2UnavailableError(message) if away else Dhis2Error(message)
