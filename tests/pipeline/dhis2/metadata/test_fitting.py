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
    fitting_value_types,
    value_type,
)
from eo_pygeoapi.pipeline.dhis2.metadata.held import Held
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Need, Needs, roots_of
from eo_pygeoapi.pipeline.dhis2.metadata.sharing import Sharing
from eo_pygeoapi.pipeline.dhis2.metadata.uids import uid_of
from eo_pygeoapi.pipeline.dhis2.metadata.wanted import Surroundings, wanted_objects
from tests.pipeline.made import dataset

WHOLE = {"NUMBER", "INTEGER", "INTEGER_ZERO_OR_POSITIVE"}
HEAT: dict[str, Any] = {"source": "era5-land", "options": {"variable": "2m_temperature", "provider": "cds"}}
HUMIDITY: dict[str, Any] = {"source": "era5-land", "options": {"variable": "relative_humidity", "provider": "cds"}}


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


@pytest.mark.parametrize(
    ("eo", "fitting"),
    [
        ({}, {"NUMBER"}),
        ({"plausible": [0, 1]}, {"NUMBER", "PERCENTAGE", "UNIT_INTERVAL"}),
        ({"plausible": [0, 100]}, {"NUMBER", "PERCENTAGE"}),
        ({"plausible": [0, 500]}, {"NUMBER"}),
        ({"plausible": [-1, 1]}, {"NUMBER"}),
        ({"plausible": [0, 1], "temporal": "days-above-1"}, {"NUMBER"}),  # days are no shares
        (
            {"plausible": [1, None], "decimals": 0},
            {"NUMBER", "INTEGER", "INTEGER_ZERO_OR_POSITIVE", "INTEGER_POSITIVE"},
        ),
        ({"plausible": [None, -1], "decimals": 0}, {"NUMBER", "INTEGER", "INTEGER_NEGATIVE"}),
        ({"decimals": 0}, {"NUMBER", "INTEGER"}),
    ],
)
def test_a_value_type_fits_that_takes_every_value(eo: dict[str, Any], fitting: set[str]) -> None:
    assert fitting_value_types(made(**eo)) == fitting


@pytest.mark.parametrize(
    ("options", "eo", "fitting"),
    [
        ({"source": "chirps3"}, {"aggregation": {"temporal": "sum"}}, {"NUMBER"}),
        ({"source": "chirps3", "periodType": "yearly", "decimals": 0}, {}, WHOLE),
        ({"source": "worldpop", "options": {"country": "SLE"}, "decimals": 0}, {}, WHOLE),
        (HEAT, {"decimals": 0}, {"NUMBER", "INTEGER"}),  # its limits are in kelvins, its values are not
        (HUMIDITY, {}, {"NUMBER"}),  # of supersaturated air it is above 100 %
        (HUMIDITY, {"plausible": [0, 100]}, {"NUMBER", "PERCENTAGE"}),
    ],
)
def test_the_limits_of_a_source_say_which_value_types_fit(
    options: dict[str, Any], eo: dict[str, Any], fitting: set[str]
) -> None:
    assert fitting_value_types(Dataset.model_validate({"id": "x", **options, **eo})) == fitting


@pytest.mark.parametrize(
    ("held", "zeros_matter"), [(None, False), ("AVERAGE_SUM_ORG_UNIT", False), ("LAST", True), ("SUM", False)]
)
def test_zeros_matter_by_the_aggregation_type_that_the_element_will_have(held: str | None, zeros_matter: bool) -> None:
    """Over years LAST fits as well as a mean, and stays; with it DHIS2 drops zeros that are not significant."""
    need = Need(made("sum", "mean", periodType="yearly", dhis2={"dataElement": "EO_X"}))
    objects = {("dataElements", "EO_X"): {"id": "HandMade001", "aggregationType": held}} if held else {}
    there = Surroundings(Held(objects), (2, 42, 0), "DefaultCombo")
    element = next(iter(wanted_objects(Needs([need], date(2026, 1, 1)), {}, there)))
    member = next(member for member in element.members if member.name == "zeroIsSignificant")
    assert bool(member.differs(False)) == zeros_matter


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
