"""The newest values of a dataset are those of its last period, whatever the ids of periods are."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from eo_pygeoapi.api.latest import newest_page
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import period_of
from eo_pygeoapi.store.reader import PublishedReader
from eo_pygeoapi.store.store import ResultStore
from tests.store.results_data import publish

DAYS = [date(2025, 2, 26), date(2025, 12, 20), date(2025, 7, 1)]


@pytest.mark.parametrize(
    "period_type", ["weekly", "weeklySunday", "biWeekly", "daily", "financialJuly", "monthlyNepali"]
)
def test_the_last_period_is_the_newest(tmp_path: Path, period_type: PeriodType) -> None:
    store, periods = ResultStore(str(tmp_path)), [period_of(day, period_type) for day in DAYS]
    periods = list({period.id: period for period in periods}.values())
    values = {
        "orgUnit": np.array(["OuA"] * len(periods), dtype=object),
        "period": np.array([period.id for period in periods], dtype=object),
        "start": np.array([period.start.isoformat() for period in periods], dtype=object),
        "end": np.array([period.end.isoformat() for period in periods], dtype=object),
        "value": np.ones(len(periods)),
        "validFraction": np.ones(len(periods)),
    }
    publish(store, "job-1", values)
    page = newest_page(PublishedReader(store), "rain", [], 0.0)
    assert [row["period"] for row in page.rows] == [period_of(date(2025, 12, 20), period_type).id]
