"""Which types and levels of a data element fit a dataset; and the small parts of a plan."""

from datetime import date
from typing import Any

import pytest

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.client import UID
from eo_pygeoapi.pipeline.dhis2.metadata.fitting import (
    aggregation_levels,
    aggregation_type,
    fitting_aggregation_types,
    value_type,
)
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Need, roots_of
from eo_pygeoapi.pipeline.dhis2.metadata.sharing import Sharing
from eo_pygeoapi.pipeline.dhis2.metadata.uids import uid_of
from tests.pipeline.made import dataset


def made(spatial: str = "mean", temporal: str = "mean", **eo: Any) -> Dataset:
    return dataset(aggregation={"spatial": spatial, "temporal": temporal}, **eo)


@pytest.mark.parametrize(
    ("spatial", "temporal", "type_", "before_2_40"),
    [
        ("mean", "sum", "SUM", "SUM"),
        ("sum", "sum", "SUM", "SUM"),
        ("p90", "mean", "AVERAGE", "AVERAGE"),
        ("sum", "mean", "AVERAGE_SUM_ORG_UNIT", "AVERAGE_SUM_ORG_UNIT"),
        ("mean", "max", "MAX", "MAX"),
        ("sum", "max", "MAX_SUM_ORG_UNIT", "MAX"),
        ("count", "min", "MIN_SUM_ORG_UNIT", "MIN"),
        ("mean", "days-above-35", "SUM", "SUM"),
        ("mean", "longest-dry-spell-1", "MAX", "MAX"),
    ],
)
def test_the_aggregation_type_fits_over_time(spatial: str, temporal: str, type_: str, before_2_40: str) -> None:
    assert aggregation_type(made(spatial, temporal), (2, 42, 0)) == type_
    assert aggregation_type(made(spatial, temporal), (2, 39, 0)) == before_2_40


def test_people_of_several_years_are_never_added() -> None:
    people = made("sum", "mean", periodType="yearly")
    fitting = fitting_aggregation_types(people, (2, 42, 0))
    assert "SUM" not in fitting and {"AVERAGE_SUM_ORG_UNIT", "LAST"} <= fitting


@pytest.mark.parametrize(
    ("spatial", "levels", "expected"),
    [
        ("mean", [1, 2], [1]),
        ("mean", [2, 3], [1, 2]),  # nothing rather than a sum of means for the nation
        ("mean", [2], [1]),
        ("mean", [1], []),
        ("sum", [2], []),
        ("sum", [1, 3], [1]),
        ("sum", [], []),
    ],
)
def test_each_level_shows_its_own_values(spatial: str, levels: list[int], expected: list[int]) -> None:
    assert aggregation_levels(made(spatial, "sum"), "SUM", levels) == expected


def test_whole_numbers_get_a_type_of_whole_numbers() -> None:
    assert value_type(made()) == "NUMBER"
    assert value_type(made(decimals=0)) == "INTEGER"
    assert value_type(made(decimals=0, plausible=[0, None])) == "INTEGER_ZERO_OR_POSITIVE"


def test_projections_need_open_future_periods() -> None:
    options = {"source": "worldpop", "options": {"country": "SLE"}, "periodType": "yearly"}
    people = Dataset.model_validate({"id": "people", **options})
    assert Need(people).open_future_periods(date(2026, 11, 29)) == 5  # this year, and four to come
    assert Need(people).open_future_periods(date(2031, 1, 1)) == 0
    assert Need(made()).open_future_periods(date(2026, 11, 29)) == 0


def test_the_units_of_the_importer_are_the_fewest_above_all() -> None:
    def roots(*paths: str) -> list[str]:
        return roots_of([{"id": path.rpartition("/")[2], "path": path} for path in paths])

    assert roots("/c/a/x", "/c/a/y") == ["a"]
    assert roots("/c/a/x", "/c/b/y") == ["c"]
    assert roots("/c/a", "/d/b", "/c") == ["b", "c"]
    assert roots() == []


def test_uids_are_made_from_codes() -> None:
    assert uid_of("dataElements", "EO_RAIN") == uid_of("dataElements", "EO_RAIN") == "atPTv8w47Yz"
    assert uid_of("dataSets", "EO_RAIN") != uid_of("dataElements", "EO_RAIN")
    assert all(UID.fullmatch(uid_of("dataElements", f"EO_{n}")) for n in range(300))


def test_sharing_is_added_to_what_there_is() -> None:
    sharing = Sharing({"GroupImport": "importers"}, {"GroupReader": "readers"}, of_data=True, alone=True)
    held = {"public": "rw------", "users": {"u": {"access": "--rw----"}}, "userGroups": {}}
    assert sharing.lacks(held) == ["group readers may read values", "group importers may write values"]
    assert sharing.differs(held) == ["user u may write values, which only group importers should"]
    added = sharing.mended(held, change=False)
    assert {uid: entry["access"] for uid, entry in added["userGroups"].items()} == {
        "GroupReader": "r-r-----",
        "GroupImport": "r-rw----",
    }
    assert (added["public"], added["users"]["u"]["access"]) == ("rw------", "--rw----")
    assert sharing.lacks(added) == []
    changed = sharing.mended(added, change=True)
    assert sharing.differs(changed) == [] and changed["users"]["u"]["access"] == "--r-----"
