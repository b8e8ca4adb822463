"""Odd geometries in every combination: a unit has its area or is listed, and none takes another's away."""

from typing import Any

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box
from shapely.ops import unary_union

from eo_pygeoapi.pipeline.grids.geometry import usable_geometry
from eo_pygeoapi.pipeline.zonal import coverage_weights
from tests.pipeline import made

CORNERS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=6)
ODD_NUMBERS = st.sampled_from([float("nan"), float("inf"), None, "4", True, [1], 1e30, 10**30])
ODD_RINGS: st.SearchStrategy[Any] = st.sampled_from([[], None, [[]], [[1]], [[1, 2]], "ring", 7])


@st.composite
def rings(draw: st.DrawFn) -> Any:
    """A ring, closed or not, whose corners have two numbers, three or four, in any mix."""
    corners = draw(CORNERS)
    more = [draw(st.lists(st.floats(allow_nan=True), max_size=2)) for _ in corners]
    ring: Any = [[*corner, *extra] for corner, extra in zip(corners, more, strict=True)]
    if draw(st.booleans()) and ring:
        ring.append(ring[0])
    return ring


@st.composite
def geometries(draw: st.DrawFn) -> Any:
    """A geometry of any type, some of whose members are not what they should be."""
    ring = rings() | ODD_RINGS
    polygon = st.lists(ring, max_size=3)
    of_kind = {
        "Point": st.lists(st.integers(-200, 200) | ODD_NUMBERS, max_size=4),
        "MultiPoint": st.lists(st.lists(st.integers(0, 8) | ODD_NUMBERS, max_size=3), max_size=2),
        "LineString": rings(),
        "Polygon": polygon | ODD_RINGS,
        "MultiPolygon": st.lists(polygon | ODD_RINGS, max_size=3) | ODD_RINGS,
    }
    kind = draw(st.sampled_from([*of_kind, "GeometryCollection", "Circle", None]))
    if kind == "GeometryCollection":
        return {"type": kind, "geometries": draw(st.lists(geometries(), max_size=2) | ODD_RINGS)}
    coordinates = draw(of_kind.get(str(kind), st.none()))
    return draw(st.sampled_from([{"type": kind, "coordinates": coordinates}] * 9 + [{"type": kind}, kind, None]))


@settings(max_examples=400, deadline=None)
@given(geometry=geometries())
def test_a_geometry_can_be_weighed_or_the_reason_is_said(geometry: Any) -> None:
    found = usable_geometry(geometry)
    if isinstance(found, str):
        assert found.startswith(("has ", "its ", "a corner of its "))
        return
    assert found.geom_type in ("Polygon", "MultiPolygon", "Point") and found.is_valid and not found.is_empty
    assert not found.has_z and np.isfinite(shapely.get_coordinates(found)).all()
    assert not shapely.is_empty(shapely.get_parts(found)).any()
    grid = made.grid(np.zeros((1, 9, 9)))
    weights = coverage_weights(grid, made.units({"odd": found, "plain": box(0, 0, 1, 1)}))
    assert weights.indptr.size == 3


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 3)), min_size=1, max_size=4),
    empty=st.lists(st.sampled_from([[], [[]], [[], []], [[[1, 1]]], [[[0, 0], [9, 9]]]]), max_size=3),
    extra=st.lists(st.lists(st.floats(), max_size=2), min_size=5, max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_what_is_empty_or_too_much_takes_nothing_away(
    parts: list[tuple[int, int, int]], empty: list[Any], extra: list[list[float]], order: Any
) -> None:
    boxes = [box(x, y, x + size, y + size) for x, y, size in parts]
    written: list[Any] = [
        [[[*corner, *more] for corner, more in zip(one.exterior.coords, extra, strict=True)]] for one in boxes
    ]
    written += empty
    order.shuffle(written)
    found = usable_geometry({"type": "MultiPolygon", "coordinates": written})
    assert not isinstance(found, str)
    assert found.symmetric_difference(unary_union(boxes)).area == 0


@settings(max_examples=200, deadline=None)
@given(
    corner=st.integers(0, 3), axis=st.integers(0, 1), value=st.sampled_from([float("nan"), float("inf"), -float("inf")])
)
def test_a_corner_that_is_no_number_is_never_half_a_polygon(corner: int, axis: int, value: float) -> None:
    ring = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]]
    ring[corner][axis] = value
    assert usable_geometry({"type": "Polygon", "coordinates": [ring]}) == (
        "a corner of its geometry is no number (NaN or infinite)"
    )


@settings(max_examples=200, deadline=None)
@given(west=st.floats(-360, 350), width=st.floats(0.001, 10))
def test_what_is_counted_back_has_the_same_area_and_no_lines(west: float, width: float) -> None:
    found = usable_geometry(box(west, 0, west + width, 1))
    assert not isinstance(found, str)
    assert found.geom_type in ("Polygon", "MultiPolygon") and abs(found.area - width) < 1e-6
    assert -180 <= found.bounds[0] and found.bounds[2] <= 180


def test_geometries_of_shapely_are_taken_as_they_are() -> None:
    assert usable_geometry(Point(1, 2, 3)).equals(Point(1, 2))  # type: ignore[union-attr]
    assert usable_geometry(Polygon()) == "its geometry is empty"
