"""Geometries of organisation units, made usable for zonal statistics."""

from collections.abc import Sequence

import shapely
from shapely.geometry import MultiPolygon, shape
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.pipeline.grids.antimeridian import within_180

ALLOWED = "allowed: Polygon, MultiPolygon, Point"


def usable_geometry(geometry: object) -> BaseGeometry | str:
    """Return a valid Polygon, MultiPolygon or Point in two dimensions, or the reason why there is none.

    Of invalid polygons the parts that overlap are joined and self-crossing rings are cut; of collections the
    polygons are kept. Longitudes beyond 180 degrees, which some write for what lies across, are counted back.
    """
    if geometry is None:
        return "has no geometry"
    try:
        found = shapely.force_2d(shape(geometry))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return "its geometry is not readable GeoJSON"
    if found.is_empty:
        return "its geometry is empty"
    if found.geom_type in ("Polygon", "MultiPolygon", "GeometryCollection"):
        found = _polygons(found)
    elif found.geom_type == "MultiPoint" and len(found.geoms) == 1:
        found = found.geoms[0]
    elif found.geom_type != "Point":
        return f"its geometry is a {found.geom_type}; {ALLOWED}"
    if found.is_empty:
        return f"its geometry has no area; {ALLOWED}"
    if not _on_earth(found.bounds):
        return "its coordinates are no longitudes and latitudes in degrees"
    return within_180(found)


def _polygons(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry, valid; `structure` joins what overlaps, where `linework` would cut it out."""
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
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
