"""The hours in which a backfill may run, also on the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from eo_pygeoapi.contract.backfill import BackfillInputs
from eo_pygeoapi.contract.windows import Window

FREETOWN = Window.of("20:00-05:00", "Africa/Freetown")
OSLO = ZoneInfo("Europe/Oslo")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def oslo(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [("19:59", False), ("20:00", True), ("23:59", True), ("00:00", True), ("04:59", True), ("05:00", False)],
)
def test_a_window_over_midnight_is_open_from_its_start_to_before_its_end(moment: str, is_open: bool) -> None:
    assert FREETOWN.is_open(at(f"2026-03-01T{moment}")) == is_open


def test_it_opens_and_closes_next() -> None:
    noon, night = at("2026-03-01T12:00"), at("2026-03-01T23:00")
    assert FREETOWN.opens(noon) == at("2026-03-01T20:00") and FREETOWN.closes(noon) == at("2026-03-02T05:00")
    assert FREETOWN.opens(night) == night and FREETOWN.closes(night) == at("2026-03-02T05:00")
    assert FREETOWN.closes(at("2026-03-02T04:59")) == at("2026-03-02T05:00")


def test_a_window_within_a_day() -> None:
    window = Window.of("08:30-09:00", "Africa/Nairobi")  # UTC+3
    assert not window.is_open(at("2026-03-01T05:29")) and window.is_open(at("2026-03-01T05:30"))
    assert window.opens(at("2026-03-01T06:00")) == at("2026-03-02T05:30")


def test_without_one_it_is_always_open() -> None:
    for text in ("", "00:00-00:00", "07:00-07:00"):
        always, now = Window.of(text, "UTC"), at("2026-03-01T03:00")
        assert always.is_open(now) and always.opens(now) == now and always.closes(now) is None
        assert always.after(now, timedelta(days=3)) == at("2026-03-04T03:00")


def test_work_goes_on_night_after_night() -> None:
    begun = at("2026-03-01T12:00")
    assert FREETOWN.after(begun, timedelta(0)) == at("2026-03-01T20:00")
    assert FREETOWN.after(begun, timedelta(hours=9)) == at("2026-03-02T05:00")
    assert FREETOWN.after(begun, timedelta(hours=10)) == at("2026-03-02T21:00")
    assert FREETOWN.after(at("2026-03-02T04:00"), timedelta(hours=2)) == at("2026-03-02T21:00")
    assert FREETOWN.after(begun, timedelta(hours=9 * 365)) == at("2027-03-01T05:00")


def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter() -> None:
    window = Window.of("20:00-05:00", "Europe/Oslo")
    opens = window.opens(oslo("2026-03-28T12:00"))
    closes = window.closes(opens)
    assert closes is not None and closes - opens == timedelta(hours=8)


def test_the_night_in_which_clocks_go_back_is_an_hour_longer() -> None:
    window = Window.of("20:00-05:00", "Europe/Oslo")
    opens = window.opens(oslo("2026-10-24T12:00"))
    closes = window.closes(opens)
    assert closes is not None and closes - opens == timedelta(hours=10)


def test_a_time_that_the_clocks_skip_is_when_they_skip_it() -> None:
    skipped = oslo("2026-03-29T03:00")
    assert (
        Window.of("02:30-06:00", "Europe/Oslo").opens(oslo("2026-03-28T12:00")) == oslo("2026-03-29T03:00") == skipped
    )
    assert Window.of("22:00-02:30", "Europe/Oslo").closes(oslo("2026-03-28T23:00")) == skipped
    # all of it is skipped
    assert Window.of("02:10-02:50", "Europe/Oslo").opens(oslo("2026-03-28T12:00")) == oslo("2026-03-30T02:10")


def test_a_time_that_comes_twice_opens_and_closes_by_the_clock() -> None:
    window = Window.of("22:00-02:30", "Europe/Oslo")
    first = window.closes(oslo("2026-10-24T23:00"))
    assert first == oslo("2026-10-25T02:30", fold=0)
    assert not window.is_open(first) and window.is_open(oslo("2026-10-25T02:10", fold=1))


def test_a_window_that_closes_within_the_hour_that_comes_twice_opens_twice() -> None:
    """In New York it is 01:00 to 02:00 twice on that day: 05:00 to 06:00 and 06:00 to 07:00 UTC."""
    window = Window.of("01:30-02:30", "America/New_York")
    assert window.opens(at("2026-11-01T00:00")) == at("2026-11-01T05:30")
    assert window.closes(at("2026-11-01T05:45")) == at("2026-11-01T06:00")  # when the clocks show 01:00 again
    assert window.opens(at("2026-11-01T06:00")) == at("2026-11-01T06:30")
    assert window.closes(at("2026-11-01T06:30")) == at("2026-11-01T07:30")
    assert window.opens(at("2026-11-01T07:30")) == at("2026-11-02T06:30")


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Africa/Freetown"])
@pytest.mark.parametrize("text", ["01:30-02:30", "02:30-01:30", "23:00-00:00", "02:00-03:00", "00:00-06:00"])
@pytest.mark.parametrize("day", ["2026-03-07", "2026-04-03", "2026-04-23", "2026-10-02", "2026-10-29", "2026-10-31"])
def test_it_opens_and_closes_when_the_clock_says_so(zone: str, text: str, day: str) -> None:
    """Compare with the clock itself, every five minutes of three days in which clocks may change."""
    window, begun = Window.of(text, zone), at(f"{day}T00:00")
    moments = [begun + timedelta(minutes=5 * n) for n in range(12 * 24 * 3)]
    is_open = [window.is_open(moment) for moment in moments]
    for n in range(0, 12 * 24, 50):
        opens = next(m for m in range(n, len(moments)) if is_open[m])
        closes = next(m for m in range(opens, len(moments)) if not is_open[m])
        assert (window.opens(moments[n]), window.closes(moments[n])) == (moments[opens], moments[closes])


def test_the_time_that_it_is_open_between_two_moments() -> None:
    noon = at("2026-03-01T12:00")
    assert FREETOWN.open_between(noon, at("2026-03-01T19:00")) == timedelta(0)
    assert FREETOWN.open_between(noon, at("2026-03-01T21:00")) == timedelta(hours=1)
    assert FREETOWN.open_between(at("2026-03-01T23:00"), at("2026-03-02T12:00")) == timedelta(hours=6)
    assert FREETOWN.open_between(noon, at("2026-03-04T12:00")) == timedelta(hours=27)
    assert Window.of("", "UTC").open_between(noon, at("2026-03-02T12:00")) == timedelta(hours=24)
    assert (FREETOWN.length, Window.of("", "UTC").length) == (timedelta(hours=9), timedelta(hours=24))


@pytest.mark.parametrize("text", ["20:00", "20-05", "24:00-05:00", "20:00-05:60", "8:00-9:00", "20:00-05:00 UTC"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        BackfillInputs.model_validate({"datasetId": "rain", "start": "2025", "end": "2025", "window": text})
