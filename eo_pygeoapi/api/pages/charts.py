"""A map and a line chart as SVG text, drawn on the server: no script, no tiles, nothing from other hosts."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import shapely
from markupsafe import escape

from eo_pygeoapi.json_types import JsonMapping

# light to dark, readable for the colour-blind and in print
COLOURS = ("#ffffd9", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#0c2c84")
NO_VALUE = "#e3e3e3"
MAP_SIZE = 560
CHART_WIDTH, CHART_HEIGHT = 760, 240
_LEFT, _BOTTOM, _TOP, _RIGHT = 60, 34, 12, 12
_POINT_RADIUS = 5
_MOST_TICKS, _MOST_LABELS = 6, 6
_LABEL_WIDTH = 105  # of `30 September 2025`


@dataclass(frozen=True)
class Area:
    """A unit on the map."""

    org_unit: str
    name: str
    geometry: JsonMapping | None
    value: float | None


@dataclass(frozen=True)
class LegendEntry:
    """A colour and the values that it stands for."""

    colour: str
    label: str


def legend(values: Sequence[float]) -> list[LegendEntry]:
    """Return the colours of a map and what they stand for."""
    edges = class_edges(values)
    if len(edges) == 2 and edges[0] == edges[1]:
        return [LegendEntry(COLOURS[_colour(0, 1)], number(edges[0]))]
    return [
        LegendEntry(COLOURS[_colour(i, len(edges) - 1)], f"{step_label(low, edges)} to {step_label(high, edges)}")
        for i, (low, high) in enumerate(pairwise(edges))
    ]


def class_edges(values: Sequence[float]) -> list[float]:
    """Return the edges of the classes of a map: equal, round steps; one class where all values are the same."""
    if not values:
        return []
    low, high = min(values), max(values)
    if low == high:
        return [low, high]
    return round_steps(low, high, len(COLOURS))


def round_steps(low: float, high: float, most: int) -> list[float]:
    """Return numbers from `low` or less to `high` or more, a step of 1, 2, 2.5 or 5 (times ten) apart.

    There are at most `most` steps, and at least one.
    """
    power = Decimal(10) ** (Decimal((high - low) / most).adjusted())
    for factor in ("1", "2", "2.5", "5", "10", "20"):
        step = Decimal(factor) * power
        first, last = math.floor(Decimal(low) / step), math.ceil(Decimal(high) / step)
        if last - first <= most:
            return [float(step * n) for n in range(first, last + 1)]
    raise AssertionError("twenty times a tenth of a step is more than a step")


def choropleth(areas: Sequence[Area], title: str, href: str) -> str:
    """Draw the areas, coloured by value; each links to its chart at `href` with the unit's id appended.

    Without `href` the areas are no links. There is no map of a single point.
    """
    shapes = {area.org_unit: shape for area in areas if (shape := _shape(area.geometry)) is not None}
    if not shapes:
        return ""
    west, south, east, north = shapely.total_bounds(np.array(list(shapes.values())))
    if (west, south) == (east, north):
        return ""
    narrow = math.cos(math.radians((south + north) / 2)) or 1.0
    width, height = max((east - west) * narrow, 1e-6), max(north - south, 1e-6)
    scale = (MAP_SIZE - 2 * _POINT_RADIUS) / max(width, height)
    edges = class_edges([area.value for area in areas if area.value is not None])

    def project(points: Any) -> object:
        x = (points[:, 0] - west) * narrow * scale + _POINT_RADIUS
        return np.column_stack([x, (north - points[:, 1]) * scale + _POINT_RADIUS])

    drawn = ""
    for area in areas:
        if area.org_unit not in shapes:
            continue
        data = _path_data(shapely.transform(shapes[area.org_unit], project))
        said = f"{area.name}: {number(area.value) if area.value is not None else 'no value'}"
        path = f'<path fill-rule="evenodd" fill="{_fill(area.value, edges)}" d="{data}">'
        path += f"<title>{escape(said)}</title></path>"
        drawn += f'<a href="{escape(href + area.org_unit)}">{path}</a>' if href else path
    size = f"{width * scale + 2 * _POINT_RADIUS:.0f} {height * scale + 2 * _POINT_RADIUS:.0f}"
    role = "group" if href else "img"  # an image has no links in it
    return f'<svg class="map" viewBox="0 0 {size}" role="{role}" aria-label="{escape(title)}">{drawn}</svg>'


def line_chart(labels: Sequence[str], values: Sequence[float | None], title: str) -> str:
    """Draw a line through values in time; it breaks where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    if low == high:
        around = max(1.0, abs(low) / 20)
        low, high = low - around, high + around
    steps = round_steps(low, high, _MOST_TICKS)
    low, high = steps[0], steps[-1]
    inner_width, inner_height = CHART_WIDTH - _LEFT - _RIGHT, CHART_HEIGHT - _TOP - _BOTTOM

    def x(index: int) -> float:
        return _LEFT + (inner_width * index / (len(values) - 1) if len(values) > 1 else inner_width / 2)

    def y(value: float) -> float:
        return _TOP + inner_height * (high - value) / (high - low)

    ticks = "".join(
        f'<line x1="{_LEFT}" x2="{CHART_WIDTH - _RIGHT}" y1="{y(step):.1f}" y2="{y(step):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(step) + 4:.1f}" text-anchor="end">{step_label(step, steps)}</text>'
        for step in steps
    )
    marks = _marks(labels, x)
    lines = "".join(
        f'<polyline points="{" ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in run if value is not None)}"/>'
        for is_known, run in groupby(enumerate(values), key=lambda pair: pair[1] is not None)
        if is_known
    )
    dots = "".join(
        f'<circle cx="{x(i):.1f}" cy="{y(v):.1f}" r="2.5"><title>{escape(labels[i])}: {number(v)}</title></circle>'
        for i, v in enumerate(values)
        if v is not None
    )
    box = f'viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" role="img" aria-label="{escape(title)}"'
    return f'<svg class="chart" {box}>{ticks}{marks}{lines}{dots if len(values) <= 400 else ""}</svg>'


