"""Geometries of organisation units, made usable for zonal statistics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.json_types import Json, JsonMapping
from eo_pygeoapi.pipeline.grids.antimeridian import within_180

ALLOWED = "allowed: Polygon, MultiPolygon, Point"
_OF_AREAS = ("Polygon", "MultiPolygon", "GeometryCollection")
_CORNERS_OF_A_RING = 3


class _UnusableError(Exception):
    """Why a geometry cannot be used, in words that follow the name of a unit."""


def usable_geometry(geometry: Any) -> BaseGeometry | str:
    """Return a valid Polygon, MultiPolygon or Point in two dimensions, or the reason why there is none.

    `geometry` is GeoJSON, or a geometry of shapely. Of each corner the first two numbers count; rings and parts
    without an area are dropped. Of invalid polygons the parts that overlap are joined and self-crossing rings are
    cut; of collections the polygons are kept. Longitudes beyond 180 degrees, which some write for what lies across,
    are counted back.
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
    kind = geometry["type"]
    if kind in _OF_AREAS:
        shells = list(_parts(geometry))
        if not any(rings for rings in shells):
            raise _UnusableError("its geometry is empty")
        polygons = [part for rings in shells if rings and (part := _polygon(rings))]
        return _valid(polygons[0] if len(polygons) == 1 else MultiPolygon(polygons))
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
        # what is cut out of nothing is nothing
        yield [ring for ring in rings if len(ring)] if len(rings) and len(rings[0]) else []


def _polygon(rings: Sequence[Any]) -> Polygon | None:
    """Return a polygon, None where its outer ring has no area for lack of corners."""
    shell, *holes = (_corners(ring) for ring in rings)
    if len(shell) < _CORNERS_OF_A_RING:
        return None
    return Polygon(shell, [hole for hole in holes if len(hole) >= _CORNERS_OF_A_RING])


def _corners(ring: Sequence[Any]) -> NDArray[np.float64]:
    """Return the first two numbers of each corner: heights, which some have and some have not, are left."""
    try:
        corners = np.asarray(ring)
    except ValueError:  # not all have as many numbers
        corners = np.asarray([corner[:2] for corner in ring])
    if corners.dtype.kind not in "iuf" or corners.ndim != 2 or corners.shape[1] < 2:
        raise ValueError("not a list of pairs of numbers")
    flat = corners[:, :2].astype("float64")
    if not np.isfinite(flat).all():
        raise _UnusableError("a corner of its geometry is no number (NaN or infinite)")
    return flat


def _valid(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry, valid; `structure` joins what overlaps, where `linework` would cut it out."""
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    return polygons_of(geometry)


def polygons_of(geometry: BaseGeometry) -> BaseGeometry:
    """Return what of a geometry has an area."""
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

    That is where it lies more than `margin` degrees beside the box in which everything should lie, and inside it the
    other way round. A box that goes across 180 degrees tells nothing.
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
