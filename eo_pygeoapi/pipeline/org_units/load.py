"""Step 2: load the organisation units from a request's features, a GeoJSON file or DHIS2.

Lists units without a usable geometry as left out; they never fail the others.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

import geopandas as gpd
import pandas as pd
from pydantic import Field
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.contract.models import ImportInputs, LeftOut, Model
from eo_pygeoapi.datasets.block import OrgUnitsFromDhis2, OrgUnitsFromGeoJSON
from eo_pygeoapi.datasets.validate import Execution
from eo_pygeoapi.errors import OrgUnitsError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.dhis2.client import UID, Connect, Dhis2
from eo_pygeoapi.pipeline.dhis2.facts import User
from eo_pygeoapi.pipeline.dhis2.readiness import refuse_not_ready
from eo_pygeoapi.pipeline.grids.antimeridian import box_around
from eo_pygeoapi.pipeline.grids.geometry import looks_swapped, usable_geometry
from eo_pygeoapi.pipeline.org_units.geojson import Area, read_features, read_geojson
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import how_to_connect
from eo_pygeoapi.store.features import Unit, units_of
from eo_pygeoapi.wording import counted, some

NAMED = 10  # a message names so many


@dataclass(frozen=True, eq=False)
class OrgUnits:
    """Organisation units with a geometry, and a list of those without.

    `frame` has the columns `orgUnit` (str), `name` (str), `level` (Int64, may be NA) and `geometry` (valid Polygon,
    MultiPolygon or Point, EPSG:4326), and the index 0..n-1. No `orgUnit` occurs twice. `others` are the ids that the
    request names and that are not among the dataset's own units.
    """

    frame: gpd.GeoDataFrame
    left_out: list[LeftOut]
    others: list[str] = field(default_factory=list)


class LoadedUnits(Model):
    """The box, number and left-out ones of organisation units, so that later steps need not read the units."""

    bbox: Annotated[tuple[float, float, float, float], Field(strict=False)] = Field(
        description="west, south, east, north; not strict, because JSON turns a tuple into a list"
    )
    left_out: list[LeftOut]
    count: int = 0
    others: list[str] = Field([], description="ids in the request that are not among the dataset's own units")

    @classmethod
    def of(cls, units: OrgUnits) -> Self:
        """Return the box of these units, their number, and those left out."""
        return cls(bbox=bbox(units), left_out=units.left_out, count=len(units.frame), others=units.others)

    def in_words(self) -> str:
        """Return how many units have a usable geometry, and how many were left out."""
        left_out = f"; left out: {some([entry.org_unit for entry in self.left_out])}" if self.left_out else ""
        return f"{counted(self.count, 'organisation unit')}{left_out}"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles: outlines are millions of lists, which it goes through."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_collection()
def load_org_units(execution: Execution, connect: Connect | None) -> OrgUnits:
    """Load the units that the request names, or else the dataset's own.

    A request's features come first. Its ids, levels and parent choose from the dataset's file, or from DHIS2 where
    the dataset has no file; ids choose alone, levels and parent replace those of the dataset. `connect` opens the
    dataset's DHIS2 connection, None where it has none. Raises OrgUnitsError for units that do not exist and where
    none has a geometry, and Dhis2Error.
    """
    inputs, source, box = execution.inputs, execution.dataset.org_units, execution.dataset.bbox
    if inputs.features:
        return _org_units(*read_features(inputs.features, "input features"), box)
    if isinstance(source, OrgUnitsFromGeoJSON):
        named = redact(source.href)
        document = read_geojson(execution.dataset.resolve(source.href), named)
        areas, left_out = read_features(document, named, source.id, source.name)
        return _org_units(_chosen(areas, inputs, named), left_out, box)
    if connect is None:
        name = execution.dataset.dhis2.connection
        raise OrgUnitsError(
            f"the organisation units of dataset {execution.dataset.id!r} come from the DHIS2 connection {name!r}, "
            f"which this server does not have; {how_to_connect(name)}"
        )
    own = source or OrgUnitsFromDhis2(source="dhis2")
    with connect() as dhis2:
        units = _org_units(_asked_of(dhis2, inputs, own), [], box)
        return replace(units, others=_others(dhis2, inputs.org_unit_ids, own))


def to_publish(frame: gpd.GeoDataFrame) -> dict[str, Unit]:
    """Return units by their ids, with their outlines as they are published."""
    levels = (None if pd.isna(level) else int(level) for level in frame["level"])
    return units_of(frame["orgUnit"], frame["name"], levels, frame.geometry.to_numpy())


def bbox(units: OrgUnits) -> tuple[float, float, float, float]:
    """Return the box around all units: west, south, east, north, in degrees; west > east across 180 degrees."""
    return box_around(units.frame.geometry.to_numpy())


def _org_units(areas: Sequence[Area], left_out: Sequence[LeftOut], box: Sequence[float]) -> OrgUnits:
    """Keep the areas with a usable geometry and list the others; raise OrgUnitsError where none is left.

    `left_out` lists others already, and `box` is that of the collection, in which all areas should lie.
    """
    found: list[tuple[Area, BaseGeometry | str]] = []
    for area in areas:
        geometry = usable_geometry(area.geometry)
        if not isinstance(geometry, str) and looks_swapped(geometry, box):
            place = ", ".join(f"{edge:g}" for edge in geometry.bounds)
            geometry = (
                f"latitude and longitude of its geometry look swapped: it lies in {place} (west, south, east, north), "
                "beside the collection's bbox, and the other way round in it"
            )
        found.append((area, geometry))
    unusable = [LeftOut(org_unit=area.id, reason=reason) for area, reason in found if isinstance(reason, str)]
    kept = [(area, geometry) for area, geometry in found if not isinstance(geometry, str)]
    if not kept:
        reasons = sorted({entry.reason for entry in unusable})
        raise OrgUnitsError(f"none of {len(areas)} organisation units can be used: {'; '.join(reasons)}")
    frame = gpd.GeoDataFrame(
        {
            "orgUnit": [area.id for area, _ in kept],
            "name": [area.name for area, _ in kept],
            "level": pd.array([area.level for area, _ in kept], dtype="Int64"),
        },
        geometry=[geometry for _, geometry in kept],
        crs="EPSG:4326",
    )
    return OrgUnits(frame, [*left_out, *unusable])


def _chosen(areas: list[Area], inputs: ImportInputs, named: str) -> list[Area]:
    """Return the areas of a file with the request's ids, or its levels and parent."""
    if inputs.org_unit_ids:
        wanted = set(inputs.org_unit_ids)
        _refuse_unknown(inputs.org_unit_ids, {area.id for area in areas}, named)
        return [area for area in areas if area.id in wanted]
    if levels := inputs.org_unit_level:
        _refuse_missing_levels(levels, {area.level: "" for area in areas if area.level}, named)
        areas = [area for area in areas if area.level in levels]
    if parent := inputs.parent_org_unit:
        if not any(area.ancestors for area in areas):
            raise OrgUnitsError(f"{named} does not say below which units its units are; give orgUnitIds instead")
        areas = [area for area in areas if parent in area.ancestors and area.id != parent]
    if not areas:
        raise _none(levels, parent, "", named)
    return areas


