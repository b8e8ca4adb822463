"""The query parameters that addresses take: one that is misspelt is refused, for without it the answer is another."""

from collections.abc import Mapping

from pygeoapi.api import API, APIRequest
from pygeoapi.util import get_dataset_formatters

from eo_pygeoapi.api.http.answers import page_of, pairs
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.store.item_filters import FIELDS
from eo_pygeoapi.wording import nearest, shown

# what any address takes: `f`, `lang` and `l` of pygeoapi, and ours
COMMON = ("f", "lang", "l", "links")
_PAGE = ("limit", "offset")
_OF_ITEMS = (
    *_PAGE,
    *("bbox", "bbox-crs", "crs", "datetime", "filter", "filter-crs", "filter-lang", "properties", "q", "resulttype"),
    *("simplify", "skipGeometry", "sortby"),
)
# by path, as `routes.py` has it; addresses that take nothing but the common ones overlook the rest
TAKEN: Mapping[str, tuple[str, ...]] = {
    "/processes": _PAGE,
    "/processes/<process_id>/execution": ("mode",),
    "/jobs": (*_PAGE, "status", "type", "processID", "dataset", "datetime", "minDuration", "maxDuration"),
    "/jobs/<job_id>/logs": _PAGE,
    "/jobs/<job_id>/files/<name>": ("simplify",),
    "/datasets/<dataset_id>/latest": ("level", "simplify"),
    "/datasets/<dataset_id>/coverage": ("start", "end", "level", "reasons"),
    "/datasets/<dataset_id>/history": _PAGE,
    "/schedules": ("dataset",),
    "/problems": ("state",),
}
# parameters that may be repeated
_SEVERAL: Mapping[str, tuple[str, ...]] = {"/jobs": ("status", "type", "processID")}
_TRUE_OR_FALSE = ("true", "false", "t", "f", "yes", "no", "on", "off", "1", "0")
_ITEM_FORMATS = ("json", "html", "jsonld")


def refuse_unknown(path: str, request: APIRequest) -> None:
    """Raise QueryError for a parameter that the path does not take; pages have more, of their forms."""
    if path in TAKEN and request.format != "html":
        _refuse_others(TAKEN[path], request)
        _refuse_repeated(_SEVERAL.get(path, ()), request)


def check_item_names(api: API, request: APIRequest, collection_id: str) -> None:
    """Raise QueryError for a parameter that items of our datasets do not take, or a format that they do not have."""
    if not is_dataset(api, collection_id):
        return
    formatters = get_dataset_formatters(api.config["resources"][collection_id])
    formats = (*_ITEM_FORMATS, *(formatter.f for formatter in formatters.values()))
    if request.format not in (None, *formats):
        raise _not_allowed("f", request.format, ", ".join(formats))
    _refuse_others((*_OF_ITEMS, *FIELDS), request)
    _refuse_repeated((), request)


def check_item_values(api: API, request: APIRequest, collection_id: str) -> None:
    """Raise QueryError for what pygeoapi overlooks, or refuses without saying what is allowed."""
    if not is_dataset(api, collection_id):
        return
    page_of(api, request)
    given = request.params
    if (bbox := given.get("bbox")) is not None:
        _check_bbox(bbox)
    for name, marks in (("properties", ""), ("sortby", "+- ")):  # an address writes + for a space
        if (text := given.get(name)) is not None:
            wrong = [field for field in text.split(",") if field.lstrip(marks) not in FIELDS]
            if wrong:
                raise _not_allowed(name, wrong[0], ", ".join(FIELDS))
    if not request.data and given.get("filter-lang", "cql2-text") != "cql2-text":
        raise _not_allowed("filter-lang", given["filter-lang"], "cql2-text; cql2-json in a body")
    if given.get("resulttype", "results") not in ("results", "hits"):
        raise _not_allowed("resulttype", given["resulttype"], "results, hits")
    if given.get("skipGeometry", "true").lower() not in _TRUE_OR_FALSE:
        raise _not_allowed("skipGeometry", given["skipGeometry"], "true, false")


def _refuse_others(taken: tuple[str, ...], request: APIRequest) -> None:
    known = (*taken, *COMMON)
    for name, _ in pairs(request.params):
        if name not in known:
            raise QueryError(f"unknown parameter {shown(name)}; allowed: {', '.join(known)}{nearest(name, known)}")


def _refuse_repeated(several: tuple[str, ...], request: APIRequest) -> None:
    """Raise QueryError for one with two values, of which the first alone would count, unless it is in `several`."""
    first: dict[str, str] = {}
    for name, text in pairs(request.params):
        if first.setdefault(name, text) != text and name not in several:
            raise QueryError(f"{name}: is given twice, as {shown(first[name])} and {shown(text)}; allowed: one value")


def _check_bbox(text: str) -> None:
    try:
        numbers = [float(number) for number in text.split(",")]
        half = len(numbers) // 2
        fits = len(numbers) in (4, 6) and all(a <= b for a, b in zip(numbers[1:half], numbers[half + 1 :], strict=True))
    except ValueError:
        fits = False
    if not fits:
        raise _not_allowed("bbox", text, "west,south,east,north in degrees, with the south not above the north")


def _not_allowed(name: str, value: object, allowed: str) -> QueryError:
    return QueryError(f"{name}: {shown(value)} is not allowed; allowed: {allowed}")


def is_dataset(api: API, collection_id: str) -> bool:
    """Tell whether a collection is a dataset; the providers of others know what these take."""
    resource = api.config["resources"].get(collection_id, {})
    return resource.get("type") == "collection" and "eo" in resource
