"""Find rasters by the item search of a STAC API (STAC API - Item Search 1.0), whose answers are pages of GeoJSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Any

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.sources.cog.asking import StacApi
from eo_pygeoapi.pipeline.sources.cog.options import CogOptions
from eo_pygeoapi.pipeline.sources.cog.raster import Raster

_PAGE, _MOST_PAGES = 250, 400
_IN_WORDS = ("nan", "inf", "-inf")  # as JSON cannot write them


@dataclass(frozen=True)
class Search:
    """A search of a STAC API with the options of a dataset."""

    options: CogOptions
    api: StacApi

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
        asked = {
            "collections": [self.options.collection],
            "bbox": list(box),
            "datetime": f"{begin}T00:00:00Z/{end}T23:59:59Z",
            "limit": _PAGE,
        }
        for number, page in enumerate(self.api.pages(asked), start=1):
            yield from page
            if number == _MOST_PAGES:
                raise SourceError(f"{self.api.address}: has more than {_MOST_PAGES} pages of items; ask for fewer days")

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
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number or value in _IN_WORDS else None
