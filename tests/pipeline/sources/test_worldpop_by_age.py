"""WorldPop by age and sex against a static server: the files of bands, groups of them, and their sum."""

import json
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from shapely.geometry import box

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import NoDataError
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_group
from eo_pygeoapi.pipeline.sources.worldpop.options import WorldPopOptions
from eo_pygeoapi.pipeline.zonal.groups import aggregate_groups
from tests.pipeline import made
from tests.standins import chc, worldpop

BOX = (-13.4, 6.9, -10.3, 10.1)
GROUPS = {"under5": ["f_0", "f_1", "m_0", "m_1"], "women15to24": ["f_15", "f_20"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    root = tmp_path_factory.mktemp("worldpop")
    for sex, age in (("f", 0), ("f", 1), ("m", 0), ("m", 1), ("f", 15), ("f", 20)):
        worldpop.make_band(root, "SLE", 2026, sex, age)
    worldpop.make_band(root, "SLE", 2020, "f", 80, "global1")
    with chc.running(root) as standin:
        yield standin


def ask(server: chc.StandIn, tmp_path: Path, year: int, **options: Any) -> SourceRequest:
    given = {"country": "SLE", "baseUrl": server.url} | options
    block = {"id": "people", "source": "worldpop", "options": given, "bbox": []}
    whole = block | Dataset.model_validate(block).options.defaults()
    interval = Interval(start=date(year, 1, 1), end=date(year, 12, 31))
    return SourceRequest(Dataset.model_validate(whole), interval, BOX, tmp_path / "cache")


def test_groups_are_sums_of_bands_and_the_value_is_the_sum_of_groups(server: chc.StandIn, tmp_path: Path) -> None:
    asked = ask(server, tmp_path, 2026, groups=GROUPS)
    extract = extract_source_data(asked)
    units = made.units({"all": box(-13.5, 6.2, -9.9, 10.2), "half a cell": box(-12.0, 8.0, -11.975, 8.05)})
    periods = periods_in(asked.interval, "yearly")
    found = aggregate_groups(partial(open_group, asked, extract), units, periods, asked.dataset)
    people = np.where(worldpop.people(2026) < 0, 0, worldpop.people(2026)).astype("float64")
    weights = {"under5": 1 + 2 + 2 * (1 + 2), "women15to24": 16 + 21}  # what `make_band` has made of the people
    inside = people[:67, 1:65]  # the box of the request cuts off the rest
    cells = {"all": inside.sum(), "half a cell": people[43, 30] / 2}
    for row in found.frame.to_dict("records"):
        groups = json.loads(row["groups"])
        assert groups == {name: round(weight * cells[row["orgUnit"]]) for name, weight in weights.items()}
        assert row["value"] == sum(groups.values())
    names = sorted(path.name for path in tmp_path.joinpath("cache").rglob("*.tif"))
    assert names == sorted(f"{band}_2026.tif" for bands in GROUPS.values() for band in bands)


def test_groups_without_data_are_named_and_what_has_no_sum_is_listed() -> None:
    block = {"id": "people", "source": "worldpop", "options": {"country": "SLE", "groups": ["f_0", "f_1", "m_0"]}}
    dataset = Dataset.model_validate(block | WorldPopOptions.model_validate(block["options"]).defaults())
    nan = float("nan")
    grids = {"f_0": [[10.4, nan, nan]], "f_1": [[3.3, nan, nan]], "m_0": [[5.6, 7.0, nan]]}
    times = np.array(["2025-01-01"], "M8[ns]")
    found = aggregate_groups(
        lambda group: made.grid(np.array(grids[group] * 2), step="year", times=times),
        made.units({"all": box(0, 0, 1, 1), "boys": box(1, 0, 2, 1), "none": box(2, 0, 3, 1)}),
        periods_in(Interval(start=date(2025, 1, 1), end=date(2025, 12, 31)), "yearly"),
        dataset,
    )
    assert found.frame["value"].tolist() == pytest.approx([10 + 3 + 6, nan, nan], nan_ok=True)
    assert [(entry.org_unit, entry.period, entry.reason) for entry in found.left_out] == [
        ("boys", "", "f_0, f_1: no cell of it has data"),
        ("none", "", "no cell of it has data"),
        ("boys", "2025", "only m_0 have a value; the sum of the groups is null"),
    ]


def test_a_year_without_one_of_the_bands_is_left_out(server: chc.StandIn, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="there is nothing for 2026"):
        extract_source_data(ask(server, tmp_path, 2026, groups=["f_0", "f_90"]))


def test_the_older_version_names_its_files_otherwise(server: chc.StandIn, tmp_path: Path) -> None:
    asked = ask(server, tmp_path, 2020, version="global1", groups=["f_80"])
    grid = open_group(asked, extract_source_data(asked), "f_80")
    assert float(grid.max()) == pytest.approx(float(worldpop.people(2020)[:67, 1:65].max()) * 81)


@pytest.mark.parametrize(
    ("options", "divided"),
    [
        ({"groups": ["f_0", "m_0"]}, {"f_0": "Female, under 1 year", "m_0": "Male, under 1 year"}),
        ({"groups": ["f_1", "m_1"]}, {"f_1": "Female, 1 to 4 years", "m_1": "Male, 1 to 4 years"}),
        ({"groups": ["f_80", "m_80"]}, {"f_80": "Female, 80 to 84 years", "m_80": "Male, 80 to 84 years"}),
        ({"groups": ["f_90", "m_90"]}, {"f_90": "Female, 90 years and over", "m_90": "Male, 90 years and over"}),
        (
            {"version": "global1", "groups": ["f_80", "m_80"]},
            {"f_80": "Female, 80 years and over", "m_80": "Male, 80 years and over"},
        ),
        ({"groups": ["f_0", "m_5"]}, {"f_0": "Female, under 1 year", "m_5": "Male, 5 to 9 years"}),
        ({"groups": GROUPS}, {"under5": "under5", "women15to24": "women15to24"}),
        ({}, {}),
    ],
)
def test_groups_have_titles_for_people(options: dict[str, Any], divided: dict[str, str]) -> None:
    found = WorldPopOptions.model_validate({"country": "SLE"} | options).divided_by()
    assert {group: ", ".join(titles.values()) for group, titles in found.items()} == divided
    both = len({group[0] for group in divided}) == 2 and len({group[2:] for group in divided}) == 1
    assert {len(titles) for titles in found.values()} <= ({2} if both else {1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": ["f_2"]}, "String should match pattern"),
        ({"groups": ["t_0"]}, "String should match pattern"),
        ({"version": "global1", "groups": ["f_85"]}, "f_85 is not in global1, whose oldest bands are f_80, m_80"),
        ({"groups": {"a": ["f_0"], "b": ["f_0", "f_1"]}}, "f_0 is in two groups, and their sum would count its people"),
        ({"groups": {"value": ["f_0"]}}, "'value' is a property that all features have"),
        ({"groups": {"under5": []}}, "at least 1 item"),
    ],
)
def test_groups_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WorldPopOptions.model_validate({"country": "SLE"} | options)
