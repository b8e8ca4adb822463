"""Boundaries that have changed: which units have another outline than their older values were computed with.

    boundaries/{datasetId}.json         the units of the last job that was for all units, and what changed when
    boundaries/{datasetId}-behind.json  which of them have values of other boundaries, by the files that were looked at

Every published value names the outline of its unit that it was computed with. A unit that is gone keeps its values,
here and in DHIS2.
"""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pydantic import BaseModel

from eo_pygeoapi.contract.operations import BoundaryChange
from eo_pygeoapi.store.counted import counted
from eo_pygeoapi.store.features import Unit
from eo_pygeoapi.store.published import LATEST, Files, local_paths, read_files, workshop
from eo_pygeoapi.store.store import ResultStore

_LISTED = 3


class _Known(BaseModel):
    """A unit as the last job for all units found it; `since` is when its outline changed, or when it appeared."""

    name: str
    geometry: str
    since: date | None = None
    is_new: bool = False


class _Gone(BaseModel):
    name: str
    since: date


class _Boundaries(BaseModel):
    units: dict[str, _Known] = {}
    gone: dict[str, _Gone] = {}

    @classmethod
    def of(cls, store: ResultStore, dataset_id: str) -> Self | None:
        kept = store.read_json(_key(dataset_id), default=None)
        return cls.model_validate(kept) if kept else None


class _Behind(BaseModel):
    """The units with values of other boundaries, and new ones with fewer periods than others."""

    units: list[str]


def note_boundaries(
    store: ResultStore, dataset_id: str, units: Mapping[str, Unit], today: date, unusable: Collection[str] = ()
) -> None:
    """Note the units of a job that was for all units of a dataset. Raises ResultsError.

    The `unusable` are there too, but have no outline that can be used now: they stay as they were known.
    """
    before = _Boundaries.of(store, dataset_id)
    now = {id_: _Known(name=unit.name, geometry=unit.geometry_key or "") for id_, unit in units.items()}
    gone: dict[str, _Gone] = {}
    if before is not None:
        for id_, unit in now.items():
            known = before.units.get(id_)
            if known is None:
                now[id_] = unit.model_copy(update={"since": today, "is_new": id_ not in before.gone})
            elif known.geometry == unit.geometry:
                now[id_] = unit.model_copy(update={"since": known.since, "is_new": known.is_new})
            else:
                now[id_] = unit.model_copy(update={"since": today})
        now = {id_: unit for id_, unit in before.units.items() if id_ in unusable} | now
        left = {id_: _Gone(name=unit.name, since=today) for id_, unit in before.units.items() if id_ not in now}
        gone = {id_: unit for id_, unit in (left | before.gone).items() if id_ not in now}
    found = _Boundaries(units=now, gone=gone)
    if found != before:
        store.write_json(_key(dataset_id), found.model_dump(mode="json"))


def unit_count(store: ResultStore, dataset_id: str) -> int:
    """Return how many units the last job that was for all units found; 0 where there was none. Raises ResultsError."""
    known = _Boundaries.of(store, dataset_id)
    return len(known.units) if known else 0


def changed_units(store: ResultStore, dataset_id: str) -> set[str]:
    """Return the units of which values are published that were computed with other boundaries. Raises ResultsError."""
    known = _Boundaries.of(store, dataset_id)
    if known is None:
        return set()
    changed = {id_ for id_, unit in known.units.items() if unit.since and not unit.is_new}
    return changed & _behind(store, dataset_id, known)


def boundary_changes(store: ResultStore, dataset_id: str) -> list[BoundaryChange]:
    """Return the units with new boundaries or that are new, as long as values lack for these, and those that are gone.

    Raises ResultsError.
    """
    known = _Boundaries.of(store, dataset_id)
    if known is None:
        return []
    behind = _behind(store, dataset_id, known)
    found = [
        BoundaryChange(org_unit=id_, name=unit.name, what="new" if unit.is_new else "changed", since=unit.since)
        for id_, unit in known.units.items()
        if unit.since and id_ in behind
    ]
    found += [
        BoundaryChange(org_unit=id_, name=gone.name, what="gone", since=gone.since) for id_, gone in known.gone.items()
    ]
    return sorted(found, key=lambda change: (change.what, change.name, change.org_unit))


def in_words(changes: Collection[BoundaryChange], *, brief: bool = False) -> list[str]:
    """Say what has changed: `3 units have new boundaries since 2026-03-01`; unless `brief`, which, and what then."""
    said = []
    for what, one, several, then in (
        ("changed", "unit has new boundaries", "units have new boundaries", "backfill with units: changed"),
        ("new", "unit is new", "units are new", "backfill with only: missing"),
        ("gone", "unit is gone", "units are gone", "the values stay in DHIS2"),
    ):
        some = [change for change in changes if change.what == what]
        if some:
            since = min(change.since for change in some)
            names = ", ".join(change.name for change in some[:_LISTED]) + (" …" if len(some) > _LISTED else "")
            words = f"{len(some)} {one if len(some) == 1 else several} since {since}"
            said.append(words if brief else f"{words} ({names}): {then}")
    return said


def _behind(store: ResultStore, dataset_id: str, known: _Boundaries) -> set[str]:
    """Return which of the changed and new units lack values for their present boundaries; kept while that is so."""
    asked = {id_: unit for id_, unit in known.units.items() if unit.since}
    if not asked:
        return set()
    of_units = sorted(f"{id_} {unit.geometry} {unit.is_new}" for id_, unit in asked.items())

    def look(files: Files) -> set[str]:
        def count() -> _Behind:
            return _Behind(units=sorted(_units_behind(store, dataset_id, files, asked)))

        key = _key(dataset_id, "-behind")
        return set(counted(store, key, [*of_units, *files.keys()], _Behind, count).units)

    return read_files(store, dataset_id, look)


def _units_behind(store: ResultStore, dataset_id: str, files: Files, asked: Mapping[str, _Known]) -> set[str]:
    keys = [key for keys in files.values.values() for key in keys]
    if not keys:
        return set()
    with workshop(dataset_id) as (connection, copies):
        paths = local_paths(store, keys, Path(copies))
        connection.execute(
            """CREATE TEMP TABLE asked AS SELECT unnest($ids::VARCHAR[]) AS "orgUnit", unnest($keys::VARCHAR[]) AS now,
                unnest($new::BOOLEAN[]) AS is_new""",
            {
                "ids": list(asked),
                "keys": [unit.geometry for unit in asked.values()],
                "new": [unit.is_new for unit in asked.values()],
            },
        )
        query = f"""WITH rows AS (SELECT "orgUnit", geometry, start FROM read_parquet($paths)
                WHERE "orgUnit" IN (SELECT "orgUnit" FROM asked) {LATEST}),
            every AS (SELECT count(DISTINCT period) AS periods FROM read_parquet($paths) WHERE start IS NOT NULL)
            SELECT "orgUnit" FROM asked LEFT JOIN rows USING ("orgUnit")
            GROUP BY "orgUnit", now, is_new
            HAVING count(*) FILTER (start IS NOT NULL AND geometry IS DISTINCT FROM now) > 0
                OR (is_new AND count(start) < (SELECT periods FROM every))"""
        return {unit for (unit,) in connection.execute(query, {"paths": paths}).fetchall()}


def _key(dataset_id: str, suffix: str = "") -> str:
    return f"boundaries/{quote(dataset_id, safe='')}{suffix}.json"
