"""Every source through the whole job over HTTP, beside stand-ins of the providers."""

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import requests

from tests import canaries
from tests.stack import Stack, make_rain
from tests.standins import cds, chc, stac, worldpop


@pytest.mark.parametrize(
    ("dataset", "expected"), [("era5-rain", 77.16), ("era5-rain-nairobi", 76.86), ("era5-rain-lima", 62.16)]
)
def test_rain_of_a_local_day_is_right_to_the_last_digit(stack: Stack, dataset: str, expected: float) -> None:
    result = stack.result(datasetId=dataset, start="2024-01-31", end="2024-01-31")
    assert result["leftOut"] == []
    assert result["source"] == "ERA5-Land (Climate Data Store)"
    values = {f["properties"]["value"] for f in stack.features(dataset)}
    assert values == {expected}
    assert {f["properties"]["period"] for f in stack.features(dataset)} == {"20240131"}


def test_datasets_share_requests_to_the_provider(stack: Stack, cds_server: cds.StandIn) -> None:
    cds_server.clear_log()
    stack.result(datasetId="era5-temperature", start="2024-03-05", end="2024-03-05")
    (request,) = cds_server.executions()
    assert (sorted(request["variable"]), request["day"]) == (
        ["2m_temperature", "total_precipitation"],
        ["04", "05", "06"],
    )
    cds_server.clear_log()
    stack.result(datasetId="era5-rain-nairobi", start="2024-03-05", end="2024-03-05")
    assert cds_server.executions() == []
    (value,) = {f["properties"]["value"] for f in stack.features("era5-temperature")}
    assert value == pytest.approx(290 + 11.5 - 0.5 - 273.15, abs=0.051)


def test_the_highest_of_a_day_is_the_providers_own_statistic(stack: Stack, cds_server: cds.StandIn) -> None:
    cds_server.clear_log()
    result = stack.result(datasetId="era5-highest", start="2024-07-05", end="2024-07-05")
    (request,) = cds_server.executions()
    assert (request["daily_statistic"], request["time_zone"], request["day"]) == ("daily_maximum", "utc+00:00", ["05"])
    assert result["leftOut"] == []
    (value,) = {f["properties"]["value"] for f in stack.features("era5-highest")}
    assert value == pytest.approx(290 + 23 - 0.5 - 273.15, abs=0.006)


def test_composites_behind_a_token_are_the_month_and_the_token_stays_with_the_worker(
    stack: Stack, raster_server: chc.StandIn
) -> None:
    result = stack.result(datasetId="greenness", start="2024-01", end="2024-01")
    assert (result["leftOut"], result["source"]) == ([], "ndvi")
    (value,) = {f["properties"]["value"] for f in stack.features("greenness")}
    assert value == stac.GREENNESS / 10_000
    raster_server.faults({"path": "/private/*.tif", "status": 404})
    try:
        job = stack.submit(datasetId="greenness", start="2024-01", end="2024-01")
        status, lines = stack.ended(job), stack.get(f"{job}/logs?f=json").text
    finally:
        raster_server.faults()
    assert status["status"] == "failed", status
    assert "/private/ndvi-2024-01-01.tif: does not exist any more" in status["message"]
    said = json.dumps(status) + lines + stack.log("worker")
    assert not [form for form in canaries.forms([stac.TOKEN]) if form.decode() in said]


def test_a_job_says_that_it_waits_in_the_queue_of_the_provider(stack: Stack, cds_server: cds.StandIn) -> None:
    cds_server.state(polls=4)
    try:
        job, said = stack.submit(datasetId="era5-rain", start="2024-04-05", end="2024-04-05"), set()
        until = time.monotonic() + 120
        while time.monotonic() < until:
            status = stack.get(f"{job}?f=json").json()
            said.add(status["message"])
            if status["status"] in ("successful", "failed"):
                break
            time.sleep(0.3)
    finally:
        cds_server.state()
    assert status["status"] == "successful", status
    assert any("waits in the queue of the Climate Data Store" in words for words in said), said


