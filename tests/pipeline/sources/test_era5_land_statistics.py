"""The daily statistics of the Climate Data Store: equal to what the hours give, where they take their place."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.datasets.combinations import combination_problems
from eo_pygeoapi.datasets.cost import Needed
from eo_pygeoapi.pipeline.sources.era5_land.options import Era5LandOptions
from eo_pygeoapi.pipeline.sources.era5_land.statistics import daily_statistic
from tests.pipeline.sources.test_era5_land import BOX, ask, dataset, kept, running, server, source, values
from tests.standins import cds

__all__ = ["ask", "running", "server"]  # fixtures
DAY = "2024-01-31"
DAILY = {"product": "daily"}
Ask = Callable[..., Any]


def asked_for(server: cds.StandIn) -> list[tuple[str, str, list[str]]]:
    """Which statistic, time zone and days CDS was asked for; KeyError where it was asked for hours."""
    return [(e["daily_statistic"], e["time_zone"], e["day"]) for e in server.executions()]


@pytest.mark.parametrize(
    ("zone", "written", "celsius"),
    [
        # 290 K and the hour, less a tenth of the day of the month: 3.1 K on the 31st
        ("UTC", "utc+00:00", {"mean": 290 + 11.5 - 3.1 - 273.15, "min": 290 - 3.1 - 273.15, "max": 313 - 3.1 - 273.15}),
        # the first three hours are 21 to 23 UTC of the 30th
        (
            "Africa/Nairobi",
            "utc+03:00",
            {
                "mean": 290 + 11.5 - (3 * 3.0 + 21 * 3.1) / 24 - 273.15,
                "min": 290 - 3.1 - 273.15,
                "max": 313 - 273.15 - 3.0,
            },
        ),
        # the last five are 00 to 04 UTC of the 1st of February
        (
            "America/Lima",
            "utc-05:00",
            {
                "mean": 290 + 11.5 - (19 * 3.1 + 5 * 0.1) / 24 - 273.15,
                "min": 290 - 0.1 - 273.15,
                "max": 313 - 3.1 - 273.15,
            },
        ),
    ],
)
@pytest.mark.parametrize(
    ("statistic", "name"), [("mean", "daily_mean"), ("min", "daily_minimum"), ("max", "daily_maximum")]
)
def test_a_day_is_what_its_hours_give(
    ask: Ask, server: cds.StandIn, zone: str, written: str, celsius: dict[str, float], statistic: str, name: str
) -> None:
    given: dict[str, Any] = {"aggregation": {"temporal": statistic}, "timeZone": zone, "decimals": None}
    of_days = values(ask(DAY, DAY, "2m_temperature", options=DAILY, **given), source())
    assert asked_for(server) == [(name, written, ["31"])]
    assert of_days == {"20240131": pytest.approx(celsius[statistic], abs=2e-5)}
    assert of_days == pytest.approx(values(ask(DAY, DAY, "2m_temperature", **given), source()), abs=2e-5)


@pytest.mark.parametrize(
    ("aggregation", "name"),
    [
        ({"daily": "max", "temporal": "mean"}, "daily_maximum"),
        ({"daily": "min", "temporal": "max"}, "daily_minimum"),
        ({"daily": "max", "temporal": "days-above-38"}, "daily_maximum"),
        ({"temporal": "mean"}, "daily_mean"),
    ],
)
def test_a_month_of_days_is_what_its_hours_give(
    ask: Ask, server: cds.StandIn, aggregation: dict[str, str], name: str
) -> None:
    given: dict[str, Any] = {"aggregation": aggregation, "periodType": "monthly", "timeZone": "Asia/Bangkok"}
    days = ask("2024-02-01", "2024-02-29", "2m_temperature", options=DAILY, decimals=None, **given)
    found = values(days, source())
    assert asked_for(server) == [(name, "utc+07:00", [f"{day:02}" for day in range(1, 30)])]
    hours = ask("2024-02-01", "2024-02-29", "2m_temperature", decimals=None, **given)
    assert found == pytest.approx(values(hours, source()), abs=2e-5)


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Asia/Kolkata", "2024-01-31", "2024-01-31"),  # half an hour
        ("Europe/Berlin", "2024-03-25", "2024-03-31"),  # has a day of 23 hours
        ("Pacific/Apia", "2011-12-29", "2011-12-31"),  # left out a day
    ],
)
def test_hours_are_asked_for_where_days_are_not_whole_hours_from_utc(zone: str, first: str, last: str) -> None:
    days = date.fromisoformat(first), date.fromisoformat(last)
    assert daily_statistic(Aggregation(), zone, *days) is None
    assert daily_statistic(Aggregation(), "Africa/Freetown", *days) is not None


def test_a_time_with_one_offset_has_statistics_in_a_zone_that_changes_its_clock(ask: Ask, server: cds.StandIn) -> None:
    for day, zone in (("2024-01-31", "utc+01:00"), ("2024-07-31", "utc+02:00")):
        server.clear_log()
        values(ask(day, day, "2m_temperature", options=DAILY, timeZone="Europe/Berlin"), source())
        assert asked_for(server) == [("daily_mean", zone, ["31"])]
    server.clear_log()
    values(ask("2024-03-31", "2024-03-31", "2m_temperature", options=DAILY, timeZone="Europe/Berlin"), source())
    assert all("daily_statistic" not in inputs for inputs in server.executions())


def test_what_has_no_daily_statistics_is_refused_beforehand() -> None:
    for options in ({"variable": "total_precipitation"}, {"variable": "heat_index"}, {"provider": "destine"}):
        with pytest.raises(ValidationError, match="product: daily is not there for"):
            Era5LandOptions.model_validate(options | DAILY)
    median = dataset("2m_temperature", options=DAILY, aggregation={"temporal": "sum"}, timeZone="Asia/Kathmandu")
    assert dict(combination_problems(median)) == {
        "aggregation": "temporal: 'sum' is none of the daily statistics of CDS; allowed: mean, min, max",
        "timeZone": "'Asia/Kathmandu' changes its clock, or is no whole hours from UTC; "
        "allowed: fixed ones from UTC-12 to UTC+14",
    }
    count = dataset("2m_temperature", options=DAILY, aggregation={"temporal": "days-above-35"})
    assert "temporal: 'days-above-35' is none" in dict(combination_problems(count))["aggregation"]
    assert list(combination_problems(dataset("2m_temperature", options=DAILY, timeZone="Africa/Freetown"))) == []


def test_datasets_of_the_same_statistic_come_with_one_request_and_others_with_their_own(
    ask: Ask, server: cds.StandIn, tmp_path: Path
) -> None:
    same = dataset("2m_dewpoint_temperature", options=DAILY)
    others = dataset("surface_pressure", options=DAILY, aggregation={"temporal": "max"}), dataset("surface_pressure")
    asked = ask(DAY, DAY, "2m_temperature", options=DAILY, companions=(same, *others))
    values(asked, source())
    (inputs,) = server.executions()
    assert sorted(inputs["variable"]) == ["2m_dewpoint_temperature", "2m_temperature"]
    assert [name.partition("_2024")[0] for name in kept(tmp_path)] == ["2m_dewpoint_temperature", "2m_temperature"]
    assert source().held(asked, [date(2024, 1, 30), date(2024, 1, 31)]) == {date(2024, 1, 31)}


def test_a_day_that_lacks_hours_is_not_asked_for(ask: Ask, server: cds.StandIn) -> None:
    server.state(latest="2026-05-26")
    given: dict[str, Any] = {"options": DAILY, "timeZone": "America/Lima"}
    extract = source("2026-06-01").extract(ask("2026-05-24", "2026-05-27", "2m_temperature", **given))
    assert asked_for(server) == [("daily_mean", "utc-05:00", ["24", "25"])]  # the 26th ends on the 27th in UTC
    assert [(entry.period, entry.reason) for entry in extract.left_out] == [
        (
            "20260526",
            "not published: 2026-05-26 (UTC-05:00)",
        ),
        ("20260527", "not published: 2026-05-27 (UTC-05:00)"),
    ]


def test_days_are_provisional_until_final_hours_are_due(ask: Ask, server: cds.StandIn, tmp_path: Path) -> None:
    asked = ask("2026-03-02", "2026-03-02", "2m_temperature", options=DAILY)
    assert source("2026-03-20").extract(asked).note == (
        "ERA5-Land (Climate Data Store, daily statistics), provisional (ERA5T) from 2026-03-02"
    )
    server.clear_log()
    assert source("2026-05-30").extract(asked).note.endswith("provisional (ERA5T) from 2026-03-02")
    assert server.executions() == []
    (file,) = tmp_path.rglob("*.nc")
    os.utime(file, (datetime(2026, 3, 20, tzinfo=UTC).timestamp(),) * 2)
    assert source("2026-06-06").extract(asked).note == "ERA5-Land (Climate Data Store, daily statistics)"
    assert len(server.executions()) == len(kept(tmp_path)) == 1


def test_days_are_a_twenty_fourth_of_the_download() -> None:
    needed = Needed([date(2024, 1, day) for day in range(1, 32)], BOX)
    hours, days = (Era5LandOptions(product=product).cost(needed) for product in ("hours", "daily"))
    assert hours.download / days.download == pytest.approx(24, rel=1e-3)
    assert np.isclose(hours.requests, days.requests)
