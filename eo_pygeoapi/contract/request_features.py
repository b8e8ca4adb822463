"""Check the input `features`, a request's own areas, before a job is made.

This is plain Python, for the web process has no geometry library. The job looks inside the geometries: it lists the
areas that it cannot use, those with `geometry: null` and those with the id of another, and goes on with the rest.
"""

import json
from collections.abc import Mapping

from eo_pygeoapi.wording import shown

GEOMETRIES = ("Polygon", "MultiPolygon", "Point", "GeometryCollection")
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
    if not problems:
        try:
            json.dumps(features, allow_nan=False, ensure_ascii=False).encode()
        except ValueError:  # also of the encoding
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
    properties = feature.get("properties")
    ids = [feature.get("id")]
    if isinstance(properties, Mapping):
        ids += [properties.get("id"), properties.get("orgUnit")]
    if not any(isinstance(id_, str | int) and not isinstance(id_, bool) and id_ != "" for id_ in ids):
        problems.append(".id: is missing; expected text or a number in id, properties.id or properties.orgUnit")
    if "geometry" not in feature:
        problems.append(".geometry: is missing; a feature without one has `null` there")
    elif (geometry := feature["geometry"]) is not None:
        kind = geometry.get("type") if isinstance(geometry, Mapping) else geometry
        if kind not in GEOMETRIES:
            problems.append(f".geometry.type: {shown(str(kind))} is not allowed; allowed: {', '.join(GEOMETRIES)}")
    return problems
