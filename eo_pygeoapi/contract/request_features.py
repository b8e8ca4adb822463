"""The input `features`: what must be right about a request's own areas before a job is made of them.

Plain Python, for the web process has no geometry library. What is inside a geometry is looked at by the job, which
lists areas that it cannot use, those with `geometry: null` and those whose id was used before, without failing the
others.
"""

import json
from collections.abc import Mapping

from eo_pygeoapi.wording import shown

GEOMETRIES = ("Polygon", "MultiPolygon", "Point", "GeometryCollection")
# where a feature's id may stand, in the order in which it is looked for
_IDS = (("properties", "id"), ("id",), ("properties", "orgUnit"))
_LISTED = 20


def feature_problems(features: Mapping[str, object]) -> list[str]:
    """Return a sentence for each mistake in a FeatureCollection, the first 20 and how many more there are."""
    kind, members = features.get("type"), features.get("features")
    problems = []
    if kind != "FeatureCollection":
        problems.append(f"input features.type: {kind!r} is not allowed; allowed: FeatureCollection")
    if not isinstance(members, list) or not members:
        problems.append("input features.features: expected a list of at least one feature")
        return problems
    for number, feature in enumerate(members):
        path = f"input features.features[{number}]"
        problems += [f"{path}{problem}" for problem in _problems_of(feature)]
    if not problems and not _is_json(features):
        problems.append("input features: holds NaN, Infinity or half a character, which JSON does not have")
    if len(problems) > _LISTED:
        problems[_LISTED:] = [f"input features: {len(problems) - _LISTED} more mistakes"]
    return problems


def _problems_of(feature: object) -> list[str]:
    """Return what is wrong with one feature."""
    if not isinstance(feature, Mapping):
        return [": expected a GeoJSON Feature"]
    problems = []
    if feature.get("type") != "Feature":
        problems.append(f".type: {feature.get('type')!r} is not allowed; allowed: Feature")
    if not _has_id(feature):
        problems.append(".id: is missing; expected text or a number in id, properties.id or properties.orgUnit")
    if "geometry" not in feature:
        problems.append(".geometry: is missing; a feature without one has `null` there")
    elif (geometry := feature["geometry"]) is not None:
        kind = geometry.get("type") if isinstance(geometry, Mapping) else geometry
        if kind not in GEOMETRIES:
            problems.append(f".geometry.type: {shown(str(kind))} is not allowed; allowed: {', '.join(GEOMETRIES)}")
    return problems


def _has_id(feature: Mapping[str, object]) -> bool:
    properties = feature.get("properties")
    places = {"properties": properties if isinstance(properties, Mapping) else {}}
    for *inside, name in _IDS:
        value = (places[inside[0]] if inside else feature).get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return True
    return False


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:  # also of the encoding
        return False
    return True