def test_days_that_are_not_published_are_listed_with_their_day(stack: Stack, cds_server: cds.StandIn) -> None:
    latest = datetime.now(UTC).date() - timedelta(6)
    missing, later = latest + timedelta(1), latest + timedelta(3)
    two_days = {"datasetId": "era5-temperature", "start": latest.isoformat(), "end": missing.isoformat()}
    cds_server.state(latest=latest.isoformat())
    try:
        result = stack.result(**two_days)
        message = stack.failure(datasetId="era5-temperature", start=later.isoformat(), end=later.isoformat())
    finally:
        cds_server.state()
    (left_out,) = result["leftOut"]
    assert (left_out["period"], left_out["reason"]) == (f"{missing:%Y%m%d}", f"not published: {missing} (UTC)")
    assert date.fromisoformat(left_out["expected"]) > latest + timedelta(6)
    assert result["rowCount"] > 0
    assert f"nothing is published for {later} to {later}" in message and "expected" in message
    # a later run recovers
    assert stack.result(**two_days)["leftOut"] == []


def test_a_licence_that_was_not_accepted_fails_the_job_at_once_in_the_providers_words(
    stack: Stack, cds_server: cds.StandIn
) -> None:
    cds_server.clear_log()
    cds_server.faults({"path": f"{cds.PROCESS}/execution", "status": 403, "json": cds.LICENCE})
    try:
        message = stack.failure(datasetId="era5-rain", start="2024-06-05", end="2024-06-05")
    finally:
        cds_server.faults()
    assert "please visit https://cds.example/licences to accept" in message
    assert cds.KEY not in message
    assert len(cds_server.executions()) == 1
    assert stack.result(datasetId="era5-rain", start="2024-06-05", end="2024-06-05")["leftOut"] == []


def test_population_is_summed_without_the_mark_for_no_data(stack: Stack) -> None:
    result = stack.result(datasetId="worldpop", start="2026", end="2026")
    values = [f["properties"]["value"] for f in stack.features("worldpop")]
    assert len(values) == result["orgUnitCount"]
    counted = [value for value in values if value is not None]
    cells = worldpop.people(2026)
    assert all(value == round(value) and value > 0 for value in counted)
    assert 0 < sum(counted) <= cells[cells > 0].sum() + 0.5 * len(counted)
    assert np.isfinite(counted).all()


def test_people_are_counted_where_it_is_warm(stack: Stack) -> None:
    result = stack.result(datasetId="people-in-warmth", start="2026-03-05", end="2026-03-05")
    assert result["source"] == "ERA5-Land (Climate Data Store); people of WorldPop global2 SLE"
    stack.result(datasetId="worldpop", start="2026", end="2026")
    people = {f["properties"]["orgUnit"]: f["properties"]["value"] for f in stack.features("worldpop")}
    warm = {f["properties"]["orgUnit"]: f["properties"]["value"] for f in stack.features("people-in-warmth")}
    # the mean of the day is 27.85 degrees everywhere
    there = [unit for unit, count in warm.items() if count is not None and people.get(unit) is not None]
    assert there and all(warm[unit] <= people[unit] + 1 for unit in there)
    assert sum(warm[unit] for unit in there) > 0.9 * sum(people[unit] for unit in there)


def test_a_day_is_seen_against_the_same_day_of_other_years(stack: Stack, cds_server: cds.StandIn) -> None:
    for day in ("2023-03-06", "2024-03-06"):
        stack.result(datasetId="era5-temperature", start=day, end=day)
    cds_server.clear_log()
    result = stack.result(datasetId="warmth-against-normal", start="2024-03-06", end="2024-03-07")
    assert result["source"] == "anomaly of era5-temperature, reference period 2023-2024"
    assert cds_server.executions() == []  # nothing is downloaded
    # the stand-in makes the same day of both years alike
    values = {f["properties"]["period"]: f["properties"]["value"] for f in stack.features("warmth-against-normal")}
    assert values == {"20240306": 0.0, "20240307": None}
    assert {entry.get("period") for entry in result["leftOut"]} == {"20240307"}
    assert result["leftOut"][0]["reason"].endswith("minYears is 2")


