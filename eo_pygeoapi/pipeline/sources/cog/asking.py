"""Ask a STAC API for a page of items, and an address for a signature; plain HTTP, so that the watch can ask too."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests

from eo_pygeoapi.errors import SourceCredentialError, SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.sources.download import TIMEOUTS, bearer

PAUSES = (2.0, 5.0, 15.0)  # seconds before a search is tried again
_REFUSALS = (requests.codes.unauthorized, requests.codes.forbidden)


@dataclass(frozen=True)
class StacApi:
    """A STAC API by its address; `token` is sent to it alone. It is asked again, after `pauses`, where it is away."""

    address: str
    token: str = ""
    pauses: Sequence[float] = PAUSES

    def pages(self, asked: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """Yield the items of a search, page by page.

        Raises SourceUnavailableError where the API does not answer, SourceError where it refuses or answers no STAC.
        """
        url, body = self.address.rstrip("/") + "/search", dict(asked) or None
        while True:
            page = self._page(url, body)
            yield page["features"]
            following = next((link for link in page.get("links", []) if link.get("rel") == "next"), None)
            if following is None:
                return
            url = urljoin(url, following["href"])
            if following.get("method", "GET").upper() == "GET":
                body = None
            else:
                body = {**((body or {}) if following.get("merge") else {}), **following.get("body", {})}

    def _page(self, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
        for pause in self.pauses:
            try:
                return self._asked(url, body)
            except SourceUnavailableError:
                time.sleep(pause)
        return self._asked(url, body)

    def _asked(self, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            method = "GET" if body is None else "POST"
            with requests.request(method, url, json=body, headers=dict(bearer(self.token)), timeout=TIMEOUTS) as answer:
                status, text = answer.status_code, f"{self.address}: answers {answer.status_code} {answer.reason}"
                if status in _REFUSALS:
                    raise SourceCredentialError(f"{text}; it wants a token, or another one (EO_COG_TOKEN)")
                if status >= 500 or status == requests.codes.too_many:
                    raise SourceUnavailableError(f"{text}; try again later")
                if not answer.ok:
                    raise SourceError(f"{text}: {' '.join(answer.text.split())[:300]}")
                page: dict[str, Any] = answer.json()
        except ValueError as error:  # of requests, too: an answer that is no JSON
            raise SourceError(f"{self.address}: answers no JSON; is it a STAC API?") from error
        except requests.RequestException as error:
            raise SourceUnavailableError(f"{self.address}: no answer: {error}; try again later") from error
        if not isinstance(page, dict) or not isinstance(page.get("features"), list):
            raise SourceError(f"{self.address}: answers no items; is it a STAC API?")
        return page


def token_for(sign: str) -> str:
    """Return what an address that signs answers; SourceError where it does not."""
    try:
        answer = requests.get(sign, timeout=TIMEOUTS)
        answer.raise_for_status()
        return str(answer.json()["token"])
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{sign}: answers no token") from error
    except requests.RequestException as error:
        raise SourceUnavailableError(f"{sign}: gives no token: {error}; try again later") from error
