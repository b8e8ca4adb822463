"""`eo-pygeoapi …` in the process of a test: one of its own takes two or three seconds to import what it works with."""

import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from eo_pygeoapi.__main__ import main
from eo_pygeoapi.settings import process_settings


def eo_pygeoapi(
    *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line with these variables beside those of this process; returns what a process would leave."""
    out, err, code = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.argv", ["eo-pygeoapi", *arguments])
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        if cwd:
            patch.chdir(cwd)
        process_settings.cache_clear()
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            process_settings.cache_clear()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
