"""The parts of a backfill hold every period once, the newest part first."""

from datetime import date

import pytest

from eo_pygeoapi.contract.chunks import Part, chunks_of, most_values, part_for
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import PERIOD_TYPES
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.contract.windows import Window

FORTY = Interval(start=date(1981, 1, 1), end=date(2020, 12, 31))


@pytest.mark.parametrize("part", ["month", "year"])
@pytest.mark.parametrize("period_type", PERIOD_TYPES)
def test_every_period_is_in_one_part(period_type: str, part: Part) -> None:
    periods = periods_in(FORTY, period_type)  # type: ignore[arg-type]
    chunks = chunks_of(periods, part)
    assert [period for chunk in reversed(chunks) for period in chunk.periods] == periods
    assert [chunk.id for chunk in chunks] == sorted({chunk.id for chunk in chunks}, reverse=True)
    # an import of a part's days has its periods and no other
    for chunk in (chunks[0], chunks[-1], chunks[len(chunks) // 2]):
        assert periods_in(chunk.interval, period_type) == list(chunk.periods)  # type: ignore[arg-type]


def test_months_of_days() -> None:
    chunks = chunks_of(periods_in(Interval(start=date(2024, 1, 15), end=date(2024, 3, 2)), "daily"), "month")
    assert [(chunk.id, len(chunk.periods)) for chunk in chunks] == [("2024-03", 2), ("2024-02", 29), ("2024-01", 17)]
    assert chunks[-1].interval == Interval(start=date(2024, 1, 15), end=date(2024, 1, 31))


def test_a_year_is_one_job_where_it_has_few_values() -> None:
    days = periods_in(FORTY, "daily")
    assert part_for("month", days, 50) == "year" and part_for("month", days, 1500) == "month"
    assert part_for("year", days, 1500) == "year" and part_for("month", [], 1500) == "month"
    # a month alone is not extrapolated to a year
    assert part_for("month", days[:31], 1500) == "year"


@pytest.mark.parametrize(
    ("per_minute", "hours", "most"),
    [(0, "20:00-05:00", 100_000), (100, "20:00-05:00", 6_000), (100, "20:00-20:20", 2_000), (50_000, "", 100_000)],
)
def test_a_year_is_sent_in_an_hour_or_while_the_window_is_open(per_minute: int, hours: str, most: int) -> None:
    assert most_values(per_minute, Window.of(hours, "UTC")) == most


def test_where_values_are_sent_slowly_a_part_is_a_month() -> None:
    days = periods_in(FORTY, "daily")
    assert part_for("month", days, 13, 6_000) == "year" and part_for("month", days, 50, 6_000) == "month"
    assert part_for("year", days, 50, 6_000) == "month"  # whatever the source asks for
