"""Units that get new boundaries, appear or go, and what of their values is computed anew."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.store.boundaries import boundary_changes, changed_units, in_words, note_boundaries
from eo_pygeoapi.store.store import ResultStore
from tests.store.results_data import publish, square, table, units

IMPORTED = ImportSummary(status="SUCCESS", dry_run=False, imported=1)
DAYS = ("20250701", "20250702")
RING = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
OTHER = [[5.0, 5.0], [6.0, 5.0], [6.0, 6.0], [5.0, 5.0]]


def polygon(ring: list[list[float]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path))


def job(store: ResultStore, number: int, squares: dict[str, float], days: tuple[str, ...] = DAYS) -> None:
    """Publish an import of these units, each a square at a place, on that day of August."""
    rows = [(unit, day, float(number)) for day in days for unit in squares]
    of = units({unit: square(x, 0) for unit, x in squares.items()})
    publish(store, f"job-{number}", table(rows), 24 * (number - 1), of, summary=IMPORTED, all_units=True)


def found(store: ResultStore) -> list[tuple[str, str, date]]:
    return [(change.what, change.org_unit, change.since) for change in boundary_changes(store, "rain")]


def test_nothing_has_changed_at_first_nor_when_all_stays_as_it_is(store: ResultStore) -> None:
    assert (boundary_changes(store, "rain"), changed_units(store, "rain")) == ([], set())
    job(store, 1, {"OuA": 0, "OuB": 2})
    job(store, 2, {"OuA": 0, "OuB": 2})
    assert (boundary_changes(store, "rain"), changed_units(store, "rain")) == ([], set())


def test_a_unit_with_new_boundaries_is_named_until_all_its_values_have_them(store: ResultStore) -> None:
    job(store, 1, {"OuA": 0, "OuB": 2})
    job(store, 2, {"OuA": 0.5, "OuB": 2}, DAYS[1:])
    job(store, 3, {"OuA": 0.5, "OuB": 2}, DAYS[1:])
    assert found(store) == [("changed", "OuA", date(2025, 8, 2))]
    assert changed_units(store, "rain") == {"OuA"}
    words = "1 unit has new boundaries since 2025-08-02"
    assert in_words(boundary_changes(store, "rain")) == [f"{words} (Unit OuA): backfill with units: changed"]
    assert in_words(boundary_changes(store, "rain"), brief=True) == [words]
    job(store, 4, {"OuA": 0.5, "OuB": 2}, DAYS[:1])
    assert (found(store), changed_units(store, "rain")) == ([], set())


def test_a_unit_that_appears_is_named_until_it_has_all_periods_and_one_that_goes_for_good(store: ResultStore) -> None:
    job(store, 1, {"OuA": 0, "OuB": 2})
    job(store, 2, {"OuA": 0, "OuC": 4}, DAYS[1:])
    assert found(store) == [("gone", "OuB", date(2025, 8, 2)), ("new", "OuC", date(2025, 8, 2))]
    assert changed_units(store, "rain") == set()
    assert in_words(boundary_changes(store, "rain")) == [
        "1 unit is new since 2025-08-02 (Unit OuC): backfill with only: missing",
        "1 unit is gone since 2025-08-02 (Unit OuB): the values stay in DHIS2",
    ]
    job(store, 3, {"OuA": 0, "OuC": 4})
    assert found(store) == [("gone", "OuB", date(2025, 8, 2))]
    job(store, 4, {"OuA": 0, "OuB": 2, "OuC": 4}, DAYS[1:])  # it is back
    assert found(store) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (polygon(RING), polygon([*RING[1:], RING[1]])),  # from another corner on
        (polygon(RING), polygon(RING[::-1])),
        (polygon(RING), {"type": "MultiPolygon", "coordinates": [[RING]]}),
        (polygon(RING), polygon([[-1e-7, 0.0], *RING[1:4], [-1e-7, 0.0]])),
        (polygon(RING), polygon([[*corner, 12.0] for corner in RING])),
        (
            {"type": "MultiPolygon", "coordinates": [[RING], [OTHER]]},
            {"type": "MultiPolygon", "coordinates": [[OTHER], [RING]]},
        ),
    ],
)
def test_an_outline_that_is_written_another_way_is_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    known = units({"a": one, "b": other, "c": square(0.5, 0)})
    assert known["a"].geometry_key == known["b"].geometry_key != known["c"].geometry_key


def test_a_unit_with_new_boundaries_that_lacks_a_period_has_only_values_of_them(store: ResultStore) -> None:
    job(store, 1, {"OuA": 0, "OuB": 2})
    job(store, 2, {"OuB": 2}, ("20250703",))
    job(store, 3, {"OuA": 0.5, "OuB": 2})
    assert "changed" not in {what for what, _, _ in found(store)}


def test_a_unit_whose_outline_cannot_be_used_is_not_gone(store: ResultStore) -> None:
    job(store, 1, {"OuA": 0, "OuB": 2})
    now = units({"OuA": square(0, 0)})
    note_boundaries(store, "rain", now, date(2025, 8, 2), unusable=["OuB"])
    assert found(store) == []
    note_boundaries(store, "rain", now, date(2025, 8, 3))
    assert found(store) == [("gone", "OuB", date(2025, 8, 3))]
