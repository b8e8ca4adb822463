"""Outlines of units as GeoJSON text: a cache of them, a search by box, and a simplification for maps."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from eo_pygeoapi.store.features import COORDINATE_DECIMALS

METRES_PER_DEGREE = 111_320.0
Box = tuple[float, float, float, float]  # west, south, east, north


class Kept[V]:
    """A cache of values by key: it keeps the last used ones, as many as are not larger than `most` together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._found: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> V | None:
        """Return a value, or None where the cache does not hold it."""
        with self._lock:
            if key not in self._found:
                return None
            self._found.move_to_end(key)
            return self._found[key][0]

    def put(self, key: str, value: V, size: int) -> None:
        """Keep a value of this size, and drop the least recently used ones."""
        with self._lock:
            if key in self._found:
                self._size -= self._found.pop(key)[1]
            self._found[key] = value, size
            self._size += size
            while self._size > self._most and len(self._found) > 1:
                self._size -= self._found.popitem(last=False)[1][1]


def touching(shapes: Mapping[str, Any], boxes: Sequence[Box]) -> list[str]:
    """Return the keys of the shapes that have a point in common with one of the boxes."""
    areas = [shapely.box(*box) for box in boxes]
    return [key for key, shape in shapes.items() if any(shapely.intersects(shape, area) for area in areas)]


def coarser(outlines: Mapping[str, str], levels: Sequence[Sequence[str]], metres: float) -> dict[str, str]:
    """Return outlines without the corners that change them by less than about `metres`.

    `levels` are the keys of outlines that are simplified together, so that neighbours go on touching.
    """
    found = dict(outlines)
    for keys in levels:
        shapes = shapely.from_geojson(np.array([outlines[key] for key in keys], dtype=object))
        areas = np.isin(shapely.get_type_id(shapes), (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
        if not areas.any():
            continue
        bounds = shapely.total_bounds(shapes[areas])
        # a degree of longitude is as long as one of latitude times this
        narrowing = max(math.cos(math.radians((bounds[1] + bounds[3]) / 2)), 0.01)
        scaled = _times(shapes[areas], narrowing)
        coarse = shapely.coverage_simplify(scaled, metres / METRES_PER_DEGREE)
        shapes[areas] = shapely.transform(_times(coarse, 1 / narrowing), lambda c: np.round(c, COORDINATE_DECIMALS))
        found |= zip(keys, shapely.to_geojson(shapes).tolist(), strict=True)
    return found


def _times(shapes: NDArray[Any], factor: float) -> NDArray[Any]:
    """Return shapes with their longitudes multiplied."""
    scaled: NDArray[Any] = shapely.transform(shapes, lambda c: c * [factor, 1.0])
    return scaled
