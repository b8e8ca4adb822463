"""Download files over HTTP into a folder, whole or not at all, and again only after the provider changed them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from urllib.parse import urlsplit

import requests

from eo_pygeoapi.errors import SourceCredentialError, SourceError, SourceUnavailableError
from eo_pygeoapi.files import replacing, write_whole

Timeouts = tuple[float, float]
TIMEOUTS: Timeouts = (15, 120)  # seconds to connect, and between two reads
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_PIECE = 2**20
_REFUSALS = (requests.codes.unauthorized, requests.codes.forbidden)
_NOT_THERE = (requests.codes.not_found, requests.codes.gone)


def download(
    url: str,
    folder: Path,
    timeouts: Timeouts = TIMEOUTS,
    headers: Mapping[str, str] = NO_HEADERS,
    query: str = "",
) -> Path | None:
    """Return the file at `url`, kept in `folder`; None where the provider has none.

    `headers` and `query` show who asks; the file is the same for all.

    Asks for a cached file with its validators (ETag, Last-Modified), and uses it only where the provider says that it
    is unchanged. Raises SourceUnavailableError where the provider does not answer or breaks off, and SourceError where
    it refuses, SourceCredentialError where it refuses what was shown.
    """
    path = cached(url, folder)
    validators = path.with_name(f"{path.name}.validators")
    try:
        known = json.loads(validators.read_text()) if path.exists() else {}
    except (OSError, ValueError):
        known = {}
    asked = {"If-None-Match": known.get("ETag"), "If-Modified-Since": known.get("Last-Modified")}
    sent = {**headers, **{name: value for name, value in asked.items() if value}}
    try:
        with requests.get(with_query(url, query), headers=sent, stream=True, timeout=timeouts) as answer:
            if answer.status_code == requests.codes.not_modified:
                return path
            if answer.status_code in _NOT_THERE:
                return None
            _check(answer, url, shown=bool(headers or query))
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as unfinished, unfinished.open("wb") as file:
                for piece in answer.iter_content(_PIECE):
                    file.write(piece)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        said = f"no answer, or not a whole one: {_words(error, query)}"
        raise SourceUnavailableError(f"{url}: {said}; try again later") from None
    except requests.RequestException as error:
        raise SourceError(f"{url}: cannot be downloaded: {_words(error, query)}") from None
    write_whole(validators, json.dumps({name: answer.headers.get(name, "") for name in ("ETag", "Last-Modified")}))
    return path


def bearer(token: str) -> Mapping[str, str]:
    """Return the header that shows a token; none where there is none."""
    return {"Authorization": f"Bearer {token}"} if token else NO_HEADERS


def cached(url: str, folder: Path) -> Path:
    """Return the path at which `download` keeps the file at `url`."""
    place = folder / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:16]
    return place / (PurePosixPath(urlsplit(url).path).name or "file")


def with_query(url: str, query: str) -> str:
    """Return an address with more behind it in its query."""
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def exists(url: str, headers: Mapping[str, str] = NO_HEADERS, query: str = "") -> bool:
    """Return whether the provider has a file at `url`; SourceUnavailableError where it does not answer."""
    try:
        asked = with_query(url, query)
        with requests.head(asked, allow_redirects=True, timeout=TIMEOUTS, headers=dict(headers)) as answer:
            if answer.status_code in _NOT_THERE:
                return False
            if answer.status_code != requests.codes.method_not_allowed:
                _check(answer, url, shown=bool(headers or query))
            return True
    except requests.RequestException as error:
        raise SourceUnavailableError(f"{url}: no answer: {_words(error, query)}; try again later") from None


def _words(error: Exception, query: str) -> str:
    """Return what requests says of an address, without the query that shows who asks."""
    return str(error).replace(query, "…") if query else str(error)


def _check(answer: requests.Response, url: str, *, shown: bool) -> None:
    """Raise an error for a refusal; `shown` says that who asks has shown a token."""
    if answer.ok:
        return
    message = f"{url}: answers {answer.status_code} {answer.reason}"
    if answer.status_code >= 500 or answer.status_code in (requests.codes.too_many, requests.codes.request_timeout):
        raise SourceUnavailableError(f"{message}; try again later")
    if shown and answer.status_code in _REFUSALS:
        raise SourceCredentialError(f"{message}; it wants another token")
    raise SourceError(message)
