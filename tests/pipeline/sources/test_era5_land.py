"""ERA5-Land through dhis2eo's request and ECMWF's client, against a stand-in of the Climate Data Store."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in, without
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import (
    NoDataError,
    SourceCredentialError,
    SourceError,
    SourceUnavailableError,
    StaleProviderError,
)
from eo_pygeoapi.pipeline.sources.era5_land.cds import ClimateDataStore, Patience
from eo_pygeoapi.pipeline.sources.era5_land.options import Era5LandOptions
from eo_pygeoapi.pipeline.sources.era5_land.source import PROVIDERS, Era5LandSource, box_of
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_source_data
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.standins import cds

BOX = (-13.3035, 6.9176, -10.2658, 10.0004)  # Sierra Leone
UNITS = made.units({"a": box(-12.0, 8.0, -11.5, 8.5)})
QUICK = Patience(tries=2, between_tries=0.05, answer=2, between_looks=0.2, queue=20)


@pytest.fixture(scope="module")
def running() -> Iterator[cds.StandIn]:
    with cds.running() as server:
        yield server


@pytest.fixture
def server(running: cds.StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[cds.StandIn]:
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    running.clear_log()
    yield running
    running.faults()
    running.state()


Ask = Callable[..., SourceRequest]


@pytest.fixture
def ask(server: cds.StandIn, tmp_path: Path) -> Ask:
    def request(start: str, end: str, variable: str = "total_precipitation", **given: Any) -> SourceRequest:
        rest = {name: given.pop(name) for name in ("companions", "say") if name in given}
        interval = Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))
        return SourceRequest(dataset(variable, **given), interval, BOX, tmp_path, **rest)

    return request


def dataset(variable: str = "total_precipitation", **eo: Any) -> Dataset:
    """A dataset of this variable, with the defaults of the source."""
    options = {"variable": variable} | eo.pop("options", {})
    block: dict[str, Any] = {"id": variable, "source": "era5-land", "options": options}
    checked = Dataset.model_validate(block)
    return Dataset.model_validate(block | checked.options.defaults() | eo)


def source(today: str = "2026-06-01", **patience: Any) -> Era5LandSource:
    quick = partial(ClimateDataStore, patience=Patience(**{**vars(QUICK), **patience}))
    return Era5LandSource(lambda: date.fromisoformat(today), {**PROVIDERS, "cds": quick})


def values(asked: SourceRequest, source: Era5LandSource) -> dict[str, float]:
    """The values of the one unit, by period, as a job computes them."""
    extract = source.extract(asked)
    periods = without(periods_in(asked.interval, asked.dataset.period_type), extract.left_out)
    found = aggregate_to_org_units(source.open(asked, extract), UNITS, periods, asked.dataset)
    assert found.left_out == []
    return dict(zip(found.frame["period"], found.frame["value"], strict=True))


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.nc"))


def days_asked(server: cds.StandIn) -> list[tuple[str, list[str]]]:
    return [(f"{e['year']}-{e['month'][0]}", e["day"]) for e in server.executions()]


# The right number


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("UTC", "2024-01-31", 77.16),
        ("Africa/Nairobi", "2024-01-31", 76.86),
        ("America/Lima", "2024-01-31", 62.16),
        ("Africa/Nairobi", "2024-02-01", 14.16),
    ],
)
def test_rain_of_a_local_day(ask: Ask, zone: str, day: str, expected: float) -> None:
    assert values(ask(day, day, timeZone=zone), source()) == {day.replace("-", ""): expected}


def test_rain_of_a_day_in_a_zone_half_an_hour_off_has_the_hours_that_start_in_it(ask: Ask) -> None:
    hours = np.arange(np.datetime64("2024-01-30T19", "h"), np.datetime64("2024-01-31T19", "h"))
    expected = round(sum(cds.rain(hour) for hour in hours), 2)
    assert values(ask("2024-01-31", "2024-01-31", timeZone="Asia/Kolkata"), source()) == {"20240131": expected}


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_days_on_which_the_clock_is_changed_have_the_hours_they_have(ask: Ask, day: str, hours: int) -> None:
    asked = ask(day, day, timeZone="Europe/Berlin")
    extract = source().extract(asked)
    assert source().open(asked, extract).sizes["time"] == hours


def test_rain_of_a_month_and_of_weeks_is_that_of_its_days(ask: Ask) -> None:
    days = values(ask("2024-01-29", "2024-02-11", decimals=None), source())
    weeks = values(ask("2024-01-29", "2024-02-11", decimals=None, periodType="weekly"), source())
    assert weeks == pytest.approx({"2024W5": sum(list(days.values())[:7]), "2024W6": sum(list(days.values())[7:])})
    month = values(ask("2024-02-01", "2024-02-29", periodType="monthly"), source())
    assert month == {"202402": round(sum(24 * 0.1 * day + 2.76 for day in range(1, 30)), 2)}


@pytest.mark.parametrize(("statistic", "kelvin"), [("mean", 290 + 11.5), ("min", 290), ("max", 290 + 23)])
def test_temperature_of_a_day(ask: Ask, statistic: str, kelvin: float) -> None:
    aggregation = {"spatial": "mean", "temporal": statistic}
    asked = ask("2024-01-31", "2024-01-31", "2m_temperature", aggregation=aggregation, decimals=3)
    assert values(asked, source()) == {"20240131": pytest.approx(kelvin - 3.1 - 273.15, abs=1e-3)}


def test_what_accumulates_is_taken_apart_by_the_clock_and_a_day_is_never_below_nothing() -> None:
    from eo_pygeoapi.pipeline.grids.temporal import complete_periods, to_periods
    from eo_pygeoapi.pipeline.sources.era5_land.hours import amounts

    # 5 mm fall in the second hour; packing makes the numbers after it a little smaller, and the second day's zeros less
    first = np.array([0, 5, *[5 - 4e-5 * n for n in range(22)]])
    second = np.array([0, *[-4e-5 * n for n in range(1, 24)]])
    times = np.arange(np.datetime64("2025-02-20T01", "h"), np.datetime64("2025-02-22T01", "h"))
    grid = made.grid(np.concatenate([first, second])[:, None, None], times=times, step="hour", least=0.0)
    hours = amounts(grid)
    complete, _ = complete_periods(hours, periods_in(Interval(start=date(2025, 2, 20), end=date(2025, 2, 21)), "daily"))
    (block,) = to_periods(hours, complete, "sum")
    assert block.values.ravel().tolist() == [pytest.approx(first[-1], abs=1e-9), 0.0]


def test_an_hour_without_the_one_before_is_left_out_and_so_is_its_day() -> None:
    from eo_pygeoapi.pipeline.grids.temporal import complete_periods
    from eo_pygeoapi.pipeline.sources.era5_land.hours import amounts

    times = np.arange(np.datetime64("2025-02-20T01", "h"), np.datetime64("2025-02-22T01", "h"))
    holed = np.delete(times, 5)
    hours = amounts(made.grid(np.ones(holed.size)[:, None, None], times=holed, step="hour"))
    both = periods_in(Interval(start=date(2025, 2, 20), end=date(2025, 2, 21)), "daily")
    complete, left_out = complete_periods(hours, both)
    assert [steps.period.id for steps in complete] == ["20250221"]
    assert [entry.reason for entry in left_out] == ["incomplete: 22 of 24 hours"]


def test_radiation_is_summed_in_its_own_units(ask: Ask) -> None:
    asked = ask("2024-01-31", "2024-01-31", "surface_solar_radiation_downwards")
    assert asked.dataset.aggregation.temporal == "sum"
    assert values(asked, source()) == {"20240131": pytest.approx(77160, rel=1e-6)}


def test_a_cell_at_sea_has_no_data(ask: Ask) -> None:
    asked = ask("2024-01-31", "2024-01-31")
    grid = source().open(asked, source().extract(asked))
    at_sea = np.isnan(grid.values)
    assert at_sea.all(axis=0).sum() == 1 and (at_sea == at_sea[0]).all()


# What is asked of the provider


def test_the_box_is_the_providers_own_points_around_the_units_and_one_more(ask: Ask, server: cds.StandIn) -> None:
    assert box_of(BOX) == (-13.5, 6.8, -10.1, 10.2)
    assert box_of((-13.4, 7.0, -10.3, 10.0)) == (-13.5, 6.9, -10.2, 10.1)
    assert box_of((-180.0, -90.0, 180.0, 90.0)) == (-180.0, -90.0, 180.0, 90.0)
    source().extract(ask("2024-01-31", "2024-01-31"))
    assert {tuple(e["area"]) for e in server.executions()} == {(10.2, -13.5, 6.8, -10.1)}


def test_only_days_that_are_needed_and_not_kept_are_asked_for(ask: Ask, server: cds.StandIn) -> None:
    source().extract(ask("2024-01-30", "2024-01-31"))
    assert days_asked(server) == [("2024-01", ["30", "31"]), ("2024-02", ["01"])]
    server.clear_log()
    source().extract(ask("2024-01-29", "2024-01-31"))
    assert days_asked(server) == [("2024-01", ["29"])]
    server.clear_log()
    source().extract(ask("2024-01-29", "2024-01-31"))
    assert server.log() == []


def test_datasets_of_the_same_units_share_a_request(ask: Ask, server: cds.StandIn) -> None:
    rain, temperature = dataset(), dataset("2m_temperature", timeZone="Africa/Nairobi")
    source().extract(ask("2024-01-10", "2024-01-11", companions=(rain, temperature)))
    assert [(sorted(e["variable"]), e["day"]) for e in server.executions()] == [
        (["2m_temperature", "total_precipitation"], ["09", "10", "11", "12"])
    ]
    asked = ask("2024-01-10", "2024-01-11", "2m_temperature", timeZone="Africa/Nairobi", companions=(rain,))
    server.clear_log()
    assert len(values(asked, source())) == 2
    assert server.log() == []


def test_a_mistake_in_another_dataset_is_not_shared(ask: Ask, server: cds.StandIn) -> None:
    wrong = Dataset.model_validate({"id": "x", "source": "era5-land", "options": {"variable": "rain"}})
    assert values(ask("2024-01-10", "2024-01-10", companions=(wrong,)), source()) == {"20240110": 26.76}


def test_a_request_that_is_too_large_is_made_in_parts(ask: Ask, server: cds.StandIn) -> None:
    # two variables of the days 10 to 13 are 192 hours: first each variable by itself, then two days of it
    server.state(fields=48)
    asked = ask("2024-01-10", "2024-01-12", companions=(dataset("2m_temperature"),))
    assert values(asked, source()) == {"20240110": 26.76, "20240111": 29.16, "20240112": 31.56}
    taken = [(e["variable"], e["day"]) for e in server.executions() if len(e["variable"]) * len(e["day"]) <= 2]
    assert sorted(taken) == [
        (["2m_temperature"], ["10", "11"]),
        (["2m_temperature"], ["12", "13"]),
        (["total_precipitation"], ["10", "11"]),
        (["total_precipitation"], ["12", "13"]),
    ]
    server.clear_log()
    assert len(values(ask("2024-01-10", "2024-01-12", "2m_temperature"), source())) == 3
    assert server.log() == []


def test_a_request_that_is_too_large_is_no_licence(ask: Ask, server: cds.StandIn) -> None:
    server.state(fields=10)
    words = (
        r"Climate Data Store: takes no request as large as that for ERA5-Land total_precipitation 2024-01-10 \(403\): "
        r"cost limits exceeded\. Your request is too large, please reduce your selection\.$"
    )
    with pytest.raises(SourceError, match=words) as caught:
        source().extract(ask("2024-01-10", "2024-01-10"))
    assert not isinstance(caught.value, SourceCredentialError)


def test_a_file_that_says_once_that_it_is_provisional(ask: Ask, server: cds.StandIn, tmp_path: Path) -> None:
    server.state(says_version_once=True)
    source().extract(ask("2026-03-01", "2026-03-01", "2m_temperature"))
    assert kept(tmp_path) == ["2m_temperature_2026-03-01.provisional.nc"]


def test_a_run_that_waits_in_the_queue_says_so(ask: Ask, server: cds.StandIn) -> None:
    server.state(polls=2)
    said: list[str] = []
    source().extract(ask("2024-01-10", "2024-01-10", "2m_temperature", say=said.append))
    assert said[0] == (
        "ERA5-Land 2m_temperature 2024-01-10 waits in the queue of the Climate Data Store, since 0 min "
        f"(request {said[0].rpartition(' ')[2]}"
    )
    assert said[-1] == "downloads ERA5-Land 2m_temperature 2024-01-10 from the Climate Data Store"


def test_a_queue_does_not_hold_a_run_for_ever(ask: Ask, server: cds.StandIn) -> None:
    server.state(polls=1000)
    with pytest.raises(SourceUnavailableError, match=r"is not ready after 0 hours \(request job-\d+, accepted\)"):
        source(queue=1).extract(ask("2024-01-10", "2024-01-10"))


def test_two_jobs_that_need_the_same_fetch_it_once(ask: Ask, server: cds.StandIn) -> None:
    server.state(polls=4)
    said: list[str] = []
    with ThreadPoolExecutor(2) as jobs:
        asked = ask("2024-01-10", "2024-01-10", say=said.append)
        first, second = list(jobs.map(lambda _: source().extract(asked), range(2)))
    assert first == second
    assert len(server.executions()) == 1
    assert "waits for another job that fetches ERA5-Land of the Climate Data Store 2024-01" in said


# Near real time

SILENT = {"path": "/api/catalogue/v1/collections/*", "status": 503}


def test_days_that_are_not_published_yet_are_left_out_and_expected(
    ask: Ask, server: cds.StandIn, tmp_path: Path
) -> None:
    server.state(latest="2026-05-26")
    asked, today = ask("2026-05-24", "2026-05-29"), "2026-06-01"
    extract = source(today).extract(asked)
    assert [(e.period, e.reason, e.expected) for e in extract.left_out] == [
        # 00:00 of the 27th is the last number of the 26th
        ("20260526", "not published: 2026-05-27 (UTC)", "2026-06-02"),
        ("20260527", "not published: 2026-05-27 to 2026-05-28 (UTC)", "2026-06-03"),
        ("20260528", "not published: 2026-05-28 to 2026-05-29 (UTC)", "2026-06-04"),
        ("20260529", "not published: 2026-05-29 to 2026-05-30 (UTC)", "2026-06-05"),
    ]
    assert kept(tmp_path) == ["total_precipitation_2026-05-24_2026-05-26.nc"]
    assert source(today).open(asked, extract).sizes["time"] == 24 * 3 - 1
    # the next day there is one more, and only what is missing is asked for
    server.state(latest="2026-05-27")
    server.clear_log()
    assert len(source("2026-06-02").extract(asked).left_out) == 3
    assert days_asked(server) == [("2026-05", ["27"])]  # the catalogue says that there are no more


def test_a_provider_whose_catalogue_is_silent_is_asked_for_all_days(
    ask: Ask, server: cds.StandIn, tmp_path: Path
) -> None:
    server.state(latest="2026-05-26")
    server.faults(SILENT)
    assert len(source("2026-06-01").extract(ask("2026-05-24", "2026-05-29")).left_out) == 4
    assert days_asked(server) == [("2026-05", ["24", "25", "26", "27", "28", "29", "30"])]


def test_the_catalogue_is_not_asked_about_days_that_are_surely_there(ask: Ask, server: cds.StandIn) -> None:
    source("2026-06-01").extract(ask("2026-01-24", "2026-01-24"))
    assert not [entry for entry in server.log() if "/collections/" in entry["path"]]


@pytest.mark.parametrize(("faults", "asked"), [([], []), ([SILENT], [("2026-05", ["30", "31"])])])
def test_nothing_published_is_said_with_the_day_to_come_back(
    ask: Ask, server: cds.StandIn, tmp_path: Path, faults: list[dict[str, Any]], asked: list[tuple[str, list[str]]]
) -> None:
    server.state(latest="2026-05-26")
    server.faults(*faults)
    message = (
        r"ERA5-Land of the Climate Data Store: nothing is published for 2026-05-30 to 2026-05-31 "
        r"\(it lacks 2026-05-30 to 2026-06-01 \(UTC\)\); expected 2026-06-06"
    )
    with pytest.raises(NoDataError, match=message):
        source("2026-06-01").extract(ask("2026-05-30", "2026-05-31"))
    # what its latest day is says the catalogue, or the first refusal: it is not asked for June
    assert days_asked(server) == asked
    assert kept(tmp_path) == []


def test_a_provider_that_has_stopped_is_an_error(ask: Ask, server: cds.StandIn) -> None:
    server.state(latest="2026-05-26")
    message = "stale provider: the newest day of ERA5-Land of the Climate Data Store is 2026-05-26, 13 days ago"
    for start, end in (("2026-05-25", "2026-05-28"), ("2026-06-05", "2026-06-06")):
        with pytest.raises(StaleProviderError, match=message):
            source("2026-06-08").extract(ask(start, end, "2m_temperature"))
    assert source("2026-06-08").extract(ask("2026-05-25", "2026-05-26", "2m_temperature")).left_out == []


def test_nothing_yet_without_the_latest_day_is_expected_after_the_usual_delay(ask: Ask, server: cds.StandIn) -> None:
    said = {"title": "The job failed", "traceback": "None of the data you have requested is available yet"}
    server.faults({"path": EXECUTION, "status": 400, "json": said})
    with pytest.raises(NoDataError, match=r"nothing is published for .*; expected 2026-06-05"):
        source("2026-06-01").extract(ask("2026-05-30", "2026-05-30", "2m_temperature"))


def test_provisional_data_are_asked_for_again_when_final_ones_are_due(
    ask: Ask, server: cds.StandIn, tmp_path: Path
) -> None:
    server.state(final="2026-03-01")
    asked = ask("2026-03-01", "2026-03-03", "2m_temperature")
    assert source("2026-03-20").extract(asked).note == (
        "ERA5-Land (Climate Data Store), provisional (ERA5T) from 2026-03-02"
    )
    assert kept(tmp_path) == ["2m_temperature_2026-03-01.nc", "2m_temperature_2026-03-02_2026-03-03.provisional.nc"]
    for path in tmp_path.rglob("*.provisional.nc"):
        os.utime(path, (0, time.mktime((2026, 3, 20, 12, 0, 0, 0, 0, -1))))
    server.clear_log()
    source("2026-06-05").extract(asked)
    assert server.log() == []
    server.state()
    assert Era5LandOptions().final_from(date(2026, 3, 3)) == date(2026, 6, 6)
    assert source("2026-06-06").extract(asked).note == "ERA5-Land (Climate Data Store)"
    assert days_asked(server) == [("2026-03", ["02", "03"])]
    assert kept(tmp_path) == ["2m_temperature_2026-03-01.nc", "2m_temperature_2026-03-02_2026-03-03.nc"]


# Faults

DAY = ("2024-01-10", "2024-01-10")
NO_FILE = "(its file of .* cannot be downloaded|no answer, or not a whole one)"
EXECUTION = f"{cds.PROCESS}/execution"


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ({"path": EXECUTION, "status": 401}, SourceCredentialError, "refuses the key; check ECMWF_DATASTORES_KEY"),
        (
            {"path": EXECUTION, "status": 403, "json": cds.LICENCE},
            SourceCredentialError,
            "refuses; the licence of the data must be accepted once, by the owner of the key: "
            "required licences not accepted. Not all the required licences have been accepted; please visit https://cds",
        ),
        ({"path": EXECUTION, "status": 404}, SourceError, r"refuses the request for .* \(404\): made to fail"),
        ({"path": EXECUTION, "status": 429}, SourceUnavailableError, "answers 429 for .*made to fail; try again later"),
        ({"path": EXECUTION, "status": 503}, SourceUnavailableError, "answers 503 for .*; try again later"),
        ({"path": EXECUTION, "stall": 1}, SourceUnavailableError, "no answer, or not a whole one, for ERA5-Land total"),
        ({"path": "/asset*", "status": 404}, SourceUnavailableError, NO_FILE),
        ({"path": "/asset*", "status": 503}, SourceUnavailableError, NO_FILE),
        ({"path": "/asset*", "method": "GET", "drop": 3000}, SourceUnavailableError, "no answer, or not a whole one"),
        ({"path": "/asset*", "method": "GET", "stall": 1}, SourceUnavailableError, "no answer, or not a whole one"),
        ({"path": "/asset*", "method": "GET", "slow": 1}, SourceUnavailableError, "no answer, or not a whole one"),
        ({"path": "/asset*", "method": "GET", "status": 403}, SourceUnavailableError, NO_FILE),
        ({"path": "/asset*", "truncate": 3000}, SourceUnavailableError, "received what cannot be read"),
        ({"path": "/asset*", "content": "<html>"}, SourceUnavailableError, "received what cannot be read"),
        ({"path": "/asset*", "content": ""}, SourceUnavailableError, "received what cannot be read"),
    ],
)
def test_what_goes_wrong_is_said_is_not_kept_and_heals(
    ask: Ask, server: cds.StandIn, tmp_path: Path, fault: dict[str, Any], error: type[Exception], message: str
) -> None:
    server.faults(fault)
    patience: dict[str, Any] = {"answer": 0.5} if fault.keys() & {"stall", "slow"} else {}
    with pytest.raises(SourceError, match=f"^(ERA5-Land of the )?Climate Data Store: .*{message}") as caught:
        source(**patience).extract(ask(*DAY))
    assert type(caught.value) is error
    assert kept(tmp_path) == []
    server.faults()
    assert values(ask(*DAY), source()) == {"20240110": 26.76}


def test_a_provider_that_stumbles_once_is_asked_again(ask: Ask, server: cds.StandIn) -> None:
    server.faults({"path": EXECUTION, "status": 503, "times": 1}, {"path": "/asset*", "status": 500, "times": 1})
    assert values(ask(*DAY), source()) == {"20240110": 26.76}


def test_a_wrong_key_and_no_key_are_said(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECMWF_DATASTORES_KEY", "wrong")
    with pytest.raises(SourceError, match=r"refuses the key.*Authentication failed\. the key is not known here"):
        source().extract(ask(*DAY))
    monkeypatch.delenv("ECMWF_DATASTORES_KEY")
    monkeypatch.setenv("ECMWF_DATASTORES_RC_FILE", "/nowhere")
    with pytest.raises(SourceError, match="no key; set ECMWF_DATASTORES_KEY"):
        source().extract(ask(*DAY))


def test_a_provider_that_is_away_is_given_up_in_seconds(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECMWF_DATASTORES_URL", "http://127.0.0.1:9/api")
    with pytest.raises(SourceUnavailableError, match="no answer, or not a whole one, for ERA5-Land"):
        source().extract(ask(*DAY))


def test_a_variable_that_the_provider_does_not_have_is_its_refusal(ask: Ask) -> None:
    with pytest.raises(SourceError, match=r"\(400\): The job failed. MultiAdaptor: the request has not produced"):
        source().extract(ask(*DAY, "2m_temprature"))


def test_a_file_of_other_days_is_refused(ask: Ask, server: cds.StandIn, tmp_path: Path) -> None:
    from eo_pygeoapi.pipeline.sources.era5_land import received

    asked = ask(*DAY)
    extract = source().extract(asked)
    found = received.read([Path(extract.files[0])], "total_precipitation", "CDS")
    with pytest.raises(SourceUnavailableError, match=r"CDS: received 2024-01-10T00 to .*; expected 2024-01-20"):
        received.check(found, [date(2024, 1, 20)], BOX, "CDS")
    with pytest.raises(SourceError, match="which is outside"):
        received.check(found, [date(2024, 1, 10)], (30.0, 8.0, 31.0, 9.0), "CDS")


def test_a_damaged_file_in_the_cache_is_fetched_again(ask: Ask, server: cds.StandIn, tmp_path: Path) -> None:
    source().extract(ask(*DAY))
    (path,) = tmp_path.rglob("*_2024-01-10_2024-01-11.nc")
    for damage in (path.read_bytes()[:2000], b""):
        path.write_bytes(damage)
        server.clear_log()
        assert values(ask(*DAY), source()) == {"20240110": 26.76}
        assert days_asked(server) == [("2024-01", ["10", "11"])]


def test_the_table_finds_the_source(ask: Ask) -> None:
    asked = ask(*DAY)
    assert open_source_data(asked, extract_source_data(asked)).attrs["step"] == "hour"
