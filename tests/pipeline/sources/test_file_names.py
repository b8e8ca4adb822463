"""Files of weeks and dekads, which their names tell."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.temporal import complete_periods
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_source_data
from tests.pipeline.made_files import cube, geotiff, numbers, request, written


def values(asked: SourceRequest) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the values of a cell by period, and why periods are left out."""
    extract = extract_source_data(asked)
    grid = open_source_data(asked, extract)
    complete, incomplete = complete_periods(grid, periods_in(asked.interval, asked.dataset.period_type))
    found = {each.period.id: grid.values[each.first : each.stop, 0, 0].tolist() for each in complete}
    left_out = {entry.period: entry.reason for entry in incomplete}
    return found, left_out | {entry.period: entry.reason for entry in extract.left_out}


def make(folder: Path, *names: str) -> None:
    """Write rasters with 65, 165, 265 … at the cell that `values` takes."""
    for n, name in enumerate(names):
        geotiff(folder / f"rain-{name}.tif", numbers(1)[0] + 100 * n)


def test_weeks_of_iso_8601_belong_to_their_own_years(tmp_path: Path) -> None:
    make(tmp_path, "2024W52", "2025W01", "2025W02")  # week 1 begins on 30 December 2024
    asked = request(tmp_path, "rain-{YYYY}W{WW}.tif", "2024-12-23", "2025-01-12", periodType="weekly")
    assert values(asked) == ({"2024W52": [65], "2025W1": [165], "2025W2": [265]}, {})


def test_one_week_alone(tmp_path: Path) -> None:
    make(tmp_path, "2025W27")
    asked = request(tmp_path, "rain-{YYYY}W{WW}.tif", "2025-06-30", "2025-07-06", periodType="weekly")
    assert values(asked) == ({"2025W27": [65]}, {})


def test_weeks_are_counted_as_the_period_type_does(tmp_path: Path) -> None:
    make(tmp_path, "2025-27", "2025-28")
    asked = request(tmp_path, "rain-{YYYY}-{WW}.tif", "2025-06-29", "2025-07-19", periodType="weeklySunday")
    assert values(asked) == (
        {"2025SunW27": [65], "2025SunW28": [165]},
        {"2025SunW29": "no file rain-2025-29.tif"},
    )


MONDAYS = [date(2025, 6, 30) + timedelta(7 * n) for n in range(3)]
BY_DAY: dict[str, Any] = {"start": "2025-06-30", "end": "2025-07-27", "periodType": "weekly"}


def test_rasters_of_weeks_named_by_their_first_day(tmp_path: Path) -> None:
    make(tmp_path, *(f"{monday:%Y%m%d}" for monday in MONDAYS))
    asked = request(tmp_path, "rain-{YYYY}{MM}{DD}.tif", **BY_DAY, options={"step": "week"})
    found, left_out = values(asked)
    assert found == {"2025W27": [65], "2025W28": [165], "2025W29": [265]}
    assert left_out == {"2025W30": "no file rain-20250721.tif"}
    asked = request(tmp_path, "rain-{YYYY}{MM}{DD}.tif", **BY_DAY)
    assert values(asked)[0] == {}  # of days there are too few


def test_netcdfs_of_one_week_each(tmp_path: Path) -> None:
    for n, monday in enumerate(MONDAYS):
        one = cube(1).assign_coords(time=np.array([monday], "M8[ns]"))
        written(one + 100 * n, tmp_path / f"rain-{monday:%Y%m%d}.nc")
    asked = request(tmp_path, "rain-{YYYY}{MM}{DD}.nc", **BY_DAY, options={"step": "week"})
    assert values(asked)[0] == {"2025W27": [65], "2025W28": [165], "2025W29": [265]}
    alone = request(tmp_path, "rain-20250707.nc", "2025-07-07", "2025-07-13", periodType="weekly")
    assert values(alone) == ({}, {"2025W28": "incomplete: 1 of 7 days"})
    alone = request(
        tmp_path, "rain-20250707.nc", "2025-07-07", "2025-07-13", periodType="weekly", options={"step": "week"}
    )
    assert values(alone) == ({"2025W28": [165]}, {})


def test_dekads(tmp_path: Path) -> None:
    make(tmp_path, "2025.06.1", "2025.06.2", "2025.06.3", "2025.07.1", "2025.07.3")
    asked = request(tmp_path, "rain-{YYYY}.{MM}.{K}.tif", "2025-06-01", "2025-08-31", periodType="monthly")
    assert values(asked) == (
        {"202506": [65, 165, 265]},
        {"202507": "no file rain-2025.07.2.tif", "202508": "no file rain-2025.08.1.tif"},
    )


def test_dekads_make_up_no_weeks(tmp_path: Path) -> None:
    make(tmp_path, "2025.07.1", "2025.07.2")
    asked = request(tmp_path, "rain-{YYYY}.{MM}.{K}.tif", "2025-06-30", "2025-07-20", periodType="weekly")
    message = "one value a dekad, which do not make up the period 2025W27 .*; allowed period types: dekadal, monthly"
    with pytest.raises(SourceError, match=message):
        values(asked)


def test_dekads_named_by_their_first_day(tmp_path: Path) -> None:
    make(tmp_path, "20250701", "20250711", "20250721", "20250801")
    asked = request(
        tmp_path,
        "rain-{YYYY}{MM}{DD}.tif",
        "2025-07-01",
        "2025-08-31",
        periodType="monthly",
        options={"step": "dekad"},
    )
    assert values(asked) == ({"202507": [65, 165, 265]}, {"202508": "incomplete: 1 of 3 dekads"})
