"""Processes that a killed stack left behind."""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from eo_pygeoapi.commands.up.left_over import born, end_left_over, remove_temporary
from eo_pygeoapi.worker.environment import zygote_folder_prefix

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def test_what_was_left_is_ended_with_its_children() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        child = int(shell.stdout.readline())
        assert end_left_over({"web": shell.pid}, {"web": born(shell.pid)}) == ["web"]
    assert born(child) == 0.0


@pytest.mark.slow
def test_what_does_not_end_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        begun = time.monotonic()
        assert end_left_over({"worker": process.pid}, {"worker": born(process.pid)}) == ["worker"]
    assert process.wait(5) == -signal.SIGKILL and time.monotonic() - begun < 15


def test_a_process_that_got_the_id_later_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        assert end_left_over({"web": other.pid}, {"web": born(other.pid) - 100}) == []
        assert end_left_over({"web": other.pid}, {}) == []
        assert other.poll() is None
        other.terminate()


def test_what_is_gone_is_gone() -> None:
    process = subprocess.Popen(["true"])
    birth = born(process.pid)
    process.wait()
    assert end_left_over({"web": process.pid}, {"web": birth}) == []


def test_its_temporary_folders_are_removed_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ours = [tmp_path / name for name in ("pymp-a", f"{zygote_folder_prefix(41)}a")]
    others = [
        tmp_path / name for name in ("pymp-b", f"{zygote_folder_prefix(4)}a", f"{zygote_folder_prefix(42)}a", "data")
    ]
    for folder in (*ours, *others):
        folder.mkdir()
        (folder / "1.sock").touch()
    remove_temporary(str(ours[0]), [41])
    for not_one in ("", str(tmp_path / "data"), str(tmp_path / "pymp-gone")):
        remove_temporary(not_one, [])
    assert sorted(tmp_path.iterdir()) == sorted(others)
