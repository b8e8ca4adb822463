"""The memory that an aggregation takes beside its results, measured in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "bench" / "zonal.py"
BOUND_MIB = 256
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux does")


def growth(variant: str, **arguments: Any) -> float:
    command = [sys.executable, str(BENCH), "--one", variant, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout.splitlines()[-1])["mib"])


@pytest.mark.slow
def test_a_month_of_hours_takes_little(tmp_path: Path) -> None:
    assert growth("file_to_values", steps=744, folder=str(tmp_path)) < 64  # the grid has 51 MiB, twice in float64


@pytest.mark.slow
def test_a_country_at_100_m_stays_within_the_bound(tmp_path: Path) -> None:
    assert growth("fine_to_values", shape=[3640, 3700], folder=str(tmp_path), count=20) < BOUND_MIB


@pytest.mark.slow
@pytest.mark.parametrize("years", [1, 2])  # exactextract asked itself, and weights
@pytest.mark.parametrize("count", [1, 150])
def test_ten_times_as_many_cells_stay_within_the_bound(tmp_path: Path, years: int, count: int) -> None:
    assert growth("fine_to_values", shape=[11500, 11700], folder=str(tmp_path), count=count, years=years) < BOUND_MIB


@pytest.mark.slow
def test_a_year_of_hours_takes_no_more_than_a_month(tmp_path: Path) -> None:
    assert growth("file_to_values", steps=8760, folder=str(tmp_path)) < 64
