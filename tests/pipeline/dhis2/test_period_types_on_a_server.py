"""Local calendars, every period type and disaggregation on a real DHIS2 (`EO_TEST_DHIS2_URL`), imported as jobs do.

What days a server takes an id for stands in its table of periods, which a SQL view of the test reads.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from eo_pygeoapi.contract.models import ImportSummary, Interval
from eo_pygeoapi.contract.period_types import NOT_OF_DHIS2, PERIOD_TYPES, PeriodType
from eo_pygeoapi.contract.periods import Period, calendar_of, name_in_dhis2, periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from tests.pipeline.dhis2.imports import files
from tests.pipeline.dhis2.metadata.places import Place, datasets, real_server
from tests.pipeline.dhis2.servers import REAL
from tests.standins.dhis2_metadata import BO

KONO = "Vth0fbpFcsO"
# years of its own for each calendar: from 2.43 on DHIS2 keeps days with the id of the calendar that it met them in
DAYS = {
    "ethiopian": Interval(start=date(2013, 9, 1), end=date(2016, 12, 31)),
    "nepali": Interval(start=date(2017, 4, 1), end=date(2020, 12, 31)),
    "iso8601": Interval(start=date(2021, 1, 1), end=date(2025, 12, 31)),
}
LOCAL = [type_ for type_ in PERIOD_TYPES if calendar_of(type_) != "iso8601"]
OF_DHIS2 = [type_ for type_ in PERIOD_TYPES if type_ not in (*NOT_OF_DHIS2, *LOCAL)]
BANDS = ["f_0", "m_0", "f_1", "m_1"]
HELD_PERIODS = """
    select distinct t.name, p.startdate, p.enddate from datavalue v join period p on p.periodid = v.periodid
    join periodtype t on t.periodtypeid = p.periodtypeid
    join dataelement d on d.dataelementid = v.dataelementid where d.code = '${code}'
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not REAL, reason="set EO_TEST_DHIS2_URL"),
]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with real_server() as place, calendar(place, "iso8601"):
        place.post(
            sqlViews=[{"id": "EoHeldPerio", "name": "EO held periods", "type": "QUERY", "sqlQuery": HELD_PERIODS}]
        )
        yield place


@pytest.fixture(scope="module")
def enabled(place: Place) -> dict[PeriodType, Dataset]:
    """Return a dataset of rain by each period type, with what `dhis2 setup` has made for all of them."""
    eo = {"defaults": {"orgUnits": {"source": "dhis2", "level": [2]}, "dhis2": {"connection": "national"}}}
    types = [*LOCAL, *(type_ for type_ in OF_DHIS2 if type_ not in unknown(place))]
    resources = {
        f"rain-{type_.lower()}-{place.tag}": {
            "type": "collection",
            "title": f"Rain {type_} {place.tag}",
            "eo": {"source": "chirps3", "periodType": type_},
        }
        for type_ in types
    }
    found = read_datasets({"eo": eo, "resources": resources}, Path("."))
    made = place.set_up(found, apply=True)
    assert made.problems == []
    return {dataset.period_type: dataset for dataset in found.values()}


def unknown(place: Place) -> list[str]:
    """Return the period types that this version does not have, by what it says itself."""
    with place.client() as client:
        answer = client.get("/api/periodTypes", params={"fields": "name"})
    names = {found["name"] for found in answer.json()["periodTypes"]}
    return [type_ for type_ in OF_DHIS2 if name_in_dhis2(type_) not in names]


@contextmanager
def calendar(place: Place, name: str) -> Iterator[None]:
    """Have the server run on a calendar."""
    with place.client() as client:
        client.post("/api/systemSettings/keyCalendar", params={"value": name}).raise_for_status()
        try:
            yield
        finally:
            client.post("/api/systemSettings/keyCalendar", params={"value": "iso8601"}).raise_for_status()


def run(folder: Path, place: Place, dataset: Dataset, periods: list[Period], add: float = 0) -> ImportSummary:
    """Import a value of two units for each of the periods."""
    cells = {(unit, p.id): n + m + add for n, unit in enumerate((BO, KONO)) for m, p in enumerate(periods, 1)}
    made = files(folder, cells, dataset.dhis2, f"{dataset.id}-{time.time_ns()}")
    return import_to_dhis2(made, dataset, False, partial(connect, place.importer, read_timeout=300), pauses=(1, 2))


def held_periods(place: Place, code: str) -> set[tuple[str, str, str]]:
    """Return type, first and last day of the periods of which the server holds values of a data element."""
    with place.client() as client:
        answer = client.get("/api/sqlViews/EoHeldPerio/data", params={"var": f"code:{code}", "paging": "false"})
    answer.raise_for_status()
    return {(str(name), str(start)[:10], str(end)[:10]) for name, start, end in answer.json()["listGrid"]["rows"]}


