from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eo_pygeoapi.contract.intervals import ALLOWED, days, resolve_interval, unreadable_dates
from eo_pygeoapi.contract.models import ImportInputs, Interval
from eo_pygeoapi.errors import InputError

TODAY = date(2025, 7, 31)


def interval(start: str = "", end: str = "", datetime: str = "", today: date = TODAY) -> Interval:
    return resolve_interval(ImportInputs(dataset_id="rain", start=start, end=end, datetime=datetime), today)


def problems(start: str = "", end: str = "", datetime: str = "", today: date = TODAY) -> list[str]:
    with pytest.raises(InputError) as caught:
        interval(start, end, datetime, today)
    return caught.value.problems


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2025", "2025", "2025-01-01", "2025-12-31"),
        ("2024", "2025-03", "2024-01-01", "2025-03-31"),
        ("2025-07", "2025-07", "2025-07-01", "2025-07-31"),
        ("2025-07-02", "2025-07-02", "2025-07-02", "2025-07-02"),
        ("2024-02", "2024-02", "2024-02-01", "2024-02-29"),
        ("2025-02", "2025-02", "2025-02-01", "2025-02-28"),
        ("2000-02", "2000-02", "2000-02-01", "2000-02-29"),
        ("1900-02", "1900-02", "1900-02-01", "1900-02-28"),
        ("2024-02-29", "2024-02-29", "2024-02-29", "2024-02-29"),
        ("2200", "2200", "2200-01-01", "2200-12-31"),
    ],
)
def test_years_and_months_are_whole(start: str, end: str, first: str, last: str) -> None:
    assert interval(start, end).to_json() == {"start": first, "end": last}


@pytest.mark.parametrize("text", ["9999-12-31", "2201", "0001-01-01", "1699-12", "P300Y", "-P2000Y"])
def test_years_that_times_in_files_do_not_reach_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        interval(text, text)
    (start, end) = caught.value.problems
    assert start == f"input start: {text!r} is not allowed; allowed: years from 1700 to 2200"
    assert end.startswith(f"input end: {text!r} is not allowed")


@pytest.mark.parametrize(
    ("duration", "today", "day"),
    [
        ("P0D", "2025-07-31", "2025-07-31"),
        ("-P0D", "2025-07-31", "2025-07-31"),
        ("-P30D", "2025-07-31", "2025-07-01"),
        ("-P2W", "2025-07-31", "2025-07-17"),
        ("-P1M", "2025-07-31", "2025-06-30"),
        ("-P1M", "2025-03-31", "2025-02-28"),
        ("-P1M", "2024-03-31", "2024-02-29"),
        ("-P1M", "2025-01-15", "2024-12-15"),
        ("-P1Y2M", "2025-07-31", "2024-05-31"),
        ("-P1Y", "2024-02-29", "2023-02-28"),
        ("-P1Y1M1W1D", "2025-07-31", "2024-06-22"),
        ("P1D", "2025-12-31", "2026-01-01"),
    ],
)
def test_durations_count_from_the_scheduled_day(duration: str, today: str, day: str) -> None:
    expected = date.fromisoformat(day)
    assert interval(duration, duration, today=date.fromisoformat(today)) == Interval(start=expected, end=expected)