def _marks(labels: Sequence[str], x: Callable[[int], float]) -> str:
    """Draw some of the labels below the chart, the first and the last among them."""
    last = len(labels) - 1
    most = min(_MOST_LABELS, len(labels))
    places = sorted({round(i * last / (most - 1)) for i in range(most)}) if most > 1 else range(len(labels))
    if len(places) > 2 and x(last) - x(places[-2]) < _LABEL_WIDTH * 1.5:  # the last one is written to the left
        places = [*places[:-2], last]
    return "".join(
        # the last label would not fit in the middle
        f'<text x="{x(i):.0f}" y="{CHART_HEIGHT - 10}" text-anchor="{"end" if i == last > 0 else "middle"}">'
        f"{escape(labels[i])}</text>"
        for i in places
    )


def step_label(value: float, steps: Sequence[float]) -> str:
    """Write one of equal steps, with the decimals that tell it from its neighbours."""
    between = Decimal(repr(steps[1])) - Decimal(repr(steps[0]))
    exponent = between.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return f"{value:,.{max(0, -exponent)}f}"


def number(value: float, decimals: int | None = None) -> str:
    """Write a number for people: with the decimals of its dataset, or as many digits as tell it apart."""
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _shape(geometry: JsonMapping | None) -> object:
    if not geometry:
        return None
    shape = shapely.from_geojson(json.dumps(geometry))
    if shape.is_empty:
        return None
    west, south, east, north = shape.bounds
    # what is smaller than a pixel is not seen
    return shapely.simplify(shape, max(east - west, north - south) / MAP_SIZE, preserve_topology=False) or shape


def _path_data(shape: Any) -> str:
    if shape.geom_type in ("Point", "MultiPoint"):
        r = _POINT_RADIUS
        centres = shapely.get_coordinates(shape)
        return "".join(f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0Z" for x, y in centres)
    return "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in shapely.get_coordinates(ring)) + "Z"
        for polygon in shapely.get_parts(shape)
        for ring in shapely.get_rings(polygon)
    )


def _fill(value: float | None, edges: Sequence[float]) -> str:
    if value is None or not edges:
        return NO_VALUE
    classes = len(edges) - 1
    index = next((i for i in range(classes) if value <= edges[i + 1]), classes - 1)
    return COLOURS[_colour(index, classes)]


def _colour(index: int, classes: int) -> int:
    return index if classes > 1 else len(COLOURS) // 2