def _asked_of(dhis2: Dhis2, inputs: ImportInputs, source: OrgUnitsFromDhis2) -> list[Area]:
    """Ask DHIS2 for the units of the request; levels and parent that it leaves open are the dataset's."""
    if inputs.org_unit_ids:
        ids = [id_ for id_ in dict.fromkeys(inputs.org_unit_ids) if UID.fullmatch(id_)]
        found = dhis2.org_units(ids=ids) if ids else []
        if ids and not found:
            refuse_not_ready(dhis2, User.of(dhis2.me()))
        _refuse_unknown(inputs.org_unit_ids, {unit["id"] for unit in found}, "DHIS2")
        return _areas(found)
    levels = inputs.org_unit_level or source.level
    parent = inputs.parent_org_unit or source.parent
    for name, uid in (("parentOrgUnit", parent), ("orgUnits.group", source.group)):
        if uid and not UID.fullmatch(uid):
            raise OrgUnitsError(f"{name}: {uid!r} is no UID; allowed: a letter, then 10 letters or digits")
    found = dhis2.org_units(levels, parent, source.group)
    if not found:
        refuse_not_ready(dhis2, User.of(dhis2.me()))
    if not found and parent:
        _refuse_unknown([parent], {unit["id"] for unit in dhis2.org_units(ids=[parent])}, "DHIS2")
    if empty := sorted(set(levels) - {unit["level"] for unit in found}):
        _refuse_missing_levels(empty, dhis2.levels(), "DHIS2")
    if empty or not found:
        raise _none(empty, parent, source.group, "DHIS2")
    return _areas(found)


def _others(dhis2: Dhis2, ids: Sequence[str], own: OrgUnitsFromDhis2) -> list[str]:
    """Return which of these units are not among the dataset's own; it has none of its own that says nothing of them."""
    if not ids or not (own.level or own.parent or own.group):
        return []
    among = {unit["id"] for unit in dhis2.org_units(own.level, own.parent, own.group, list(dict.fromkeys(ids)), "id")}
    return sorted(set(ids) - among)


def _areas(found: Sequence[JsonObject]) -> list[Area]:
    """Return DHIS2's units as areas, sorted, because DHIS2 has no fixed order."""
    ordered = sorted(found, key=lambda unit: (unit.get("level", 0), unit["id"]))
    return [
        Area(
            id=unit["id"],
            name=str(unit.get("name", unit["id"])),
            level=unit.get("level"),
            geometry=unit.get("geometry"),
        )
        for unit in ordered
    ]


def _refuse_unknown(ids: Sequence[str], known: set[str], named: str) -> None:
    unknown = [id_ for id_ in ids if id_ not in known]
    if unknown:
        raise OrgUnitsError(f"{named} has no organisation unit {some(unknown, NAMED)}")


def _refuse_missing_levels(levels: Sequence[int], known: dict[int, str], named: str) -> None:
    missing = [str(level) for level in levels if level not in known]
    if missing:
        existing = ", ".join(f"{level} {known[level]}".strip() for level in sorted(known)) or "none"
        raise OrgUnitsError(f"{named} has no organisation unit level {', '.join(missing)} (levels: {existing})")


def _none(levels: Sequence[int], parent: str, group: str, named: str) -> OrgUnitsError:
    where = [
        f" of level {' or '.join(map(str, levels))}" if levels else "",
        f" below {parent}" if parent else "",
        f" in group {group}" if group else "",
    ]
    return OrgUnitsError(f"{named} has no organisation units{''.join(where)}")