@pytest.mark.parametrize(
    ("datetime", "first", "last"),
    [
        ("2025-07-01/2025-07-31", "2025-07-01", "2025-07-31"),
        ("2025-06/2025", "2025-06-01", "2025-12-31"),
        ("2025-06", "2025-06-01", "2025-06-30"),
        ("2024-01-01/P1M", "2024-01-01", "2024-01-31"),  # ISO 8601: how long it is, not from today on
        ("2024-02/P1Y", "2024-02-01", "2025-01-31"),
        ("P1W/2024-01-31", "2024-01-25", "2024-01-31"),
        ("P1M/2024-02", "2024-02-01", "2024-02-29"),
        ("-P1M/P1D", "2025-06-30", "2025-08-01"),
        ("-P2D/P0D", "2025-07-29", "2025-07-31"),
    ],
)
def test_an_ogc_interval_says_both(datetime: str, first: str, last: str) -> None:
    assert interval(datetime=datetime).to_json() == {"start": first, "end": last}


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2025-13",
        "2025-00",
        "2025-02-29",
        "2025-07-00",
        "0000",
        "25",
        "20250701",
        "2025-7-1",
        "2025-07-01T00:00:00Z",
        " 2025",
        "2025\n",
        "２０２５",
        "P",
        "-P",
        "PT1H",
        "-P1DT1H",
        "P1.5D",
        "P-1D",
        "P1D2W",
        "--P1D",
        "P٣D",
        "-P99999999999D",
        "P8000Y",
        "-P2025Y",
        "-P" + "9" * 5000 + "D",
    ],
)
def test_what_is_no_date_is_named_with_what_is_allowed(text: str) -> None:
    expected = [f"input start: {text!r} is no date; {ALLOWED}", f"input end: {text!r} is no date; {ALLOWED}"]
    assert problems(text, text) == expected
    assert problems(datetime=text) == [f"input datetime: {text!r} is no date; {ALLOWED}"]


@pytest.mark.parametrize("text", ["/", "2025/", "/2025", "2025/2026/2027", "//"])
def test_what_is_no_interval_is_named(text: str) -> None:
    assert problems(datetime=text) == [f"input datetime: {text!r} is no interval; allowed: start/end"]


def test_open_intervals_are_refused() -> None:
    assert problems(datetime="2025/..") == [f"input datetime: '..' is no date; {ALLOWED}"]


def test_missing_dates_are_named_together() -> None:
    assert problems() == ["input start: is required (or datetime)", "input end: is required (or datetime)"]
    assert problems(start="x") == ["input end: is required (or datetime)", f"input start: 'x' is no date; {ALLOWED}"]


def test_an_end_before_the_start_is_said_with_the_days_meant() -> None:
    expected = "the end '2025-06' (2025-06-30) is before the start '2025-07' (2025-07-01)"
    assert problems("2025-07", "2025-06") == [f"input end: {expected}"]
    assert problems(datetime="2025-07/2025-06") == [f"input datetime: {expected}"]
    assert problems("P0D", "-P1D")[0].startswith("input end: the end '-P1D' (2025-07-30) is before")


def test_days_are_all_days_of_the_interval() -> None:
    found = days(interval("2024-02-28", "2024-03-01"))
    assert found == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]


@pytest.mark.parametrize(
    ("given_inputs", "named"),
    [
        ({"start": "x", "end": "y"}, ["start", "end"]),
        ({"start": "2025", "end": "-P1D"}, []),
        ({"start": 5, "end": None}, []),
        ({"start": ""}, []),
        ({}, []),
    ],
)
def test_dates_can_be_read_beside_other_mistakes(given_inputs: dict[str, Any], named: list[str]) -> None:
    found = unreadable_dates(given_inputs, TODAY)
    assert [problem.split(":")[0] for problem in found] == [f"input {name}" for name in named]


PIECES = st.sampled_from(["-", "P", "0", "1", "12", "31", "2025", "Y", "M", "W", "D", "/", "..", "T", "Z", ":", " "])
TEXTS = st.text(max_size=30) | st.lists(PIECES, max_size=8).map("".join)


@settings(deadline=None)
@given(start=TEXTS, end=TEXTS, datetime=TEXTS, today=st.dates())
def test_any_text_gives_an_interval_or_an_input_error(start: str, end: str, datetime: str, today: date) -> None:
    for given_ in ({"start": start, "end": end}, {"datetime": datetime}):
        inputs = ImportInputs.model_validate({"datasetId": "rain", **given_})
        try:
            found = resolve_interval(inputs, today)
        except InputError as error:
            assert error.problems and all(problem.startswith("input ") for problem in error.problems)
        else:
            assert found.start <= found.end