def held_ids(place: Place, dataset: Dataset, days: Interval) -> dict[tuple[str, str], float]:
    """Return the values that we find again, as imports do, by unit and id of the period."""
    with connect(place.importer) as dhis2:
        element = place.object("dataElements", dataset.dhis2.data_element)["id"]
        found = dhis2.stored_values(element, days.start, days.end, [BO, KONO])
    return {(value["orgUnit"], value["period"]): float(value["value"]) for value in found}


def arrives(folder: Path, place: Place, dataset: Dataset) -> None:
    """Import, read back, and import the same and others again."""
    periods = periods_in(DAYS[calendar_of(dataset.period_type)], dataset.period_type)[-3:]
    summary = run(folder, place, dataset, periods)
    assert (summary.reason, summary.findings, summary.rejected) == ("", [], [])
    assert (summary.status, summary.imported) == ("SUCCESS", 2 * len(periods))
    days = Interval(start=periods[0].start, end=periods[-1].end)
    assert held_ids(place, dataset, days).keys() == {(unit, p.id) for unit in (BO, KONO) for p in periods}
    name = name_in_dhis2(dataset.period_type)
    expected = {(name, period.start.isoformat(), period.end.isoformat()) for period in periods}
    assert held_periods(place, dataset.dhis2.data_element) == expected
    again = run(folder, place, dataset, periods)
    assert (again.unchanged, again.imported, again.updated) == (2 * len(periods), 0, 0)
    later = run(folder, place, dataset, periods, add=10)
    assert (later.updated, later.kept_count) == (2 * len(periods), 0)


@pytest.mark.parametrize("period_type", LOCAL)
def test_values_of_a_local_calendar_arrive_under_its_ids_and_of_the_same_days(
    place: Place, enabled: dict[PeriodType, Dataset], tmp_path: Path, period_type: PeriodType
) -> None:
    with calendar(place, calendar_of(period_type)):
        arrives(tmp_path, place, enabled[period_type])


@pytest.mark.parametrize("period_type", OF_DHIS2)
def test_values_of_each_period_type_arrive(
    place: Place, enabled: dict[PeriodType, Dataset], tmp_path: Path, period_type: PeriodType
) -> None:
    if period_type not in enabled:
        made = place.set_up(datasets(place, "rain", rain={"periodType": period_type}), apply=True)
        assert len(made.problems) == 1 and f"has no {name_in_dhis2(period_type)} periods" in made.problems[0]
        pytest.skip(f"this DHIS2 has no {period_type} periods, and the setup says so")
    arrives(tmp_path, place, enabled[period_type])


@pytest.mark.parametrize(
    ("of_server", "period_type"),
    [("nepali", "monthly"), ("ethiopian", "monthlyNepali"), ("iso8601", "monthlyEthiopian")],
)
def test_periods_of_another_calendar_are_refused_before_anything_is_sent(
    place: Place, enabled: dict[PeriodType, Dataset], tmp_path: Path, of_server: str, period_type: PeriodType
) -> None:
    with calendar(place, of_server):
        periods = periods_in(DAYS[calendar_of(period_type)], period_type)[:3]
        summary = run(tmp_path, place, enabled[period_type], periods)
    assert summary.status == "ERROR" and f"DHIS2 uses the calendar {of_server!r}" in summary.reason


def test_people_by_age_and_sex_arrive_in_their_option_combinations(place: Place, tmp_path: Path) -> None:
    block = {"options": {"country": "SLE", "groups": BANDS}}
    ((id_, dataset),) = datasets(place, "people", people=block).items()
    assert place.set_up({id_: dataset}, apply=True).problems == []
    assert place.set_up({id_: dataset}).steps == []
    units = list(enumerate((BO, KONO), 1))
    cells = {(unit, "2023", band): 10.0 * n + m for n, unit in units for m, band in enumerate(BANDS, 1)}
    made = files(tmp_path, cells, dataset.dhis2, "people")
    summary = import_to_dhis2(made, dataset, False, partial(connect, place.importer, read_timeout=300), pauses=(1, 2))
    assert (summary.status, summary.imported, summary.findings) == ("SUCCESS", 8, [])
    element = place.object("dataElements", dataset.dhis2.data_element)["id"]
    with connect(place.importer) as dhis2:
        combos = {c["id"]: c["name"] for c in dhis2.matching("categoryOptionCombos", "name:like:EO", "id,name")}
        found = dhis2.stored_values(element, date(2023, 1, 1), date(2023, 12, 31), [BO, KONO])
    names = dict(zip(BANDS, itertools.product(("under 1 year", "1 to 4 years"), ("Female", "Male")), strict=True))
    held = {(value["orgUnit"], combos[value["categoryOptionCombo"]]): float(value["value"]) for value in found}
    expected = {(unit, band): value for (unit, _, band), value in cells.items()}
    assert {(unit, band_of(name, names)): value for (unit, name), value in held.items()} == expected


def band_of(name: str, names: dict[str, tuple[str, str]]) -> str:
    """Return the band that the option combination of this name is for."""
    (band,) = (band for band, (age, sex) in names.items() if f"{sex} (EO)" in name and f"{age} (EO)" in name)
    return band
