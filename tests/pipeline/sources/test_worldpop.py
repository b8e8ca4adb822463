"""WorldPop against a static server, with a small country in place of a real one."""

import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import NoDataError, SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_source_data
from eo_pygeoapi.pipeline.sources.worldpop.source import WorldPopSource
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.standins import chc, worldpop

BOX = (-13.4, 6.9, -10.3, 10.1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    root = tmp_path_factory.mktemp("worldpop")
    for year in (2025, 2026):
        worldpop.make_year(root, "SLE", year)
    worldpop.make_year(root, "SLE", 2020, "global1", nodata=None)
    with chc.running(root) as standin:
        yield standin


@pytest.fixture
def server(running: chc.StandIn) -> Iterator[chc.StandIn]:
    running.clear_log()
    yield running
    running.faults()


def ask(server: chc.StandIn, tmp_path: Path, first: int, last: int, **options: Any) -> SourceRequest:
    given = {"country": "SLE", "baseUrl": f"{server.url}/"} | options
    block = {"id": "people", "source": "worldpop", "options": given}
    defaults = Dataset.model_validate(block).options.defaults()
    interval = Interval(start=date(first, 1, 1), end=date(last, 12, 31))
    return SourceRequest(Dataset.model_validate(block | defaults), interval, BOX, tmp_path / "cache")


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.joinpath("cache").rglob("*.tif"))


def test_people_are_summed_over_units_and_no_data_are_nobody(server: chc.StandIn, tmp_path: Path) -> None:
    asked = ask(server, tmp_path, 2025, 2026)
    extract = extract_source_data(asked)
    assert (extract.left_out, extract.note) == ([], "WorldPop global2 SLE")
    # the whole country, and a part whose rows are without data but for half of the last
    units = made.units({"all": box(-13.5, 6.2, -9.9, 10.2), "north": box(-13.5, 9.925, -9.9, 10.2)})
    grid = open_source_data(asked, extract)
    found = aggregate_to_org_units(grid, units, periods_in(asked.interval, "yearly"), asked.dataset)
    values = dict(
        zip(zip(found.frame["orgUnit"], found.frame["period"], strict=True), found.frame["value"], strict=True)
    )
    for year in (2025, 2026):
        cells = np.where(worldpop.people(year) < 0, 0, worldpop.people(year)).astype("float64")
        # the box of the request cuts off the southern rows and the columns outside it
        inside = cells[:67, 1:65]
        assert values["all", str(year)] == round(inside.sum())
        assert values["north", str(year)] == round(0.5 * inside[5].sum())


@pytest.mark.parametrize(
    ("period_type", "id_", "first", "last", "year"),
    [
        ("yearlyNepali", "2081", "2024-04-13", "2025-04-13", 2024),
        ("yearlyEthiopian", "2016", "2023-09-12", "2024-09-05", 2024),  # its middle is in March 2024
        ("financialJuly", "2024July", "2024-07-01", "2025-06-30", 2024),
        ("financialNov", "2024Nov", "2023-11-01", "2024-10-31", 2024),
    ],
)
def test_years_of_other_calendars_have_the_people_of_their_gregorian_year(
    server: chc.StandIn, tmp_path: Path, period_type: str, id_: str, first: str, last: str, year: int
) -> None:
    worldpop.make_year(server.root, "SLE", year)
    options = {"country": "SLE", "baseUrl": server.url}
    block = {"id": "people", "source": "worldpop", "options": options}
    defaults = Dataset.model_validate(block).options.defaults()
    dataset = Dataset.model_validate(block | defaults | {"periodType": period_type})
    days = Interval(start=date.fromisoformat(first), end=date.fromisoformat(last))
    asked = SourceRequest(dataset, days, (-12.0, 8.0, -11.5, 8.5), tmp_path)
    extract = extract_source_data(asked)
    assert extract.left_out == []
    units = made.units({"a": box(-12.0, 8.0, -11.5, 8.5)})
    periods = periods_in(days, dataset.period_type)
    found = aggregate_to_org_units(open_source_data(asked, extract), units, periods, dataset)
    by_hand = worldpop.people(year)[34:44, 30:40].sum(dtype="float64")
    assert found.frame.loc[0, ["period", "start", "end"]].tolist() == [id_, first, last]
    assert found.frame["value"].item() == pytest.approx(by_hand, abs=1)


def test_a_year_is_downloaded_once(server: chc.StandIn, tmp_path: Path) -> None:
    extract = extract_source_data(ask(server, tmp_path, 2026, 2026))
    server.clear_log()
    assert extract_source_data(ask(server, tmp_path, 2026, 2026)) == extract
    assert server.log() == []
    assert kept(tmp_path) == ["population_2026.tif"]


