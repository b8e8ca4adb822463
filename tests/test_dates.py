from datetime import UTC, date, datetime

import pytest

from eo_pygeoapi.dates import days_of, ends_of, instant


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2025-07-01", date(2025, 7, 1), date(2025, 7, 1)),
    ],
)
def test_a_date_means_its_days(text: str, first: date, last: date) -> None:
    assert days_of(text) == (first, last)


@pytest.mark.parametrize(
    "text", ["", "x", "20250701", "2025-7-1", "2025-13", "2025-02-30", "0000", "٢025", "2025-07-01 "]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        days_of(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-07-01T12:00:00Z", datetime(2025, 7, 1, 12, tzinfo=UTC)),
        ("2025-07-01t14:00:00.5+02:00", datetime(2025, 7, 1, 12, 0, 0, 500_000, UTC)),
        ("2025-07-01T12:00", datetime(2025, 7, 1, 12)),
    ],
)
def test_an_instant_is_in_utc_unless_it_names_no_zone(text: str, moment: datetime) -> None:
    assert instant(text) == moment and instant(text).tzinfo == moment.tzinfo


@pytest.mark.parametrize(
    "text", ["2025-07-01", "2025-07-01 12:00:00Z", "2025-02-30T12:00:00Z", "0001-01-01T00:00:00+23:00"]
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        instant(text)


@pytest.mark.parametrize(
    ("text", "ends"),
    [("a/b", ("a", "b")), ("a", ("a", "a")), ("a/..", ("a", "")), ("/b", ("", "b")), ("../..", ("", ""))],
)
def test_ends_of_an_interval(text: str, ends: tuple[str, str]) -> None:
    assert ends_of(text) == ends


@pytest.mark.parametrize("text", ["", "..", "a/b/c"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ends_of(text)
