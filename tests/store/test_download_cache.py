"""The cache as operations staff see it."""

import os
import time
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from eo_pygeoapi.cli import app
from eo_pygeoapi.store.download_cache import dates_text, days_text, file_name, parse, products, prune, sweep_cache

DAY = 86400


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2025-01-01", "2025-12-31", "2025"),
        ("2025-07-01", "2025-07-31", "2025-07"),
        ("2025-07-01", "2025-07-01", "2025-07-01"),
        ("2025-07-01", "2025-07-09", "2025-07-01_2025-07-09"),
        ("2024-02-01", "2024-02-29", "2024-02"),
        ("2024-02-01", "2024-02-28", "2024-02-01_2024-02-28"),
    ],
)
def test_a_name_tells_the_days_and_is_read_again(first: str, last: str, text: str) -> None:
    days = date.fromisoformat(first), date.fromisoformat(last)
    assert dates_text(*days) == text
    for provisional in (False, True):
        name = file_name("volumetric_soil_water_layer_1", *days, provisional=provisional)
        file = parse(Path("folder", name))
        assert file is not None
        assert (file.variable, file.first, file.last, file.provisional) == (
            "volumetric_soil_water_layer_1",
            *days,
            provisional,
        )


@pytest.mark.parametrize("name", ["about.json", "precip.nc", "precip_2025-13.nc", ".unfinished-x", "precip_2025.zip"])
def test_what_is_not_ours_has_no_days(name: str) -> None:
    assert parse(Path(name)) is None


def test_days_are_written_for_people() -> None:
    days = [date(2025, 7, day) for day in (1, 2, 3, 5, 8, 9, 11, 13)]
    assert days_text(days) == "2025-07-01 to 2025-07-03, 2025-07-05, 2025-07-08 to 2025-07-09, …"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Two products, one file old and provisional, and what a killed download left."""
    root = tmp_path / "cache"
    files = {
        "chirps3/final-rnl-0123456789abcdef/precip_2025-07.nc": (10, 5),
        "chirps3/final-rnl-0123456789abcdef/.unfinished-abc.2025-07/day.nc": (7, 3),
        "era5-land/cds-0123456789abcdef/2m_temperature_2025-08-01_2025-08-09.provisional.nc": (100, 40),
        "era5-land/cds-0123456789abcdef/2m_temperature_2025-07.nc": (1000, 1),
    }
    for name, (size, age) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        for aged in (path, path.parent):
            os.utime(aged, (time.time() - age * DAY,) * 2)
    return root


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def test_the_products_are_listed_with_days_and_sizes(cache: Path) -> None:
    chirps, era5 = products(cache)
    assert (chirps.name, chirps.files, chirps.size, chirps.unfinished) == (
        "chirps3/final-rnl-0123456789abcdef",
        1,
        10,
        1,
    )
    assert (era5.files, era5.size, era5.first, era5.last, era5.provisional) == (
        2,
        1100,
        date(2025, 7, 1),
        date(2025, 8, 9),
        1,
    )


def test_old_files_and_what_killed_downloads_left_are_removed(cache: Path) -> None:
    would = prune(cache, 30, dry_run=True)
    assert len(left(cache)) == 4
    done = prune(cache, 30)
    assert (done, would) == (would, done) and (done.files, done.size) == (2, 107)
    assert left(cache) == ["2m_temperature_2025-07.nc", "precip_2025-07.nc"]


def test_only_the_named_products_are_pruned_and_empty_folders_go(cache: Path) -> None:
    prune(cache, 0, ["chirps3"])
    assert [product.name for product in products(cache)] == ["era5-land/cds-0123456789abcdef"]


def test_a_download_under_way_is_left_alone(cache: Path) -> None:
    unfinished = cache / "chirps3/final-rnl-0123456789abcdef/.unfinished-abc.2025-07"
    os.utime(unfinished)
    prune(cache, 0)
    assert unfinished.exists()


def test_a_download_whose_lock_is_held_is_left_alone_however_long_it_waits(cache: Path) -> None:
    unfinished = cache / "chirps3/final-rnl-0123456789abcdef/.unfinished-abc.2025-07"
    with FileLock(unfinished.parent / ".lock-2025-07"):
        assert (prune(cache, 1000).files, sweep_cache(cache)) == (0, 0)
    os.utime(unfinished)
    (unfinished / "day.nc").touch()
    assert sweep_cache(cache) == 1 and not unfinished.exists()


def test_what_is_written_where_there_is_no_lock_is_left_alone(cache: Path) -> None:
    unfinished = cache / "chirps3/final-rnl-0123456789abcdef/.unfinished-abc.2025-07"
    (unfinished / "day.nc").touch()
    assert sweep_cache(cache) == 0
    os.utime(unfinished / "day.nc", (time.time() - 4000,) * 2)
    assert sweep_cache(cache) == 1 and not unfinished.exists()


def test_the_command_lists_and_prunes(cache: Path) -> None:
    run = CliRunner().invoke
    environment = {"EO_CACHE_URL": str(cache), "COLUMNS": "200"}
    listed = run(app, ["cache", "list"], env=environment)
    assert listed.exit_code == 0
    assert "era5-land/cds-0123456789abcdef" in listed.output and "2025-07-01 to 2025-08-09" in listed.output
    assert "1.1 kB" in run(app, ["cache", "size"], env=environment).output
    dry = run(app, ["cache", "prune", "--older-than", "30", "--dry-run"], env=environment)
    assert "would remove 2 files, 107 bytes" in dry.output and len(left(cache)) == 4
    assert "removed 2 files" in run(app, ["cache", "prune", "--older-than", "30"], env=environment).output
    assert len(left(cache)) == 2
