"""Downloads that workers of several hosts share in an object store; two folders stand for the disks of two hosts."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eo_pygeoapi.cli import app
from eo_pygeoapi.errors import SourceUnavailableError
from eo_pygeoapi.store.download_cache import SHARED
from eo_pygeoapi.store.shared_cache import LOCK, Pace, SharedFolder, drop_copies, local_copies, prune_shared
from eo_pygeoapi.store.store import ResultStore
from tests.standins import s3

PREFIX = "chirps3/final-rnl-0123456789abcdef"
PART = "2025-07"
NAME = f"precip_{PART}.nc"
QUICK = Pace(written=0.1, looked_at=0.05, given_up=1)


@pytest.fixture
def url(s3_server: s3.StandIn) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def host(url: str, tmp_path: Path) -> Callable[[str], SharedFolder]:
    def make(name: str) -> SharedFolder:
        copies = tmp_path / name / PREFIX
        copies.mkdir(parents=True)
        return SharedFolder(ResultStore(url, "download cache"), PREFIX, copies, QUICK)

    return make


def stored(folder: SharedFolder, content: bytes, name: str = NAME) -> Path:
    (path := folder.copies / name).write_bytes(content)
    folder.push(path)
    return path


def test_what_one_host_has_fetched_another_reads_from_a_copy(host: Callable[[str], SharedFolder]) -> None:
    one, two = host("one"), host("two")
    stored(one, b"july")
    stored(one, b"august", "precip_2025-08.nc")
    two.pull(lambda file: file.first == date(2025, 7, 1), "precip")
    assert [path.name for path in two.copies.iterdir()] == [NAME] and (two.copies / NAME).read_bytes() == b"july"

    time.sleep(1.1)  # object stores know seconds
    stored(one, b"july, anew")
    two.pull(lambda _file: True, "precip")
    assert (two.copies / NAME).read_bytes() == b"july, anew"
    before = (one.copies / NAME).stat().st_mtime_ns
    one.pull(lambda _file: True, "precip")
    assert (one.copies / NAME).stat().st_mtime_ns == before  # its own is not copied back


def test_the_store_loses_a_file_only_where_its_own_is_damaged(host: Callable[[str], SharedFolder]) -> None:
    one, two = host("one"), host("two")
    path = stored(one, b"good")
    one.drop_damaged(path)
    assert [file.path.name for file in two.files("precip").values()] == [NAME]
    two.pull(lambda _file: True, "precip")
    two.drop_damaged(two.copies / NAME)
    assert two.files("precip") == {}


def _hold(url: str, copies: str, said: "multiprocessing.SimpleQueue[float]") -> None:
    folder = SharedFolder(ResultStore(url), PREFIX, Path(copies), QUICK)
    for _ in range(3):
        with folder.locked(lambda: None, 60, PART):
            said.put(time.time())
            time.sleep(0.2)
            said.put(time.time())


def test_hosts_hold_the_lock_one_after_the_other(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    said: multiprocessing.SimpleQueue[float] = context.SimpleQueue()
    workers = [context.Process(target=_hold, args=(url, f"/{n}", said)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    times = []
    while not said.empty():
        times.append(said.get())
    spans = sorted(zip(times[::2], times[1::2], strict=True))
    assert [worker.exitcode for worker in workers] == [0, 0] and len(spans) == 6
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert ResultStore(url).keys() == []


def test_a_host_that_fetches_another_part_does_not_wait(host: Callable[[str], SharedFolder]) -> None:
    words = list[str]()
    one, two = host("one"), host("two")
    with one.locked(lambda: None, 60, PART), two.locked(lambda: words.append("waits"), 2, "2025-08"):
        assert words == []
    assert one.store.keys() == []


def test_a_lock_whose_holder_is_lost_is_taken_over_and_one_that_is_kept_is_not(
    host: Callable[[str], SharedFolder],
) -> None:
    one, words = host("one"), list[str]()
    one.store.write_text(f"{PREFIX}/{LOCK}-{PART}", "lost 7")
    begun = time.monotonic()
    with one.locked(lambda: words.append("waits"), 60, PART):
        assert 1 <= time.monotonic() - begun < 10 and words == ["waits"]
        waiting: list[object] = []

        def wait() -> None:
            with pytest.raises(SourceUnavailableError, match="another worker has been fetching it") as raised:
                with host("two").locked(lambda: None, 2, PART):
                    pass
            waiting.append(raised.value)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(30)
        assert len(waiting) == 1


def test_a_lock_that_this_host_has_left_behind_is_taken_at_once(host: Callable[[str], SharedFolder]) -> None:
    one, words = host("one"), list[str]()
    with one.locked(lambda: words.append("waits"), 60, PART):
        left = one.store.read_bytes(f"{PREFIX}/{LOCK}-{PART}")
    one.store.write_bytes(f"{PREFIX}/{LOCK}-{PART}", left)
    begun = time.monotonic()
    with one.locked(lambda: words.append("waits"), 60, PART):
        assert time.monotonic() - begun < 0.9 and words == []


def test_a_step_on_another_host_finds_what_the_step_before_has_fetched(
    host: Callable[[str], SharedFolder], tmp_path: Path
) -> None:
    one = host("one")
    path = stored(one, b"july")
    here = tmp_path / "elsewhere"
    moved = "/lost/host/cache/" + f"{PREFIX}/{NAME}"
    assert local_copies([moved, str(path), "https://x.org/a.nc"], here, one.store) == [
        str(here / PREFIX / NAME), str(path), "https://x.org/a.nc",
    ]  # fmt: skip
    assert (here / PREFIX / NAME).read_bytes() == b"july"


def test_old_files_of_the_store_are_removed_but_for_those_that_are_needed(host: Callable[[str], SharedFolder]) -> None:
    one = host("one")
    stored(one, b"july")
    stored(one, b"august", "precip_2025-08.nc")
    later = time.time() + 60
    assert prune_shared(one.store, later - 120, dry_run=False, spared=lambda *_: False) == (0, 0)

    def spared(_source: str, file: object) -> bool:
        return str(getattr(file, "first", "")) == "2025-08-01"

    assert prune_shared(one.store, later, dry_run=True, spared=spared) == (1, 4)
    assert prune_shared(one.store, later, dry_run=False, spared=spared) == (1, 4)
    assert [file.first for file in one.files("precip").values()] == [date(2025, 8, 1)]


def test_a_copy_goes_when_the_store_no_longer_holds_its_file(host: Callable[[str], SharedFolder]) -> None:
    one, two = host("one"), host("two")
    gone, kept = stored(one, b"july"), stored(one, b"august", "precip_2025-08.nc")
    two.pull(lambda _file: True, "precip")
    cache = two.copies.parents[1]
    (own := cache / "file" / "rain" / NAME).parent.mkdir(parents=True)
    own.touch()  # of a source that shares nothing
    (two.copies / SHARED).touch()
    one.drop(gone)
    assert drop_copies(two.store, cache) == 0, "a new file may not be in the store yet"
    assert drop_copies(two.store, cache, time.time() + 3700) == 1
    assert [path.name for path in cache.rglob("*.nc")] == [own.name, kept.name]


def test_the_command_removes_old_files_of_the_store_and_of_this_machine(
    host: Callable[[str], SharedFolder], url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = host("one")
    stored(one, b"july")
    monkeypatch.setenv("EO_CACHE_URL", url)
    prune = ["cache", "prune", "--data-dir", str(tmp_path / "none"), "--older-than", "0"]
    for more, word in ((["--dry-run"], "would remove"), ([PREFIX], "removed"), ([], "removed 0 files")):
        said = CliRunner().invoke(app, [*prune, *more])
        assert said.exit_code == 0 and word in said.output and url in said.output, said.output
    assert one.files("precip") == {}


def test_the_commands_show_what_workers_share(
    host: Callable[[str], SharedFolder], url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stored(host("one"), b"july")
    monkeypatch.setenv("EO_CACHE_URL", url)
    for command, words in (("list", [PREFIX, "2025-07-01 to 2025-07-31", "copies on this machine"]), ("size", [url])):
        said = CliRunner().invoke(app, ["cache", command, "--data-dir", str(tmp_path / "none")])
        assert said.exit_code == 0 and all(word in said.output for word in words), said.output
