"""What a command imports before it says something: people wait for it each time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCIENCE = ("xarray", "pandas", "rasterio", "dask", "pint", "prefect")
SETTINGS = ("pydantic_settings", "yaml", "psutil", "shapely", "duckdb", "pygeoapi")


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], (*SCIENCE, *SETTINGS)),
        (["dhis2", "setup", "--help"], (*SCIENCE, *SETTINGS)),
        (["init"], SCIENCE),
        (["check"], SCIENCE),  # the packaged file before the first start, when the sample is not made yet
    ],
)
def test_a_command_imports_what_it_needs(arguments: list[str], unwanted: tuple[str, ...], tmp_path: Path) -> None:
    environment = {
        n: v for n, v in os.environ.items() if n not in ("PREFECT_API_URL", "PYGEOAPI_CONFIG", "EO_DATA_DIR")
    }
    if arguments == ["check"]:
        subprocess.run([sys.executable, "-m", "eo_pygeoapi", "init"], cwd=tmp_path, env=environment, check=True)
    code = f"""
import sys
from eo_pygeoapi.cli import app
app({arguments!r}, standalone_mode=False)
print([name for name in {unwanted!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120
    )
    assert done.returncode == 0 and done.stdout.endswith("\n[]\n"), done
