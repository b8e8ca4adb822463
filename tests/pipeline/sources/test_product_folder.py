import threading
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from eo_pygeoapi.errors import SourceUnavailableError
from eo_pygeoapi.pipeline.sources.product_folder import ProductFolder, opened


def folder(tmp_path: Path, **key: object) -> ProductFolder:
    found = ProductFolder.of(tmp_path, "made", "daily", "Made", "D", {"box": [0, 0, 1, 1], **key})
    found.make()
    return found


def days(first: int, last: int) -> list[date]:
    return [date(2026, 3, day) for day in range(first, last + 1)]


def put(to: ProductFolder, first: int, last: int, value: float, *, provisional: bool = False) -> Path:
    """Keep a file of these days of March 2026, all of whose cells have this value."""
    time = np.array(days(first, last), "M8[ns]")
    axes = {"time": time, "lat": [0.5, -0.5], "lon": [0.5, 1.5]}
    array = xr.DataArray(np.full((len(time), 2, 2), value), dims=list(axes), coords=axes, name="level")
    with to.unfinished() as unfinished:
        array.to_netcdf(unfinished / "made.nc")
        return to.keep(
            unfinished / "made.nc", "level", date(2026, 3, first), date(2026, 3, last), provisional=provisional
        )


def test_a_day_is_taken_from_the_final_file_and_once(tmp_path: Path) -> None:
    made = folder(tmp_path)
    put(made, 1, 9, 1.0, provisional=True)
    put(made, 5, 5, 2.0)
    put(made, 4, 6, 3.0)
    files, missing = made.covering("level", days(2, 11), date(2026, 3, 20))
    assert [file.path.name for file in files] == [
        "level_2026-03-04_2026-03-06.nc",
        "level_2026-03-01_2026-03-09.provisional.nc",
    ]
    assert missing == days(10, 11)
    parts = opened([str(file.path) for file in files], "made")
    joined = xr.concat(parts, "time").sortby("time")
    assert joined["time"].values.astype("M8[D]").tolist() == days(1, 9)
    assert joined.values[:, 0, 0].tolist() == [1, 1, 1, 3, 3, 3, 1, 1, 1]


def test_final_files_take_the_place_of_provisional_ones(tmp_path: Path) -> None:
    made = folder(tmp_path)
    old = [put(made, 1, 3, 1.0, provisional=True), put(made, 4, 4, 1.0, provisional=True)]
    longer = put(made, 4, 9, 1.0, provisional=True)
    put(made, 1, 4, 2.0)
    assert not any(path.exists() for path in old) and longer.exists()


def test_what_does_not_hold_its_days_is_not_kept(tmp_path: Path) -> None:
    made = folder(tmp_path)
    with made.unfinished() as unfinished:
        (unfinished / "x.nc").write_bytes(b"")
        with pytest.raises(SourceUnavailableError, match="Made: what was received for 2026-03-01 cannot be used"):
            made.keep(unfinished / "x.nc", "level", date(2026, 3, 1), date(2026, 3, 1))
    path = put(made, 1, 3, 1.0)
    with pytest.raises(SourceUnavailableError, match="holds 3 time steps, not the 4 of its days"):
        made.keep(path, "level", date(2026, 3, 1), date(2026, 3, 4))


def test_a_file_that_was_put_in_the_place_of_another_is_looked_at_again(tmp_path: Path) -> None:
    made = folder(tmp_path)
    path = put(made, 1, 3, 1.0)
    assert made.covering("level", days(1, 3), date(2026, 3, 20))[1] == []
    path.write_bytes(path.read_bytes()[:-100])
    assert made.covering("level", days(1, 3), date(2026, 3, 20))[1] == days(1, 3)


def test_provisional_files_expire_when_final_ones_are_due_and_then_are_asked_for_once_a_week(tmp_path: Path) -> None:
    made, today = folder(tmp_path), date.today()
    put(made, 1, 3, 1.0, provisional=True)

    def kept(on: date, due: date) -> bool:
        return made.covering("level", days(1, 3), on, lambda _: due)[1] == []

    assert kept(today, due=today + timedelta(1))
    assert not kept(today + timedelta(1), due=today + timedelta(1))
    # fetched after they were due, and still provisional
    assert kept(today + timedelta(6), due=today)
    assert not kept(today + timedelta(7), due=today)


def test_other_keys_are_other_folders_that_say_what_they_hold(tmp_path: Path) -> None:
    one, other = folder(tmp_path), folder(tmp_path, address="http://mirror")
    assert one.path != other.path and folder(tmp_path).path == one.path
    assert '"address": "http://mirror"' in (other.path / "about.json").read_text()


def test_jobs_that_fetch_other_parts_do_not_wait_and_one_that_fetches_the_same_does(tmp_path: Path) -> None:
    first, other, same = list[str](), list[str](), threading.Event()
    made, held = folder(tmp_path), threading.Event()

    def wait() -> None:
        def say(words: str) -> None:
            assert words == "waits for another job that fetches Made 2026-03"
            same.set()

        with folder(tmp_path).locked(say, "2026-03"):
            assert same.is_set() and not held.is_set()

    with made.locked(first.append, "2026-03"):
        held.set()
        with folder(tmp_path).locked(other.append, "2026-04"), folder(tmp_path).unfinished("2026-03") as unfinished:
            assert unfinished.exists(), "of another part, and so not swept up"
        (waiting := threading.Thread(target=wait)).start()
        assert same.wait(10)
        held.clear()
    waiting.join(10)
    assert not waiting.is_alive() and first == other == []


def test_who_holds_the_lock_of_a_part_sweeps_up_after_those_before_it(tmp_path: Path) -> None:
    made = folder(tmp_path)
    for part in ("2026-03", "2026-04"):
        (made.path / f".unfinished-lost-1-abc.{part}").mkdir()
    with made.locked(print, "2026-03"):
        assert [path.name for path in made.path.glob(".unfinished-*")] == [".unfinished-lost-1-abc.2026-04"]


def test_a_damaged_file_is_passed_over_and_removed_by_who_holds_the_lock(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (path := put(made, 1, 3, 1.0)).write_bytes(b"cut off")
    assert made.covering("level", days(1, 3), date(2026, 3, 20)) == ([], days(1, 3)) and path.exists()
    assert made.covering("level", days(1, 3), date(2026, 3, 20), locked=True) == ([], days(1, 3)) and not path.exists()
