import subprocess
import sys

import pytest

PROGRAM = """
import sys
import {module}
modules = list(sys.modules)
late = [name for name in ("cfgrib", "eccodes", "gribapi", "xarray", "rasterio") if name in modules]
assert all(modules.index("pyproj") < modules.index(name) for name in late), late
"""


@pytest.mark.parametrize("module", ["eo_pygeoapi.pipeline.sources.preloaded", "flows.eo_aggregate_import"])
def test_pyproj_comes_before_anything_that_loads_eccodes(module: str) -> None:
    """With the two in the other order the interpreter dies at exit."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM.format(module=module)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
