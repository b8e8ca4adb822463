"""Names of what a setup makes: DHIS2 takes each once, and no long ones."""

from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from tests.pipeline.dhis2.metadata.places import Place, datasets, lines
from tests.standins.dhis2_metadata import DEFAULT_CATEGORY_COMBO

RAIN: dict[str, Any] = {"source": "chirps3"}
HAND_MADE: dict[str, Any] = {"id": "HandMade001", "code": "RAIN_OWN", "name": "Rain", "shortName": "R"}
HAND_MADE |= {"valueType": "NUMBER", "domainType": "AGGREGATE", "aggregationType": "SUM"}
HAND_MADE |= {"categoryCombo": {"id": DEFAULT_CATEGORY_COMBO}}


def titled(**titles: tuple[str, dict[str, Any]]) -> dict[str, Dataset]:
    """Return datasets with these titles and blocks; an underscore in an id is a hyphen."""
    eo = {"defaults": {"orgUnits": {"source": "dhis2", "level": [1, 2]}, "dhis2": {"connection": "national"}}}
    resources = {
        id_.replace("_", "-"): {"type": "collection", "title": title, "eo": block}
        for id_, (title, block) in titles.items()
    }
    return read_datasets({"eo": eo, "resources": resources}, Path("."))


def names(place: Place, code: str) -> tuple[str, str]:
    element = place.object("dataElements", code)
    return element["name"], element["shortName"]


def test_long_titles_that_begin_alike_are_told_apart(place: Place) -> None:
    hot = {"source": "era5-land", "options": {"variable": "2m_temperature", "provider": "cds"}}
    title = "ERA5-Land 2 m temperature of the air, daily "
    both = titled(
        era5_land_temperature_daily_max=(f"{title}maximum", hot | {"aggregation": {"temporal": "max"}}),
        era5_land_temperature_daily_min=(f"{title}minimum", hot | {"aggregation": {"temporal": "min"}}),
    )
    assert (place.set_up(both, apply=True).problems, place.set_up(both).steps) == ([], [])
    assert names(place, "EO_ERA5_LAND_TEMPERATURE_DAILY_MIN") == (
        f"{title}minimum",
        "ERA5-Land 2 m te (era5-land-temperature-daily-min)",
    )


@pytest.mark.parametrize("first_alone", [True, False])
def test_datasets_of_one_title_have_their_ids_beside_it(place: Place, first_alone: bool) -> None:
    """A dataset that extends another has its title, too, unless it says another."""
    both = titled(rain=("Rain", RAIN), rain_monthly=("Rain", {"extends": "rain", "periodType": "monthly"}))
    if first_alone:
        assert place.set_up({"rain": both["rain"]}, apply=True).problems == []
        later = {"rain-monthly": both["rain-monthly"]}
    else:
        later = both
    assert (place.set_up(later, apply=True).problems, place.set_up(both).steps) == ([], [])
    assert names(place, "EO_RAIN_MONTHLY") == ("Rain (rain-monthly)", "Rain (rain-monthly)")
    assert names(place, "EO_RAIN")[0] == ("Rain" if first_alone else "Rain (rain)")


def test_titles_and_ids_of_any_length_are_cut(place: Place) -> None:
    long = "x" * 60
    both = titled(**{f"{long}_a": (f"{'y' * 300} one", RAIN), f"{long}_b": (f"{'y' * 300} two", RAIN)})
    assert (place.set_up(both, apply=True).problems, place.set_up(both).steps) == ([], [])
    made = [names(place, dataset.dhis2.data_element) for dataset in both.values()]
    assert [(len(name), len(short)) for name, short in made] == [(230, 50), (230, 50)]
    assert len({short for _, short in made}) == 2 and made[0][0].endswith(f" ({long}-a)")


@pytest.mark.parametrize("taken", ["name", "short name"])
def test_a_name_that_somebody_elses_element_has_is_in_the_plan(place: Place, taken: str) -> None:
    place.post(dataElements=[HAND_MADE | ({} if taken == "name" else {"name": "R", "shortName": "Rain"})])
    enabled = titled(rain=("Rain", RAIN))
    planned = place.set_up(enabled)
    assert planned.problems == [
        f"rain: the data element RAIN_OWN has the {taken} “Rain” already, and DHIS2 takes each once; to use it set "
        "dhis2.dataElement: RAIN_OWN, else give the dataset another title"
    ]
    assert "make data element EO_RAIN “Rain”" in lines(planned)[0]
    refused = place.set_up(enabled, apply=True)
    assert "nothing was made" in refused.problems[0] and place.object("dataSets", "EO_DAILY") == {}
    other = titled(rain=("Rain by satellite", RAIN))
    assert place.set_up(other).problems == place.set_up(other, apply=True).problems == []


def test_the_short_name_of_a_data_set_may_be_taken(place: Place) -> None:
    other = {"id": "HandMade002", "code": "OTHER", "name": "Other", "shortName": "Earth observation, daily"}
    place.post(dataSets=[other | {"periodType": "Daily", "categoryCombo": {"id": DEFAULT_CATEGORY_COMBO}}])
    (problem,) = place.set_up(datasets(place, "rain")).problems
    assert problem == (
        "EO_DAILY: the data set OTHER has the short name “Earth observation, daily” already, and DHIS2 takes each "
        "once; rename it in DHIS2, for data set EO_DAILY to be made"
    )
