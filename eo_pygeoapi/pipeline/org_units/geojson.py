"""Fetch and read GeoJSON of organisation units.

Coordinates must be longitude and latitude on WGS 84, as RFC 7946 says; other files are refused.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.errors import OrgUnitsError, SourceUnavailableError

MAX_BYTES = 200 * 1024 * 1024
SECONDS = 300.0
CHUNK = 1024 * 1024
NAMED = 20  # a message names so many properties
WGS84 = re.compile(r"(CRS:?84|EPSG:+4326|EPSG/.*/4326)$", re.IGNORECASE)


@dataclass(frozen=True)
class Area:
    """An organisation unit as its source has it: `ancestors` are UIDs, `geometry` is GeoJSON or None."""

    id: str
    name: str
    level: int | None
    geometry: Any
    ancestors: frozenset[str] = frozenset()


def read_geojson(href: str, named: str, *, max_bytes: int = MAX_BYTES, seconds: float = SECONDS) -> object:
    """Read the JSON document at `href`, a path or an http(s) URL; messages call it `named`.

    Raises OrgUnitsError where the document does not exist, is too large or is not JSON, and SourceUnavailableError
    where a server does not answer or needs more than `seconds`.
    """
    if href.startswith(("http://", "https://")):
        deadline, received = time.monotonic() + seconds, bytearray()
        try:
            with requests.get(href, stream=True, timeout=(10, min(60, seconds))) as response:
                answer = f"{named}: the server answers {response.status_code} {response.reason}"
                if response.status_code >= 500 or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    raise SourceUnavailableError(answer)
                if not response.ok:
                    raise OrgUnitsError(answer)
                for chunk in response.iter_content(CHUNK):
                    received += chunk
                    if len(received) > max_bytes:
                        raise OrgUnitsError(f"{named}: is larger than {max_bytes} bytes")
                    if time.monotonic() > deadline:
                        raise SourceUnavailableError(f"{named}: was not received within {seconds:g} s")
        except requests.exceptions.InvalidURL as error:
            raise OrgUnitsError(f"{named}: is no URL") from error
        except requests.RequestException as error:
            raise SourceUnavailableError(f"{named}: the server does not answer ({type(error).__name__})") from error
        content = bytes(received)
    elif "://" in href:
        raise OrgUnitsError(f"{named}: cannot be read; allowed: a path, or a URL with http or https")
    else:
        try:
            content = Path(href).read_bytes()
        except OSError as error:
            raise OrgUnitsError(f"{named}: cannot be read: {error.strerror}") from error
    try:
        return json.loads(content)
    except ValueError as error:  # text that is not UTF-8, too
        raise OrgUnitsError(f"{named}: is not JSON: {error}") from error


def read_features(
    document: Any, named: str, id_key: str = "id", name_key: str = "name"
) -> tuple[list[Area], list[LeftOut]]:
    """Read the areas of a FeatureCollection, in its order, and list features that are none.

    The UID is the property `id_key`; for `id` also the feature's own id, or the property `orgUnit`. Level and
    ancestors come from `level`, `parent` and `parentGraph`, as DHIS2 writes them. Of features with the same id the
    first counts. Messages call the document `named`. Raises OrgUnitsError where it is no FeatureCollection, is not on
    WGS 84, or has no feature with an id.
    """
    features = document.get("features") if isinstance(document, Mapping) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise OrgUnitsError(f"{named}: is not a GeoJSON FeatureCollection")
    if not features:
        raise OrgUnitsError(f"{named}: holds no features")
    problems = []
    if (crs := document.get("crs")) is not None:  # RFC 7946 dropped it, but programs still write it
        about = crs.get("properties") if isinstance(crs, Mapping) else None
        name = about.get("name") if isinstance(about, Mapping) else None
        if not isinstance(name, str) or not WGS84.search(name):
            system = name or "an unknown system"
            problems.append(f"{named}: its coordinates are in {system}; allowed: WGS 84 (EPSG:4326)")
    areas: dict[str, tuple[int, Area]] = {}
    left_out: list[LeftOut] = []
    for number, feature in enumerate(features, start=1):
        if (area := _area(feature, id_key, name_key)) is None:
            left_out.append(LeftOut(reason=f"feature number {number} of {named} has no {id_key!r}"))
        elif (first := areas.setdefault(area.id, (number, area)))[0] != number:
            reason = f"feature number {number} of {named} has the id of number {first[0]}, which is taken"
            left_out.append(LeftOut(org_unit=area.id, reason=reason))
    if not areas:
        members = [feature.get("properties") for feature in features if isinstance(feature, Mapping)]
        keys = sorted({str(key) for properties in members if isinstance(properties, Mapping) for key in properties})
        shown = f"their properties: {', '.join(keys[:NAMED])}{', …' * (len(keys) > NAMED)}"
        has = shown if keys else "they have no properties"
        problems.append(f"{named}: none of {len(features)} features has {id_key!r}; {has}")
    if problems:
        raise OrgUnitsError(problems)
    return [area for _, area in areas.values()], left_out


def _area(feature: Any, id_key: str, name_key: str) -> Area | None:
    """Return the area of a feature, or None where it has no id."""
    if not isinstance(feature, Mapping):
        return None
    properties = feature.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    id_ = _text(properties.get(id_key))
    if id_key == "id":  # `request_features` allows other places
        id_ = id_ or _text(feature.get("id")) or _text(properties.get("orgUnit"))
    if not id_:
        return None
    graph = str(properties.get("parentGraph") or "")
    return Area(
        id=id_,
        name=_text(properties.get(name_key)) or id_,
        # DHIS2 writes a level as a number in some places, as text in others
        level=int(level) if re.fullmatch(r"[1-9]\d?", level := str(properties.get("level"))) else None,
        geometry=feature.get("geometry"),
        ancestors=frozenset(filter(None, [str(properties.get("parent") or ""), *graph.split("/")])),
    )


def _text(value: object) -> str:
    """Return an id or a name as text, '' for other values; some programs write numbers."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