def test_units_on_both_sides_of_180_degrees_are_two_small_downloads(stack: Stack, cds_server: cds.StandIn) -> None:
    rings = [
        [[west, -19], [east, -19], [east, -17], [west, -17], [west, -19]] for west, east in ((178, 180), (-180, -179))
    ]
    geometry = {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
    feature = {"type": "Feature", "id": "islands", "properties": {"name": "Islands"}, "geometry": geometry}
    cds_server.clear_log()
    features = {"type": "FeatureCollection", "features": [feature]}
    result = stack.result(datasetId="era5-rain", start="2024-05-10", end="2024-05-10", features=features)
    assert (result["leftOut"], result["source"]) == ([], "ERA5-Land (Climate Data Store)")
    assert [request["area"] for request in cds_server.executions()] == [
        [-16.9, 177.9, -19.1, 180.0],
        [-16.9, -180.0, -19.1, -178.9],
    ]
    values = stack.get(f"/jobs/{result['jobID']}/files/features.geojson").json()["features"]
    assert [found["properties"]["value"] for found in values] == [26.76]


# dismissed in the middle of a download: the worker kills the run


def unfinished(stack: Stack) -> list[str]:
    return [str(path.relative_to(stack.folder)) for path in (stack.folder / "cache").rglob(".unfinished-*")]


def dismissed_when(stack: Stack, under_way: Callable[[], bool], **inputs: str) -> None:
    """Execute, dismiss the job when its download is under way, and see that nothing is left of that."""
    job, until = stack.submit(**inputs), time.monotonic() + 120
    while not (under_way() and unfinished(stack)):
        status = stack.get(f"{job}?f=json").json()
        assert time.monotonic() < until and status["status"] in ("accepted", "running"), status
        time.sleep(0.1)
    assert requests.delete(stack.url + job, timeout=30).ok
    assert stack.ended(job)["status"] == "dismissed"
    until = time.monotonic() + 30
    while left := unfinished(stack):
        assert time.monotonic() < until, left
        time.sleep(0.1)


def test_a_dismissed_download_of_chirps_leaves_nothing(stack: Stack, chc_server: chc.StandIn) -> None:
    before = chc_server.stalls()
    make_rain(chc_server.root, (2024, 2))
    chc_server.faults({"path": "*.cog", "method": "GET", "stall": 90, "times": 1})
    try:
        dismissed_when(
            stack, lambda: chc_server.stalls() > before, datasetId="rain", start="2024-02-05", end="2024-02-05"
        )
    finally:
        chc_server.faults()


def test_a_dismissed_download_of_the_climate_data_store_leaves_nothing(stack: Stack, cds_server: cds.StandIn) -> None:
    cds_server.faults({"path": "/asset*", "method": "GET", "slow": 90, "times": 1})
    try:
        cache = stack.folder / "cache"
        dismissed_when(
            stack,
            lambda: any(cache.rglob("received.nc")),
            datasetId="era5-temperature",
            start="2024-05-05",
            end="2024-05-05",
        )
    finally:
        cds_server.faults()


def test_a_dismissed_job_in_the_queue_of_the_climate_data_store_leaves_nothing(
    stack: Stack, cds_server: cds.StandIn
) -> None:
    cds_server.clear_log()
    cds_server.state(polls=1000)
    try:
        dismissed_when(
            stack, lambda: bool(cds_server.executions()), datasetId="era5-rain", start="2024-09-05", end="2024-09-05"
        )
    finally:
        cds_server.state()
