"""The likely reason of a difference between what DHIS2 holds and what it was sent."""

import pytest

from eo_pygeoapi.contract.models import Likely
from eo_pygeoapi.pipeline.dhis2.differing import SentToCell, difference
from eo_pygeoapi.pipeline.dhis2.facts import Facts, User
from eo_pygeoapi.pipeline.dhis2.stored import Held

FACTS = Facts(
    user=User("importer", capture_roots=frozenset({"Country0001"})),
    element={"valueType": "INTEGER"},
    units={"a": {"id": "UnitA000001", "path": "/Country0001/UnitA000001"}},
)


CELL = ("a", "20250701", "")


@pytest.mark.parametrize(
    ("held", "likely"),
    [
        (Held("10", "importer"), "rounded"),
        (Held("10"), "rounded"),
        (Held("10", "a person"), "changed"),
        (Held("11", "importer"), "changed"),
        (Held("10.4", "a person", deleted=True), "deleted"),
        (None, "never arrived"),
    ],
)
def test_a_reason_fits_who_stored_what(held: Held | None, likely: Likely) -> None:
    found = difference(SentToCell(CELL, ["10.4"]), {CELL: held} if held else {}, FACTS)
    assert found is not None and found.likely == likely
