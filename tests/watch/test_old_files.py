"""Old logs, downloads and closed problems."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.old_files import (
    remove_closed_problems,
    remove_dead_letters,
    remove_downloads,
    remove_logs,
    remove_lost_errors,
)
from eo_pygeoapi.watch.old_jobs import Removed
from eo_pygeoapi.watch.problems import Book, Condition

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PRODUCT = "chirps3/final-rnl-0123456789abcdef"


def written(path: Path, days_ago: float, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, ((NOW - days_ago * DAY).timestamp(),) * 2)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# logs


def test_a_log_begins_anew_each_day_while_its_process_goes_on_writing(tmp_path: Path) -> None:
    with (tmp_path / "web.log").open("ab", buffering=0) as process:
        process.write(b"first\n")
        remove_logs(tmp_path, 90 * DAY, NOW, dry_run=False)
        process.write(b"second\n")
        remove_logs(tmp_path, 90 * DAY, NOW, dry_run=False)
        remove_logs(tmp_path, 90 * DAY, NOW + DAY, dry_run=False)
        process.write(b"third\n")
    assert names(tmp_path) == ["web-2026-11-29.log", "web.log"]
    assert (tmp_path / "web-2026-11-29.log").read_bytes() == b"first\nsecond\n"
    assert (tmp_path / "web.log").read_bytes() == b"third\n"


def test_days_of_logs_that_are_too_old_go(tmp_path: Path) -> None:
    for day in ("2026-08-30", "2026-08-31"):
        (tmp_path / f"worker-{day}.log").write_text("x" * 7)
    (tmp_path / "worker.log").touch()
    (tmp_path / "notes.txt").touch()
    would = remove_logs(tmp_path, 90 * DAY, NOW, dry_run=True)
    assert len(names(tmp_path)) == 4
    assert (would.count, would.size) == (1, 7) and remove_logs(tmp_path, 90 * DAY, NOW, dry_run=False) == would
    assert names(tmp_path) == ["notes.txt", "worker-2026-08-31.log", "worker.log"]


# downloads


def dataset(start: str) -> dict[str, Dataset]:
    schedule = {"name": "daily", "cron": "0 6 * * *", "inputs": {"start": start, "end": "P0D"}}
    block = {"source": "chirps3", "orgUnits": {"source": "dhis2", "level": 2}, "schedules": [schedule]}
    return read_datasets({"resources": {"rain": {"type": "collection", "title": "Rain", "eo": block}}}, Path("/"))


@pytest.mark.parametrize(
    ("start", "left"),
    [
        ("-P3D", ["precip_2026-11-01_2026-11-05.nc"]),  # this month, which the next run asks for again
        ("-P40D", ["precip_2026-10.nc", "precip_2026-11-01_2026-11-05.nc"]),
    ],
)
def test_old_downloads_go_but_for_what_the_next_run_needs(tmp_path: Path, start: str, left: list[str]) -> None:
    for name in ("precip_2025-07.nc", "precip_2026-10.nc", "precip_2026-11-01_2026-11-05.nc"):
        written(tmp_path / PRODUCT / name, 20)
    done = remove_downloads(tmp_path, 7 * DAY, NOW, dataset(start), (), dry_run=False)
    assert names(tmp_path) == left and done.count == 3 - len(left)


def test_of_a_source_that_a_job_reads_nothing_goes(tmp_path: Path) -> None:
    written(tmp_path / PRODUCT / "precip_2025-07.nc", 400)
    written(tmp_path / "worldpop/SLE-0123456789abcdef/people_2020.tif", 400)
    remove_downloads(tmp_path, 365 * DAY, NOW, dataset("-P3D"), {"chirps3"}, dry_run=False)
    assert names(tmp_path) == ["precip_2025-07.nc"]


def test_a_dry_run_only_counts_and_weights_count_too(tmp_path: Path) -> None:
    written(tmp_path / PRODUCT / "precip_2025-07.nc", 400, 100)
    written(tmp_path / "weights/abc.npz", 400, 50)
    written(tmp_path / "weights/def.npz", 3)
    would = remove_downloads(tmp_path, 365 * DAY, NOW, {}, (), dry_run=True)
    assert (would.count, would.size) == (2, 150) and len(names(tmp_path)) == 3
    assert remove_downloads(tmp_path, 365 * DAY, NOW, {}, (), dry_run=False) == would
    assert names(tmp_path) == ["def.npz"]


# what Prefect leaves


def test_errors_of_steps_go_from_the_top_of_the_results_store(tmp_path: Path) -> None:
    store, lost = ResultStore(str(tmp_path)), "0e8ab0b687eb4ede955d853e494d7b3e"
    for key in (lost, f"jobs/{lost}", "notes.txt"):
        store.write_bytes(key, b"{}")

    would = remove_lost_errors(store, dry_run=True)
    assert would == remove_lost_errors(store, dry_run=False) == Removed("errors of steps", 1, 2)
    assert store.keys() == [f"jobs/{lost}", "notes.txt"]
    assert remove_lost_errors(store, dry_run=False).count == 0


# problems


def test_problems_that_have_long_been_over_go(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    book = Book(store)
    book.update([Condition("failed", "x", NOW, "a"), Condition("late", "y", NOW, "b")], NOW)
    book.update([Condition("late", "y", NOW, "b")], NOW)
    for key in store.keys("problems/closed"):
        os.utime(tmp_path / key, ((NOW - 31 * DAY).timestamp(),) * 2)
    assert remove_closed_problems(store, 30 * DAY, NOW, dry_run=True).count == 1 == len(book.closed())
    assert remove_closed_problems(store, 30 * DAY, NOW, dry_run=False).count == 1
    assert book.closed() == [] and len(book.open()) == 1


def test_old_messages_that_prefect_has_put_aside_are_removed(tmp_path: Path) -> None:
    for name, days in (("old", 91), ("new", 89)):
        (tmp_path / name).write_text("message")
        moment = (NOW - days * DAY).timestamp()
        os.utime(tmp_path / name, (moment, moment))
    would = remove_dead_letters(tmp_path, 90 * DAY, NOW, dry_run=True)
    assert (would.count, would.size, len(list(tmp_path.iterdir()))) == (1, 7, 2)
    assert remove_dead_letters(tmp_path, 90 * DAY, NOW, dry_run=False) == would
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert remove_dead_letters(tmp_path / "none", 90 * DAY, NOW, dry_run=False).count == 0
