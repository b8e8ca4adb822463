"""Find rasters by the item search of a STAC API (STAC API - Item Search 1.0), whose answers are pages of GeoJSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urljoin

import requests

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.errors import SourceCredentialError, SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.grids.grid import Box
from eo_pygeoapi.pipeline.sources.cog.options import CogOptions
from eo_pygeoapi.pipeline.sources.cog.raster import Raster
from eo_pygeoapi.pipeline.sources.download import TIMEOUTS, bearer

_PAGE, _MOST_PAGES = 250, 400
_REFUSALS = (requests.codes.unauthorized, requests.codes.forbidden)


@dataclass(frozen=True)
class Search:
    """A search of a STAC API with the options of a dataset; `token` is sent to the API alone."""

    options: CogOptions
    token: str = ""

    def rasters(self, interval: Interval, box: Box) -> list[Raster]:
        """Return the assets of the items of an interval and a box, in the order of time.

        Raises SourceUnavailableError where the API does not answer, SourceError where it refuses or answers no STAC.
        """
        options = self.options
        begin = interval.start - timedelta((options.item_days or 1) - 1)
        found = {
            raster.href: raster
            for item in self._items(begin, interval.end, box)
            if not options.ids or fnmatchcase(str(item.get("id")), options.ids)
            if (raster := self._raster(item)) and begin <= raster.day <= interval.end
        }
        return sorted(found.values(), key=lambda raster: (raster.day, raster.href))

    def _items(self, begin: date, end: date, box: Box) -> Iterator[dict[str, Any]]:
        url = self.options.stac.rstrip("/") + "/search"
        body: dict[str, Any] | None = {
            "collections": [self.options.collection],
            "bbox": list(box),
            "datetime": f"{begin}T00:00:00Z/{end}T23:59:59Z",
            "limit": _PAGE,
        }
        for _ in range(_MOST_PAGES):
            page = self._asked(url, body)
            yield from page["features"]
            following = next((link for link in page.get("links", []) if link.get("rel") == "next"), None)
            if following is None:
                return
            url = urljoin(url, following["href"])
            if following.get("method", "GET").upper() == "GET":
                body = None
            else:
                body = {**((body or {}) if following.get("merge") else {}), **following.get("body", {})}
        raise SourceError(f"{self.options.stac}: has more than {_MOST_PAGES} pages of items; ask for fewer days")

    def _asked(self, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            method = "GET" if body is None else "POST"
            with requests.request(method, url, json=body, headers=dict(bearer(self.token)), timeout=TIMEOUTS) as answer:
                status, text = answer.status_code, f"{self.options.stac}: answers {answer.status_code} {answer.reason}"
                if status in _REFUSALS:
                    raise SourceCredentialError(f"{text}; it wants a token, or another one (EO_COG_TOKEN)")
                if status >= 500 or status == requests.codes.too_many:
                    raise SourceUnavailableError(f"{text}; try again later")
                if not answer.ok:
                    raise SourceError(f"{text}: {' '.join(answer.text.split())[:300]}")
                page: dict[str, Any] = answer.json()
        except ValueError as error:  # of requests, too: an answer that is no JSON
            raise SourceError(f"{self.options.stac}: answers no JSON; is it a STAC API?") from error
        except requests.RequestException as error:
            raise SourceUnavailableError(f"{self.options.stac}: no answer: {error}; try again later") from error
        if not isinstance(page, dict) or not isinstance(page.get("features"), list):
            raise SourceError(f"{self.options.stac}: answers no items; is it a STAC API?")
        return page

    def _raster(self, item: dict[str, Any]) -> Raster | None:
        """Return the asset of an item, None for an item without it."""
        asset = item.get("assets", {}).get(self.options.asset)
        about = item.get("properties", {})
        moment = about.get("start_datetime") or about.get("datetime")
        if asset is None or not moment:
            return None
        # STAC 1.1 has the numbers in `bands` or the asset itself, the raster extension in `raster:bands`
        (bands, at) = (asset.get("raster:bands") or asset.get("bands") or [], max(self.options.band, 1) - 1)
        known = {**asset, **(bands[at] if at < len(bands) else {})}
        numbers = {
            name: _number(known.get(name, known.get(f"raster:{name}"))) for name in ("nodata", "scale", "offset")
        }
        return Raster(asset["href"], date.fromisoformat(str(moment)[:10]), **numbers)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


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
