"""Geometries of organisation units, made usable for zonal statistics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.json_types import Json, JsonMapping
from eo_pygeoapi.pipeline.grids.antimeridian import across_180, beside, within_180

ALLOWED = "allowed: Polygon, MultiPolygon, Point"
_OF_AREAS = ("Polygon", "MultiPolygon", "GeometryCollection")
_CORNERS_OF_A_RING = 3


class _UnusableError(Exception):
    """A geometry cannot be used; the message follows the name of a unit."""


def usable_geometry(geometry: Any) -> BaseGeometry | str:
    """Return a valid Polygon, MultiPolygon or Point in two dimensions, or the reason why a geometry is unusable.

    `geometry` is GeoJSON, or a geometry of shapely. Only the first two numbers of a corner count. Drops rings and
    parts without an area and all members of collections but polygons, joins parts that overlap, cuts rings that cross
    themselves, brings longitudes beyond 180 degrees, which some programs write, back within them, and takes an edge of
    more than 180 degrees, from 179 to -179, for one across 180 degrees.
    """
    if geometry is None:
        return "has no geometry"
    try:
        found = _read(geometry if isinstance(geometry, Mapping) else geometry.__geo_interface__)
    except _UnusableError as error:
        return str(error)
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError):
        return "its geometry is not readable GeoJSON"
    if found.is_empty:
        return f"its geometry has no area; {ALLOWED}"
    if not _on_earth(found.bounds):
        west, south, east, north = found.bounds
        swapped = _on_earth((south, west, north, east))
        hint = "; latitude and longitude look swapped" if swapped else ""
        return f"its coordinates are no longitudes and latitudes in degrees{hint}"
    return within_180(found)


def _read(geometry: JsonMapping) -> BaseGeometry:
    """Return a valid geometry of polygons or a point; raise _UnusableError, or what shapely raises."""
    kind = geometry["type"]
    if kind in _OF_AREAS:
        shells: list[list[Any]] = list(_parts(geometry))
        if not any(rings for rings in shells):
            raise _UnusableError("its geometry is empty")
        polygons = []
        for rings in shells:
            # rings of fewer corners have no area
            corners = [_corners(ring) for ring in rings]
            if corners and len(corners[0]) >= _CORNERS_OF_A_RING:
                holes = [hole for hole in corners[1:] if len(hole) >= _CORNERS_OF_A_RING]
                shell = across_180(corners[0])
                polygons.append(Polygon(shell, [beside(shell, across_180(hole)) for hole in holes]))
        whole = polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
        if not whole.is_valid:
            # `structure` joins parts that overlap, `linework` would cut them out
            whole = shapely.make_valid(whole, method="structure", keep_collapsed=False)
        return polygons_of(whole)
    points: list[Any] = list(geometry["coordinates"]) if kind == "MultiPoint" else [geometry["coordinates"]]
    if kind not in ("Point", "MultiPoint") or len(points) > 1:
        raise _UnusableError(f"its geometry is a {kind}; {ALLOWED}")
    if not points or len(points[0]) == 0:
        raise _UnusableError("its geometry is empty")
    return Point(_corners(points)[0])


def _parts(geometry: JsonMapping) -> Iterator[list[Json]]:
    """Yield the rings of each polygon in a geometry, without the empty rings."""
    if geometry["type"] == "GeometryCollection":
        for member in geometry["geometries"]:
            if member["type"] in _OF_AREAS:
                yield from _parts(member)
        return
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    for rings in polygons:
        # holes without an outer ring count for nothing
        yield [ring for ring in rings if len(ring)] if len(rings) and len(rings[0]) else []


def _corners(ring: Sequence[Any]) -> NDArray[np.float64]:
    """Return the first two numbers of each corner, without heights, which only some corners may have."""
    try:
        corners = np.asarray(ring)
    except ValueError:  # corners with different counts of numbers
        corners = np.asarray([corner[:2] for corner in ring])
    if corners.dtype.kind not in "iuf" or corners.ndim != 2 or corners.shape[1] < 2:
        raise ValueError("not a list of pairs of numbers")
    flat = corners[:, :2].astype("float64")
    if not np.isfinite(flat).all():
        raise _UnusableError("a corner of its geometry is no number (NaN or infinite)")
    return flat


def polygons_of(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry as one geometry."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = [part for part in _flat(geometry) if part.geom_type == "Polygon" and not part.is_empty]
    return shapely.union_all(parts) if parts else MultiPolygon()


def _flat(geometry: BaseGeometry) -> Sequence[BaseGeometry]:
    if not hasattr(geometry, "geoms"):
        return [geometry]
    return [part for member in geometry.geoms for part in _flat(member)]


def _on_earth(bounds: tuple[float, float, float, float]) -> bool:
    west, south, east, north = bounds
    return west >= -360 and east <= 360 and south >= -90 and north <= 90


def looks_swapped(geometry: BaseGeometry, bbox: Sequence[float], margin: float = 1.0) -> bool:
    """Return whether latitude and longitude of a geometry look swapped.

    They do where it lies more than `margin` degrees outside the box in which all units should lie, but inside it
    with the two swapped. Returns False for a box across 180 degrees.
    """
    if len(bbox) not in (4, 6):
        return False
    half = len(bbox) // 2
    (west, south), (east, north) = bbox[:2], bbox[half : half + 2]
    if west > east:
        return False
    left, bottom, right, top = geometry.bounds
    beside = left > east + margin or right < west - margin or bottom > north + margin or top < south - margin
    return bool(beside and west <= bottom and top <= east and south <= left and right <= north)