def test_a_lost_cache_is_downloaded_again(server: chc.StandIn, tmp_path: Path) -> None:
    asked = ask(server, tmp_path, 2026, 2026)
    extract = extract_source_data(asked)
    before = open_source_data(asked, extract).values
    shutil.rmtree(tmp_path / "cache")
    server.clear_log()
    assert extract_source_data(asked) == extract and server.log()
    assert kept(tmp_path) == ["population_2026.tif"]
    assert np.array_equal(open_source_data(asked, extract).values, before, equal_nan=True)


def test_the_older_version_has_its_own_file_and_what_is_below_nobody_is_no_data(
    server: chc.StandIn, tmp_path: Path
) -> None:
    asked = ask(server, tmp_path, 2020, 2020, version="global1")
    grid = open_source_data(asked, extract_source_data(asked))
    assert np.isnan(grid.values[0, :3]).all()
    assert float(np.nanmin(grid.values)) > 0


def test_years_that_there_are_none_of_are_left_out(server: chc.StandIn, tmp_path: Path) -> None:
    extract = extract_source_data(ask(server, tmp_path, 2026, 2027))
    assert [(e.period, e.reason) for e in extract.left_out] == [("2027", "WorldPop global2 SLE has no 2027")]
    with pytest.raises(NoDataError, match="there is nothing for 2031; this version covers 2015 to 2030"):
        extract_source_data(ask(server, tmp_path, 2031, 2031))
    with pytest.raises(NoDataError, match="WorldPop global2 XXX: there is nothing for 2026"):
        extract_source_data(ask(server, tmp_path, 2026, 2026, country="XXX"))


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ({"status": 401}, SourceError, "answers 401"),
        ({"status": 403}, SourceError, "answers 403"),
        ({"status": 429}, SourceUnavailableError, "answers 429 .*try again later"),
        ({"status": 503}, SourceUnavailableError, "answers 503 .*try again later"),
        ({"drop": 3000}, SourceUnavailableError, "no answer, or not a whole one"),
        ({"truncate": 3000}, SourceUnavailableError, "WorldPop global2 SLE 2026: what was received cannot be read"),
        ({"truncate": 0}, SourceUnavailableError, "what was received cannot be read"),
        ({"content": "<html>Welcome</html>"}, SourceUnavailableError, "what was received cannot be read"),
    ],
)
def test_what_goes_wrong_is_said_is_not_kept_and_heals(
    server: chc.StandIn, tmp_path: Path, fault: dict[str, Any], error: type[Exception], message: str
) -> None:
    server.faults({"path": "*_2026_*"} | fault)
    with pytest.raises(SourceError, match=message) as caught:
        extract_source_data(ask(server, tmp_path, 2026, 2026))
    assert type(caught.value) is error
    assert kept(tmp_path) == []
    server.faults()
    asked = ask(server, tmp_path, 2026, 2026)
    assert open_source_data(asked, extract_source_data(asked)).sizes["time"] == 1


@pytest.mark.parametrize("fault", [{"stall": 30}, {"slow": 30}])
def test_a_provider_that_falls_silent_is_given_up_in_time(
    server: chc.StandIn, tmp_path: Path, fault: dict[str, int]
) -> None:
    server.faults({"path": "*_2026_*"} | fault)
    asked = ask(server, tmp_path, 2025, 2026)
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=r"_2026_.*no answer, or not a whole one.*; try again later"):
        WorldPopSource(timeouts=(5, 0.5)).extract(asked)
    assert time.monotonic() - began < 15
    # the other year is whole, and of this one nothing stays behind
    files = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert files == {"population_2025.tif", "about.json", ".lock"}
    server.faults()
    server.clear_log()
    grid = WorldPopSource().open(asked, WorldPopSource().extract(asked))
    assert {entry["path"] for entry in server.log()} == {"/" + worldpop.year_path("SLE", 2026)}
    served = worldpop.people(2026)[1:67, 1:65]
    assert np.array_equal(grid.values[1], np.where(served < 0, np.nan, served), equal_nan=True)


def test_a_year_that_is_not_there_yet_is_left_out_until_it_is(server: chc.StandIn, tmp_path: Path) -> None:
    server.faults({"path": "*_2026_*", "status": 404})
    asked = ask(server, tmp_path, 2025, 2026)
    assert [(e.period, e.reason) for e in extract_source_data(asked).left_out] == [
        ("2026", "WorldPop global2 SLE has no 2026")
    ]
    assert kept(tmp_path) == ["population_2025.tif"]
    server.faults()
    assert extract_source_data(asked).left_out == []
