"""The web process of `up` at a SIGHUP: another worker, or another process where the code on disk is newer."""

import os
import shutil
import signal
import sys
from pathlib import Path

import requests

from eo_pygeoapi.worker.loaded_code import STALE
from tests.servers import free_port, running
from tests.stack import CHECKOUT
from tests.worker.farm import until

APP = """
import os

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


def test_a_reload_never_mixes_old_code_with_new(tmp_path: Path) -> None:
    code, port = tmp_path / "code", free_port()
    for package in ("eo_pygeoapi", "flows"):
        shutil.copytree(CHECKOUT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "app_of_this_test.py").write_text(APP)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:eo_pygeoapi.commands.up.web_process"]
    command += ["--bind", f"127.0.0.1:{port}", "app_of_this_test:app"]
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}

    def worker() -> str:
        try:
            return requests.get(f"http://127.0.0.1:{port}", timeout=5).text
        except requests.ConnectionError:
            return ""

    with running(command, tmp_path / "log", environment) as process:
        first = until(worker)
        process.send_signal(signal.SIGHUP)
        until(lambda: (now := worker()) and now != first)
        assert process.poll() is None
        (code / "eo_pygeoapi" / "wording.py").write_text('"""New."""\n')
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == STALE
    assert "the code on disk is newer than what is loaded" in (tmp_path / "log").read_text()
