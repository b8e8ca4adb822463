"""A request against the datasets: what is refused, with which words, and what overrides a dataset."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eo_pygeoapi.contract.intervals import ALLOWED
from eo_pygeoapi.contract.models import ImportInputs, Interval
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.datasets.validate import Execution, raise_without_days, validate_inputs
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.pipeline.sources.chirps3.options import Chirps3Options

NOW = datetime(2025, 7, 31, 6, tzinfo=UTC)
BLOCKS: dict[str, Any] = {
    "rain": {
        "source": "chirps3",
        "orgUnits": {"source": "dhis2", "level": 2},
        "dhis2": {"connection": "national", "dataElement": "RAIN", "dataSet": "CLIMATE", "onConflict": "overwrite"},
    },
    "people": {"source": "worldpop", "options": {"country": "SLE"}, "orgUnits": {"source": "geojson", "href": "a"}},
    "heat": {"source": "era5-land"},
    "night": {"source": "chirps3", "timeZone": "Pacific/Auckland", "orgUnits": {"source": "dhis2", "level": 2}},
}
CONFIG = {"resources": {id_: {"type": "collection", "eo": block} for id_, block in BLOCKS.items()}}
DATASETS = read_datasets(CONFIG, Path("/etc/eo"))
DATES = {"start": "2025-07-01", "end": "2025-07-31"}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
FEATURES = {"type": "FeatureCollection", "features": [{"type": "Feature", "id": "a", "geometry": SQUARE}]}


def checked(dataset: str = "rain", now: datetime = NOW, **inputs: Any) -> Execution:
    dates = {} if {"start", "end", "datetime"} & set(inputs) else DATES
    return validate_inputs({"datasetId": dataset, **dates, **inputs}, DATASETS, now)


def problems(inputs: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        validate_inputs(inputs, DATASETS, NOW)
    return caught.value.problems


# What is accepted


def test_a_request_is_its_inputs_the_dataset_and_the_days() -> None:
    execution = validate_inputs({"datasetId": "rain", "start": "2025-06", "end": "2025-07"}, DATASETS, NOW)
    assert execution.inputs == ImportInputs(dataset_id="rain", start="2025-06", end="2025-07")
    assert execution.dataset == DATASETS["rain"]
    assert execution.interval == Interval(start=date(2025, 6, 1), end=date(2025, 7, 31))


@pytest.mark.parametrize(
    "inputs",
    [
        {"orgUnitLevel": 3},
        {"orgUnitLevel": [2, 3], "parentOrgUnit": "ImspTQPwCqd"},
        {"orgUnitIds": ["O6uvpzGd5pu"]},
        {"features": FEATURES},
        {"parameters": {}, "aggregation": {}, "dhis2": {}},
        {"dryRun": False},
        {"start": "-P30D", "end": "P0D"},
        {"datetime": "2025-07"},
    ],
)
def test_executions_survive_json(inputs: dict[str, Any]) -> None:
    execution = checked(**inputs)
    again = Execution.model_validate(json.loads(json.dumps(execution.to_json())))
    assert again == execution
    assert again.to_json() == execution.to_json()


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2025, 7, 31, 11, 59, tzinfo=UTC), date(2025, 7, 31)),
        (datetime(2025, 7, 31, 12, 0, tzinfo=UTC), date(2025, 8, 1)),
        (datetime(2025, 7, 31, 12, 0, tzinfo=timezone(timedelta(hours=2))), date(2025, 7, 31)),
    ],
)
def test_today_is_the_day_where_the_dataset_is(now: datetime, day: date) -> None:
    assert checked("night", now, start="P0D", end="P0D").interval == Interval(start=day, end=day)


def test_units_of_the_request_do_for_those_of_the_dataset() -> None:
    for inputs in ({"orgUnitLevel": 2}, {"parentOrgUnit": "a"}, {"orgUnitIds": "a"}, {"features": FEATURES}):
        assert checked("heat", **inputs).dataset.org_units is None


# Overrides


def test_a_request_overrides_one_member_at_a_time() -> None:
    found = checked(aggregation={"spatial": "max"}, dhis2={"dataElement": "OTHER"}).dataset
    assert (found.aggregation.spatial, found.aggregation.temporal) == ("max", "sum")
    assert found.dhis2.model_dump() == {**DATASETS["rain"].dhis2.model_dump(), "data_element": "OTHER"}


def test_a_request_overrides_the_period_type_and_the_options() -> None:
    found = checked(periodType="Monthly", parameters={"stage": "prelim", "flavor": "sat"}).dataset
    assert found.period_type == "monthly"
    assert found.options == Chirps3Options(stage="prelim", flavor="sat")
    assert checked("people", parameters={"version": "global1"}).dataset.options.to_json() == {
        "country": "SLE",
        "version": "global1",
        "groups": {},
        "baseUrl": "",
    }


def test_what_a_request_does_not_say_stays_as_the_dataset_has_it() -> None:
    assert checked("people", start="2026", end="2026").dataset == DATASETS["people"]
    assert checked("people", aggregation={}, dhis2={}, parameters={}).dataset.period_type == "yearly"


def test_an_override_touches_no_other_request() -> None:
    before = DATASETS["rain"].to_json()
    checked(aggregation={"spatial": "max"}, parameters={"stage": "prelim"}, dhis2={"connection": "x"})
    assert DATASETS["rain"].to_json() == before


# What is refused

REQUEST = {"datasetId": "rain", **DATES}
NAMES = (
    "aggregation, datasetId, datetime, dhis2, dryRun, end, features, orgUnitIds, orgUnitLevel, parameters, "
    "parentOrgUnit, periodType, start"
)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (
            {**REQUEST, "datasetId": "chirps"},
            ["input datasetId: unknown dataset 'chirps' (enabled: rain, people, heat, night)"],
        ),
        (DATES, ["input datasetId: is required"]),
        ({**REQUEST, "datasetId": 5}, ["input datasetId: 5 is not allowed; allowed: a string"]),
        (
            {"datasetId": "rain"},
            ["input start: is required (or datetime)", "input end: is required (or datetime)"],
        ),
        (
            {**REQUEST, "end": "2025-06"},
            ["input end: the end '2025-06' (2025-06-30) is before the start '2025-07-01' (2025-07-01)"],
        ),
        ({**REQUEST, "start": "yesterday"}, [f"input start: 'yesterday' is no date; {ALLOWED}"]),
        ({**REQUEST, "start": 2025}, ["input start: 2025 is not allowed; allowed: a string"]),
        ({**REQUEST, "start": None}, ["input start: null is not allowed; allowed: a string"]),
        ({**REQUEST, "dryRun": "yes"}, ["input dryRun: 'yes' is not allowed; allowed: a boolean, true or false"]),
        ({**REQUEST, "dryRun": 0}, ["input dryRun: 0 is not allowed; allowed: a boolean, true or false"]),
        ({**REQUEST, "colour": "red"}, [f"input colour: is not known here; allowed: {NAMES}"]),
        ({**REQUEST, "dry_run": True}, [f"input dry_run: is not known here; allowed: {NAMES}; did you mean dryRun?"]),
        (
            {**REQUEST, "aggregation": {"spatial": "avg"}},
            [
                "input aggregation.spatial: 'avg' is not allowed; allowed: mean, sum, min, max, median, count, std, "
                "and quantiles from p1 to p99, such as p90"
            ],
        ),
        (
            {**REQUEST, "aggregation": {"spacial": "mean"}},
            [
                "input aggregation.spacial: is not known here; allowed: daily, spatial, temporal, weight; "
                "did you mean spatial?"
            ],
        ),
        ({**REQUEST, "aggregation": "mean"}, ["input aggregation: 'mean' is not allowed; allowed: an object"]),
        (
            {**REQUEST, "parameters": {"baseUrl": "http://x", "href": "/etc/passwd"}},
            [
                "input parameters.baseUrl: requests cannot set it; allowed for rain: stage, flavor, product",
                "input parameters.href: requests cannot set it; allowed for rain: stage, flavor, product",
            ],
        ),
        (
            {**REQUEST, "datasetId": "people", "parameters": {"country": "GIN"}},
            ["input parameters.country: requests cannot set it; allowed for people: version"],
        ),
        (
            {**REQUEST, "datasetId": "heat", "orgUnitLevel": 2, "parameters": {"variable": "total_precipitation"}},
            ["input parameters.variable: requests cannot set it; allowed for heat: none"],
        ),
        (
            {**REQUEST, "parameters": {"stage": "finl"}},
            ["input parameters.stage: 'finl' is not allowed; allowed: final, prelim, latest; did you mean final?"],
        ),
        (
            {**REQUEST, "datasetId": "heat"},
            [
                "input orgUnitLevel: dataset 'heat' has no organisation units of its own; "
                "give orgUnitLevel, orgUnitIds or features"
            ],
        ),
        ({**REQUEST, "orgUnitLevel": "2"}, ["input orgUnitLevel[0]: '2' is not allowed; allowed: an integer"]),
        ({**REQUEST, "orgUnitLevel": [2, 31]}, ["input orgUnitLevel[1]: 31 is not allowed; allowed: 30 or less"]),
        ({**REQUEST, "orgUnitIds": ["a", 5]}, ["input orgUnitIds[1]: 5 is not allowed; allowed: a string"]),
        ({**REQUEST, "orgUnitIds": [""]}, ["input orgUnitIds[0]: '' is not allowed; allowed: 1 or more characters"]),
        (
            {**REQUEST, "datasetId": "people", "dryRun": False},
            ["input dhis2.dataElement: is required to import (dryRun: false); dataset 'people' names none"],
        ),
        (
            {"datasetId": "rain", "datetime": "2025", "start": "2025"},
            ["datetime excludes start and end; give one or the other"],
        ),
        (
            {**REQUEST, "features": FEATURES, "orgUnitLevel": 2},
            ["orgUnitLevel/parentOrgUnit and features exclude each other; give one of them"],
        ),
        (
            {**REQUEST, "features": {"type": "FeatureCollection", "features": []}},
            ["input features.features: expected a list of at least one feature"],
        ),
        ({**REQUEST, "features": [1]}, ["input features: [1] is not allowed; allowed: an object"]),
    ],
)
def test_a_mistake_is_named_with_its_input_its_value_and_what_is_allowed(
    inputs: dict[str, Any], expected: list[str]
) -> None:
    assert problems(inputs) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("orgUnitIds", []), ("orgUnitLevel", []), ("features", {}), ("parentOrgUnit", ""), ("start", "")],
)
def test_nothing_is_no_value_for_it_would_mean_the_dataset_s_own(name: str, value: Any) -> None:
    assert problems({**REQUEST, name: value})[0] == f"input {name}: is empty; leave it out or give a value"


def test_nothing_is_no_value_inside_of_dhis2_either() -> None:
    found = problems({**REQUEST, "dhis2": {"connection": "", "dataElement": ""}})
    assert found == [
        f"input dhis2.{name}: is empty; leave it out or give a value" for name in ("connection", "dataElement")
    ]


@pytest.mark.parametrize("inputs", [[1], None, "x", 5, []])
def test_inputs_are_an_object(inputs: Any) -> None:
    assert problems(inputs) == ["inputs: expected an object with the inputs by their ids"]


def test_all_mistakes_are_named_at_once() -> None:
    inputs = {
        "datasetId": "nope",
        "start": "yesterday",
        "end": 2025,
        "dryRun": "yes",
        "colour": "red",
        "features": {"type": "Feature"},
        "dhis2": {"dataSet": ""},
    }
    assert [problem.split(": ")[0] for problem in problems(inputs)] == [
        "input end",
        "input dryRun",
        "input colour",
        "input datasetId",
        "input dhis2.dataSet",
        "input start",
        "input features.type",
        "input features.features",
    ]
    more = {"datasetId": "rain", "start": "2025", "end": "2024", "parameters": {"href": "x"}, "orgUnitIds": []}
    assert len(problems(more)) == 3


def test_long_values_are_not_repeated_whole() -> None:
    (problem,) = problems({**REQUEST, "periodType": "x" * 100_000})
    assert len(problem) < 1000


# Whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [field.alias or name for name, field in ImportInputs.model_fields.items()]
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "datasetId": st.sampled_from([*DATASETS, "nope"]),
    "start": st.sampled_from(["2025", "2025-07", "-P3D", "x"]),
    "end": st.sampled_from(["2025", "2025-07-31", "P0D", "y"]),
    "orgUnitLevel": st.just([2]),
    "features": st.just(FEATURES),
    "aggregation": st.just({"spatial": "max"}),
    "parameters": st.sampled_from([{"stage": "prelim"}, {"baseUrl": "x"}]),
    "dhis2": st.just({"dataElement": "x"}),
    "dryRun": st.booleans(),
}
INPUTS = st.fixed_dictionaries({}, optional={name: GOOD.get(name, JSON) | JSON for name in FIELDS})
OTHERS = st.dictionaries(st.sampled_from(["dataset_id", "x", "", "org_unit_ids"]), JSON, max_size=2)


@settings(deadline=None)
@given(inputs=st.builds(dict.__or__, OTHERS, INPUTS) | JSON)
@example(inputs={"dataset_id": "nope", **DATES})
@example(inputs={"datasetId": "\ud800", **DATES})
@example(inputs={"datasetId": "rain", **DATES, "\ud800": 1})
@example(inputs={"datasetId": "rain", **DATES, "features": {"type": "\ud800", "features": [{"id": "\ud800"}]}})
def test_whatever_comes_is_accepted_or_an_input_error(inputs: Any) -> None:
    try:
        execution = validate_inputs(inputs, DATASETS, NOW)
    except InputError as error:
        assert error.problems and all(error.problems)
    else:
        assert isinstance(execution.dataset, Dataset)
        json.dumps(execution.to_json(), allow_nan=False).encode()


# The days of a request


@pytest.mark.parametrize(
    ("dataset", "period_type", "start", "end", "said"),
    [
        (
            "rain",
            "monthly",
            "2025-07-02",
            "2025-07-31",
            "no whole monthly period lies in 2025-07-02 to 2025-07-31; 202507",
        ),
        ("people", "yearly", "2025-02", "2025-11", "no whole yearly period lies in 2025-02-01 to 2025-11-30; 2025"),
        ("rain", "daily", "1960", "1961", "1960-01-01 to 1961-12-31 is not allowed; allowed: days from 1981-01-01"),
        (
            "people",
            "yearly",
            "2050",
            "2051",
            "2050-01-01 to 2051-12-31 is not allowed; allowed: days from 2015-01-01 to 2030",
        ),
    ],
)
def test_a_request_needs_a_whole_period_and_a_day_that_the_source_has(
    dataset: str, period_type: Any, start: str, end: str, said: str
) -> None:
    execution = checked(dataset, start=start, end=end)
    execution = execution.model_copy(
        update={"dataset": execution.dataset.model_copy(update={"period_type": period_type})}
    )
    with pytest.raises(InputError, match=f"^input start, end: {said}"):
        raise_without_days(execution)


@pytest.mark.parametrize(("start", "end"), [("1980-12-31", "1981-01-01"), ("2025-07-31", "2100-01-01")])
def test_an_interval_may_reach_beyond_what_the_source_has(start: str, end: str) -> None:
    raise_without_days(checked(start=start, end=end))
