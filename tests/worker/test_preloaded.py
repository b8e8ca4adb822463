"""What every process of jobs holds."""

import subprocess
import sys

FOR_SOME_JOBS = ("zarr", "aiohttp")


def test_libraries_that_few_jobs_need_are_not_loaded_for_all() -> None:
    code = f"""
import importlib, sys
from eo_pygeoapi.worker.zygote import PRELOADED
for name in PRELOADED:
    importlib.import_module(name)
print([name for name in {FOR_SOME_JOBS!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
