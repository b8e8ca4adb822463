"""The people by whom cells are weighed, from a stand-in of WorldPop."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from shapely.geometry import box

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.pipeline.sources.file.options import FileOptions
from eo_pygeoapi.pipeline.sources.people import extract_people, people_request
from eo_pygeoapi.pipeline.sources.step import (
    SourceRequest,
    extract_source_data,
    open_people_of,
    open_source_data,
    source_for,
)
from eo_pygeoapi.pipeline.sources.worldpop.options import WorldPopOptions
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made, made_files
from tests.standins import chc, worldpop

BOX = (-12.5, 7.5, -11.5, 8.5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    root = tmp_path_factory.mktemp("worldpop")
    for year in (2015, 2016):
        worldpop.make_year(root, "SLE", year)
    with chc.running(root) as standin:
        yield standin


def ask(server: chc.StandIn, folder: Path, first: int, last: int, **eo: Any) -> SourceRequest:
    """Ask for the yearly values of a file whose western half is 10, and whose eastern half is 40."""
    years = np.array([f"{year}-01-01" for year in range(first, last + 1)], "M8[ns]")
    longitudes, latitudes = -13.45 + 0.1 * np.arange(36), 10.15 - 0.1 * np.arange(40)
    halves = np.broadcast_to(np.where(longitudes < -12, 10.0, 40.0), (len(years), 40, 36))
    coordinates = {"time": years, "lat": latitudes, "lon": longitudes}
    heat = xr.DataArray(halves, dims=("time", "lat", "lon"), coords=coordinates).to_dataset(name="heat")
    path = made_files.written(heat, folder / "heat.nc")
    population = {"options": {"country": "SLE", "baseUrl": server.url}}
    block = {"options": {"href": str(path)}, "periodType": "yearly", "population": population} | eo
    interval = Interval(start=date(first, 1, 1), end=date(last, 12, 31))
    return SourceRequest(made.dataset(**block), interval, BOX, folder / "cache")


def values(asked: SourceRequest) -> list[float]:
    extract = extract_source_data(asked)
    found = aggregate_to_org_units(
        open_source_data(asked, extract),
        made.units({"all": box(*BOX)}),
        periods_in(asked.interval, "yearly"),
        asked.dataset,
        people=open_people_of(asked, extract),
    )
    return [float(value) for value in found.frame["value"]]


def people(year: int) -> tuple[float, float]:
    """The people of the western and the eastern half of the box."""
    rows, columns = 10.2 - 0.05 * (np.arange(80) + 0.5), -13.5 + 0.05 * (np.arange(72) + 0.5)
    inside = worldpop.people(year)[(rows > 7.5) & (rows < 8.5)].astype("float64")
    return tuple(inside[:, (columns > w) & (columns < w + 0.5)].sum() for w in (-12.5, -12.0))


def test_each_year_is_weighed_by_its_own_people_or_the_nearest(server: chc.StandIn, tmp_path: Path) -> None:
    asked = ask(server, tmp_path, 2013, 2016, aggregation={"weight": "population"})
    expected = [(10 * west + 40 * east) / (west + east) for west, east in map(people, (2015, 2015, 2015, 2016))]
    assert values(asked) == pytest.approx(expected, rel=1e-6)
    assert extract_source_data(asked).note_of_all == (
        "people of WorldPop global2 SLE; those of 2015 stand for 2013 to 2014"
    )


def test_a_year_that_worldpop_lacks_is_replaced_by_the_nearest_that_it_has(server: chc.StandIn, tmp_path: Path) -> None:
    asked = ask(server, tmp_path, 2016, 2018, exposure={"above": 35})
    assert values(asked) == pytest.approx([people(2016)[1]] * 3, rel=1e-6)
    assert "those of 2016 stand for 2017 to 2018" in extract_source_data(asked).in_words()


def test_a_year_of_a_local_calendar_has_the_people_of_its_gregorian_year(server: chc.StandIn, tmp_path: Path) -> None:
    asked = ask(server, tmp_path, 2015, 2016, exposure={"above": 35}, periodType="yearlyNepali")
    # 2072 is 14 April 2015 to 12 April 2016, and the only whole one
    assert [period.id for period in periods_in(asked.interval, "yearlyNepali")] == ["2072"]
    wanted = people_request(asked)
    assert wanted.interval == Interval(start=date(2015, 1, 1), end=date(2015, 12, 31))
    extract = extract_people(asked, source_for(wanted.dataset))
    assert extract.note == "people of WorldPop global2 SLE" and len(extract.files) == 1


def test_a_dataset_that_does_not_weigh_people_asks_for_none(server: chc.StandIn, tmp_path: Path) -> None:
    server.clear_log()
    extract = extract_source_data(asked := ask(server, tmp_path, 2015, 2015))
    assert (extract.people, open_people_of(asked, extract), server.log()) == (None, None, [])


def test_the_nearest_year_is_one_that_the_source_may_have() -> None:
    assert [WorldPopOptions(country="SLE").nearest_year(year) for year in (1990, 2020, 2040)] == [2015, 2020, 2030]
    assert WorldPopOptions(country="SLE", version="global1").nearest_year(1990) == 2000
    assert FileOptions(href="people.tif", time="2020-01").nearest_year(2026) == 2020
    assert FileOptions(href="people-{YYYY}.tif").nearest_year(2026) == 2026
