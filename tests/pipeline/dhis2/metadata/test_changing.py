"""What `--change` takes away from others, the importer keeps."""

from typing import Any

import pytest

from eo_pygeoapi.commands.dhis2.check import look
from tests.pipeline.dhis2.metadata.places import UNITS, Place, datasets, lines
from tests.standins.dhis2_metadata import DEFAULT_CATEGORY_COMBO

HAND_MADE: dict[str, Any] = {"id": "HandMade001", "code": "EO_DAILY", "name": "Daily", "shortName": "Daily"}
HAND_MADE |= {"periodType": "Daily", "categoryCombo": {"id": DEFAULT_CATEGORY_COMBO}, "expiryDays": 0}
HAND_MADE |= {"organisationUnits": [{"id": uid} for uid in UNITS]}


@pytest.mark.parametrize("readers", [[], ["Analysts"]])
def test_a_data_set_that_all_wrote_to_is_written_by_the_importer(place: Place, readers: list[str]) -> None:
    """What the importers could do as everybody could is theirs when everybody may no longer."""
    place.post(userGroups=[{"id": "Analysts001", "name": "Analysts", "users": []}])
    place.post(dataSets=[HAND_MADE | {"sharing": {"public": "rwrw----"}}])
    enabled = datasets(place, "rain")
    planned = lines(place.set_up(enabled, readers=readers))
    assert "change data set EO_DAILY: everybody may write values, which only group EO importers should" in planned, (
        planned
    )
    done = place.set_up(enabled, apply=True, change=True, readers=readers)
    assert done.problems == []
    sharing, group = place.object("dataSets", "EO_DAILY")["sharing"], place.object("userGroups", "EO_IMPORTERS")["id"]
    assert sharing["public"] == "rwr-----"
    assert {uid: entry["access"] for uid, entry in sharing["userGroups"].items()} == {group: "r-rw----"}
    assert place.set_up(enabled, readers=readers).steps == []
    assert {line.state for line in look("national", place.importer, list(enabled.values()))} == {"ok"}
