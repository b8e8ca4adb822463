"""GDAL, which QGIS and many others read with: the collection by its OAPIF driver, the results of a job by URL."""

import csv
import json
import shutil
import subprocess

import pytest

from tests.ogc.jobs import Jobs
from tests.stack import Stack

pytestmark = pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="Debian's gdal-bin is not installed")

SINCE = ("-oo", "PAGE_SIZE=1000", "-where", "start >= '2025/07/03'")


def gdal(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_gdal_lists_the_collections(stack: Stack) -> None:
    assert "sample-temperature" in gdal("ogrinfo", f"OAPIF:{stack.url}")


def test_gdal_reads_a_collection(stack: Stack, jobs: Jobs) -> None:
    jobs.ended("import")
    described = gdal("ogrinfo", "-ro", "-so", f"OAPIF:{stack.url}", "sample-temperature")
    for said in ("Geometry: ", "orgUnit: String", "value: Real", "validFraction: Real", "period: String"):
        assert said in described, described
    query = ("-where", "period = '20250702'")
    table = gdal("ogr2ogr", "-f", "CSV", "/vsistdout/", f"OAPIF:{stack.url}", "sample-temperature", *query)
    rows = list(csv.DictReader(table.splitlines()))
    assert len(rows) == 6 and {row["period"] for row in rows} == {"20250702"}
    days = gdal("ogr2ogr", "-f", "CSV", "/vsistdout/", f"OAPIF:{stack.url}", "sample-temperature", *SINCE)
    assert min(row["period"] for row in csv.DictReader(days.splitlines())) == "20250703"
    box = ("-spat", "-1", "-1", "-0.5", "0")
    some = gdal("ogr2ogr", "-f", "CSV", "/vsistdout/", f"OAPIF:{stack.url}", "sample-temperature", *query, *box)
    assert 0 < len(some.splitlines()) - 1 < 6


def test_gdal_reads_the_values_of_a_job_by_url(stack: Stack, jobs: Jobs) -> None:
    jobs.ended("import")
    url = f"{stack.url}{jobs['import']}/files/features.geojson"
    for source in (f"/vsicurl/{url}", url):
        written = json.loads(gdal("ogr2ogr", "-f", "GeoJSON", "/vsistdout/", source))
        assert len(written["features"]) == 18
        assert written["features"][0]["properties"]["jobID"] == jobs.id("import")
