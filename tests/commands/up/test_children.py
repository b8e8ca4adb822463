"""The processes of `eo-pygeoapi up`: forks of one that has loaded what they share, or else processes of their own."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from eo_pygeoapi.commands.up.children import Children
from tests.worker.farm import until


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    yield Children(tmp_path, tmp_path / "libraries.log")
    for left in multiprocessing.active_children():
        left.kill()


SAY = "import os, sys; print('prefect' in sys.modules, os.getpid() == os.getsid(0))"


def test_forks_share_no_thread_and_no_open_file() -> None:
    code = "import eo_pygeoapi.commands.up.shared_libraries, eo_pygeoapi.worker.zygote as z; print(z.unsafe_to_share())"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as `up` has it
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.mark.parametrize("newer", [False, True])
def test_a_child_has_the_libraries_unless_the_code_on_disk_is_newer(tmp_path: Path, newer: bool) -> None:
    children = Children(tmp_path, tmp_path / "libraries.log", is_newer=lambda: newer)
    child = children.start("eo-pygeoapi test", exec, SAY, log=tmp_path / "log")
    child.join(60)
    assert child.exitcode == 0
    assert (tmp_path / "log").read_text() == f"{not newer} True\n"


def test_a_command_is_shown_as_it_would_be_typed_and_ends_with_its_status(children: Children, tmp_path: Path) -> None:
    child = children.run(["eo-pygeoapi", "watch", "--config", "/nowhere.yml", "--verbose"], tmp_path / "log")
    child.join(60)
    assert child.exitcode == 2 and "No such option: --verbose" in (tmp_path / "log").read_text()
    child = children.start("eo-pygeoapi test", time.sleep, 600)
    until(lambda: psutil.Process(child.pid).cmdline()[0].strip() == "eo-pygeoapi test")
    child.terminate()
    child.join(10)
    assert child.exitcode == -15


def test_a_child_ends_with_the_fork_server_and_the_next_has_another(children: Children, tmp_path: Path) -> None:
    child = children.start("eo-pygeoapi test", time.sleep, 600)
    process = psutil.Process(child.pid)
    server = process.parent()
    assert server is not None and "shared libraries" in server.cmdline()[0]
    server.kill()
    child.join(30)
    assert child.exitcode not in (None, 0)
    assert psutil.wait_procs([process], timeout=10)[1] == []
    again = children.start("eo-pygeoapi test", exec, SAY, log=tmp_path / "log")
    again.join(60)
    assert (again.exitcode, (tmp_path / "log").read_text()) == (0, "True True\n")


def test_a_child_misses_no_signal_that_comes_before_it_works(children: Children) -> None:
    children.start("eo-pygeoapi test", exec, SAY).join(60)  # the libraries are loaded
    for _ in range(20):
        child = children.start("eo-pygeoapi test", time.sleep, 600)
        child.terminate()
        child.join(10)
        assert child.exitcode == -15
