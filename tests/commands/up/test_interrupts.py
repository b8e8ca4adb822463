import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from eo_pygeoapi.commands.up.interrupts import deferred_interrupts
from tests.servers import running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_block_has_ended(number: int) -> None:
    done = []

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), deferred_interrupts():
            os.kill(os.getpid(), number)
            time.sleep(0.05)
            done.append("the block")
        assert done == ["the block"] and signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, before)


def test_ctrl_c_while_up_starts_stops_all_that_it_started(tmp_path: Path) -> None:
    log, state = tmp_path / "up.log", tmp_path / "data" / "up.json"
    command = [sys.executable, "-m", "eo_pygeoapi", "up", "--data-dir", str(state.parent)]
    with running([*command, "--port", "0", "--prefect-port", "0"], log, None, signal.SIGINT) as process:
        until = time.monotonic() + 120
        while not (state.exists() and '"web"' in state.read_text()):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        started = [psutil.Process(pid) for pid in json.loads(state.read_text())["pids"].values()]
    said = log.read_text()
    assert process.returncode == 130, said
    assert "Traceback" not in said and "Running" not in said and "stopped prefect-server" in said
    assert len(started) == 3 and not [child for child in started if child.is_running()] and not state.exists()


def test_ctrl_c_before_anything_runs_is_quiet_too(tmp_path: Path) -> None:
    log, begun = tmp_path / "log", tmp_path / "begun"
    slow_import = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(60)\n"
    (tmp_path / "typer.py").write_text(slow_import)
    command = [sys.executable, "-m", "eo_pygeoapi", "--help"]
    with running(command, log, {"PYTHONPATH": str(tmp_path)}) as process:
        until = time.monotonic() + 60
        while not begun.exists():
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.returncode == 130 and "Traceback" not in log.read_text()
