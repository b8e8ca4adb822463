"""QGIS without a screen: opens the collection, and the values of a job by URL."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.ogc.jobs import Jobs
from tests.stack import Stack

HAS_QGIS = Path("/usr/lib/python3/dist-packages/qgis").exists()


@pytest.mark.skipif(not HAS_QGIS, reason="Debian's python3-qgis is not installed")
def test_qgis_opens_the_collection_and_the_values_of_a_job(stack: Stack, jobs: Jobs, tmp_path: Path) -> None:
    jobs.ended("import")
    features = f"{stack.url}{jobs['import']}/files/features.geojson"
    script = Path(__file__).with_name("qgis_open.py")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PROJ"))}
    environment = kept | {"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["/usr/bin/python3", str(script), stack.url, "sample-temperature", features],
        capture_output=True,
        text=True,
        timeout=180,
        env=environment,
    )
    found = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
    assert found and all(layer["valid"] for layer in found.values()), done.stdout + done.stderr
    assert {"orgUnit", "period", "value", "validFraction"} <= set(found["collection"]["fields"])
    assert found["collection"]["count"] >= 18 and found["collection"]["areas"] == found["collection"]["count"]
    assert (found["vsicurl"]["count"], found["url"]["count"]) == (18, 18)
