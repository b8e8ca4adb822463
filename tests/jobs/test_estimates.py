"""What a backfill is made of and takes, reckoned by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eo_pygeoapi.contract.backfill import BackfillInputs
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import Period, periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.jobs.estimates import Plan, Surroundings, estimate, plan_of
from eo_pygeoapi.jobs.missing import Missing
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
UNITS = ["a", "b"]
BOX = (-13.3, 6.9, -10.2, 10.0)
AROUND = Surroundings(connect=None, size=lambda _place: None, free=lambda: None, at_once=2)


def rain(**eo: Any) -> Dataset:
    return Dataset.model_validate({"id": "rain", "source": "chirps3", "dhis2": {"dataElement": "RAIN"}, **eo})


def asked(**inputs: Any) -> BackfillInputs:
    return BackfillInputs.model_validate({"datasetId": "rain", "start": "2024", "end": "2024", **inputs})


def daily(start: str, end: str) -> list[Period]:
    return periods_in(Interval(start=date.fromisoformat(start), end=date.fromisoformat(end)), "daily")


@pytest.fixture
def coverage(tmp_path: Path) -> CoverageTable:
    return CoverageTable(ResultStore(str(tmp_path)), "rain")


def planned(
    coverage: CoverageTable,
    start: str,
    end: str,
    inputs: BackfillInputs | None = None,
    connect: Connect | None = None,
) -> Plan:
    missing = Missing(coverage, rain(), connect)
    return plan_of(inputs or asked(), rain(), daily(start, end), UNITS, missing, NOW.date())


def add(coverage: CoverageTable, periods: list[Period], unit: str, value: str, in_dhis2: str = "") -> None:
    cells = {
        "orgUnit": [unit] * len(periods),
        "period": [period.id for period in periods],
        "start": [period.start.isoformat() for period in periods],
        "end": [period.end.isoformat() for period in periods],
        "state": [value] * len(periods),
        "reason": [""] * len(periods),
    }
    coverage.add_values(cells, [CoverageUnit(id=unit, name=unit, level=2)], "job", "1")
    if in_dhis2:
        kept = {name: cells[name] for name in ("orgUnit", "period", "reason")}
        coverage.add_import(kept | {"state": [in_dhis2] * len(periods)}, "job", "1")


def test_only_what_dhis2_does_not_hold_is_missing(coverage: CoverageTable) -> None:
    days = daily("2024-01-01", "2024-01-05")
    add(coverage, days[:1], "a", "V", "D")  # ours is there
    add(coverage, days[1:2], "a", "V", "K")  # a person's is kept
    add(coverage, days[2:3], "a", "V", "R")  # it was refused
    add(coverage, days[3:4], "a", "O")  # the data have none
    add(coverage, days[4:], "a", "V")  # it was a dry run
    expected = np.array([[False, True], [False, True], [True, True], [False, True], [True, True]])
    lacking, refused = coverage.lacking(days, UNITS)
    assert (lacking == expected).all() and np.argwhere(refused).tolist() == [[2, 0]]
    plan = planned(coverage, "2024-01-01", "2024-01-05")
    assert plan.values == 7 and [chunk.id for chunk in plan.chunks] == ["2024"]
    assert planned(coverage, "2024-01-01", "2024-01-05", asked(only="all")).values == 10


def test_parts_without_anything_missing_are_left_out(coverage: CoverageTable) -> None:
    for unit in UNITS:
        add(coverage, daily("2023-01-01", "2023-12-31"), unit, "V", "D")
    plan = planned(coverage, "2022-01-01", "2024-12-31")
    assert [chunk.id for chunk in plan.chunks] == ["2024", "2022"] and plan.values == (366 + 365) * 2


def test_what_the_provider_does_not_have_is_left_out_and_said(coverage: CoverageTable) -> None:
    plan = planned(coverage, "1980-12-30", "1981-01-02")
    assert [period.id for period in plan.periods] == ["19810101", "19810102"]
    assert [f.message for f in plan.findings] == ["2 periods left out: the source has data from 1981-01-01 only"]
    young = planned(coverage, "2026-10-30", "2026-11-02")  # the month is published on the 21st of the next
    assert [period.id for period in young.periods] == ["20261030", "20261031"]
    assert [finding.code for finding in young.findings] == ["not-published-yet"]


def test_minutes_and_end(coverage: CoverageTable) -> None:
    plan = planned(coverage, "2024-01-01", "2024-12-31")
    found = estimate(asked(), rain(), plan, UNITS, BOX, AROUND, NOW)
    assert (found.periods, found.org_units, found.values, found.chunks.total) == (366, 2, 732, 1)
    assert found.provider_minutes == pytest.approx(366 * 0.35 / 60, abs=0.1)
    # one part: the provider, DHIS2 and the job after each other
    assert found.minutes == pytest.approx((366 * 0.35 + 732 * 0.0011 + 10) / 60, abs=0.1)
    assert found.download_mi_b > 100 and found.store_mi_b < 20
    slow = estimate(asked(maxValuesPerMinute=61), rain(), plan, UNITS, BOX, AROUND, NOW)
    assert slow.dhis2_minutes == 12 and slow.minutes > 12
    night = estimate(asked(window="20:00-05:00"), rain(), plan, UNITS, BOX, AROUND, NOW)
    assert night.ends == "2026-11-29T20:02+00:00"


def test_what_is_here_is_not_downloaded_and_people_are(coverage: CoverageTable) -> None:
    plan = planned(coverage, "2010-01-01", "2024-12-31")
    weighed = rain(aggregation={"spatial": "mean", "weight": "population"}, population={"options": {"country": "SLE"}})
    asked_of: dict[str, list[date]] = {}

    def estimated(dataset: Dataset, *held: date) -> tuple[Any, Any]:
        def held_of(of: Dataset, wanted: Sequence[date]) -> Sequence[date]:
            asked_of[of.source] = list(wanted)
            return [day for day in held if day in wanted]

        around = replace(AROUND, held=held_of, size=lambda _place: 50 * 2**20)
        found = estimate(asked(), dataset, plan, UNITS, BOX, around, NOW)
        return found.download_mi_b, found.provider_requests

    mib, requests = estimated(rain())
    days = asked_of.pop("chirps3")
    half = days[: len(days) // 2]
    assert estimated(rain(), *half) == (pytest.approx(mib / 2, rel=0.01), pytest.approx(requests / 2, rel=0.01))
    assert estimated(rain(), *days) == (0, 0) and list(asked_of) == ["chirps3"]

    # the years of the people are those that WorldPop has, 2015 the first
    assert estimated(weighed) == (pytest.approx(mib + 10 * 50, abs=1), requests + 10)
    assert asked_of["worldpop"] == [date(year, 1, 1) for year in range(2015, 2025)]
    assert estimated(weighed, *days) == (0, 0)  # New Year's Days are among them
    assert estimated(weighed, date(2020, 1, 1))[1] == requests + 9 - 5  # a day is five requests


def test_what_speaks_against_it(coverage: CoverageTable) -> None:
    plan = planned(coverage, "2024-01-01", "2024-12-31")
    full = replace(AROUND, free=lambda: 1_000_000)
    codes = [f.code for f in estimate(asked(), rain(), plan, UNITS, BOX, full, NOW).findings]
    assert codes == ["connection", "disk"]
    without = rain(dhis2={"connection": "national"})
    assert [f.code for f in estimate(asked(), without, plan, UNITS, BOX, AROUND, NOW).findings] == ["data-element"]
    nothing = estimate(asked(), rain(), Plan(), UNITS, BOX, AROUND, NOW)
    assert [f.code for f in nothing.findings] == ["nothing-to-do"] and nothing.minutes == 0


def test_a_part_that_takes_longer_than_its_window_is_open_is_said(coverage: CoverageTable) -> None:
    slowly = asked(maxValuesPerMinute=1, window="20:00-20:30")
    plan = planned(coverage, "2024-01-01", "2024-12-31", slowly)
    assert [chunk.id for chunk in plan.chunks][:2] == ["2024-12", "2024-11"]
    (finding,) = [finding for finding in plan.findings if finding.code == "window"]
    assert finding.message.startswith(
        "a part has up to 62 values, which take 1.0 hours at 1 a minute, and the window is "
    )
    quick = asked(maxValuesPerMinute=1000, window="20:00-20:30")
    plan = planned(coverage, "2024-01-01", "2024-12-31", quick)
    assert (len(plan.chunks), plan.findings) == (1, [])
