"""Ask a provider of rasters for the newest day that it has; the watch does, so this is plain HTTP."""

from datetime import date, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

from eo_pygeoapi.pipeline.sources.cog.asking import StacApi, token_for
from eo_pygeoapi.pipeline.sources.download import bearer, exists
from eo_pygeoapi.pipeline.sources.file.options import of_day

if TYPE_CHECKING:
    from eo_pygeoapi.pipeline.sources.cog.options import CogOptions

_LOOKS = 40  # addresses, from the newest back
_PAGES, _ON_A_PAGE = 20, 100  # of items, the newest first: other satellites may come before those of `ids`
_YEARS_BACK = 2


def newest_item(options: "CogOptions", token: str, today: date) -> date | None:
    """Return the last day that the newest item of a STAC collection stands for, anywhere; None where it has none."""
    asked = {
        "collections": [options.collection],
        "datetime": f"{today - timedelta(366 * _YEARS_BACK)}T00:00:00Z/{today}T23:59:59Z",
        "sortby": [{"field": "properties.datetime", "direction": "desc"}],
        "limit": _ON_A_PAGE,
    }
    for page in islice(StacApi(options.stac, token, pauses=()).pages(asked), _PAGES):
        for item in page:
            if fnmatchcase(str(item.get("id")), options.ids or "*") and (last := _last_day(item, options)):
                return min(last, today)
    return None


def _last_day(item: dict[str, Any], options: "CogOptions") -> date | None:
    about = item.get("properties", {})
    first = about.get("start_datetime") or about.get("datetime")
    if not first or options.asset not in item.get("assets", {}):
        return None
    return date.fromisoformat(str(first)[:10]) + timedelta((options.item_days or 1) - 1)


def newest_address(options: "CogOptions", token: str, today: date) -> date | None:
    """Return the newest day, not after today, at whose address there is a file; None where none of the last 40 has."""
    query, looked_at = token_for(options.sign) if options.sign else "", set[str]()
    day = today
    while len(looked_at) < _LOOKS:
        if (address := of_day(options.href, day)) not in looked_at:
            if exists(address, bearer(token), query):
                return day
            looked_at.add(address)
        day -= timedelta(1)
    return None
