"""Keys of a block that are right by themselves and wrong together, as `eo-pygeoapi check` says them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.datasets.read import inspect_datasets

PEOPLE = "population: {options: {country: SLE}}"


def problems(block: str, defaults: str = "{}") -> list[str]:
    config: dict[str, Any] = {
        "eo": {"defaults": yaml.safe_load(defaults)},
        "resources": {"heat": {"type": "collection", "title": "Heat", "eo": yaml.safe_load(block)}},
    }
    return [each.removeprefix("resources.heat.eo.") for each in inspect_datasets(config, Path("/")).problems]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (f"{{source: era5-land, aggregation: {{weight: population}}, {PEOPLE}}}", []),
        (f"{{source: era5-land, exposure: {{above: 35}}, {PEOPLE}}}", []),
        (
            "{source: era5-land, aggregation: {weight: population}}",
            ["population: is required; such as {options: {country: SLE}}, of the source worldpop"],
        ),
        (
            "{source: era5-land, exposure: {above: 35}, population: {options: {country: Sierra Leone}}}",
            ["population.options.country: 'Sierra Leone' is not allowed; allowed: a string that matches ^[A-Z]{3}$"],
        ),
        (
            "{source: era5-land, exposure: {above: 35}, population: {options: {}}}",
            ["population.options.country: is required"],
        ),
        (
            f"{{source: era5-land, aggregation: {{weight: population, spatial: max}}, {PEOPLE}}}",
            ["aggregation.weight: people do not weigh in 'max'; allowed: mean, std, median, p1 to p99"],
        ),
        (
            f"{{source: era5-land, aggregation: {{spatial: p90}}, exposure: {{above: 35}}, {PEOPLE}}}",
            [
                "aggregation: exposure counts people; allowed: spatial: mean and weight: population, or nothing",
            ],
        ),
        (
            f"{{source: era5-land, exposure: {{above: 35, below: 10}}, {PEOPLE}}}",
            ["exposure: expected exactly one of above and below"],
        ),
        (
            f"{{source: era5-land, exposure: {{above: hot}}, {PEOPLE}}}",
            ["exposure.above: 'hot' is not allowed; allowed: a number"],
        ),
        (
            f"{{source: era5-land, options: {{variable: 10m_wind_direction}}, exposure: {{above: 35}}, {PEOPLE}}}",
            ["exposure: is of values above or below a threshold, and the values are directions; leave it out"],
        ),
        *(
            (
                f"{{source: era5-land, periodType: {period_type}, aggregation: {{temporal: {statistic}}}}}",
                [f"aggregation: {statistic} is of days, and these are hours; give daily too, such as daily: max"],
            )
            for period_type, statistic in (("monthly", "days-above-35"), ("weekly", "longest-dry-spell-1"))
        ),
        ("{source: era5-land, periodType: monthly, aggregation: {daily: max, temporal: days-above-35}}", []),
        ("{source: chirps3, periodType: monthly, aggregation: {temporal: longest-dry-spell-1}}", []),
        (
            "{source: era5-land, options: {variable: 10m_wind_direction}, aggregation: {temporal: max}}",
            ["aggregation: directions have a mean alone, that of vectors; allowed: spatial: mean, temporal: mean"],
        ),
    ],
)
def test_a_mistake_is_said_with_its_path(block: str, expected: list[str]) -> None:
    assert problems(block) == expected


@pytest.mark.parametrize("source", ["census", "chirps3", "era5-land", "derived"])
def test_a_source_of_people_must_have_people(source: str) -> None:
    (problem,) = problems(f"{{source: era5-land, exposure: {{above: 35}}, population: {{source: {source}}}}}")
    assert problem.startswith(f"population.source: {source!r} is not allowed; allowed: file, ")
    assert "worldpop" in problem and "chirps3" not in problem.partition("allowed; ")[2]


def test_people_may_be_of_a_file() -> None:
    people = "population: {source: file, options: {href: people.tif, time: 2025}}"
    assert problems(f"{{source: era5-land, exposure: {{above: 35}}, {people}}}") == []


def test_where_people_live_may_stand_once_for_all_datasets() -> None:
    assert problems("{source: era5-land, exposure: {above: 35}}", f"{{{PEOPLE}}}") == []
