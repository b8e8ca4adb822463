"""What `check` sees of local files: made as people make them, and wrong as they are."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from eo_pygeoapi.cli import app
from eo_pygeoapi.commands.configuration.near import near_findings
from eo_pygeoapi.commands.configuration.packaged import packaged_config
from eo_pygeoapi.commands.up.sample import make_sample
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from tests.pipeline.made_files import cube, daily_files, geotiff, numbers, written

HEAVY = ["xarray", "pandas", "rasterio", "geopandas", "exactextract", "dhis2eo", "netCDF4", "prefect"]
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}


def units(folder: Path, *properties: dict[str, Any]) -> None:
    features = [{"type": "Feature", "properties": p, "geometry": SQUARE} for p in properties]
    (folder / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def block(folder: Path, options: dict[str, Any], **org_units: Any) -> dict[str, Dataset]:
    eo = {
        "source": "file",
        "options": options,
        "orgUnits": {"source": "geojson", "href": "units.geojson", "id": "uid", **org_units},
    }
    return read_datasets({"resources": {"d": {"type": "collection", "eo": eo}}}, folder)


def problems(folder: Path, options: dict[str, Any], **org_units: Any) -> list[str]:
    found, _ = near_findings(block(folder, options, **org_units), folder / "cache", folder / "sample")
    return [problem.replace(str(folder), "DIR") for problem in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    units(tmp_path, {"uid": "OuA", "name": "A"}, {"uid": "OuB", "name": "B"})
    written(cube(), tmp_path / "t2m.nc")
    geotiff(tmp_path / "people.tif", numbers(1)[0])
    return tmp_path


def test_what_can_be_read_is_no_problem(folder: Path) -> None:
    assert problems(folder, {"href": "t2m.nc", "variable": "t2m"}) == []
    assert problems(folder, {"href": "people.tif", "time": "2025"}) == []
    daily_files(folder / "days")
    assert problems(folder, {"href": "days/{YYYY}/{MM}/rain-{YYYY}{MM}{DD}.tif"}) == []
    assert problems(folder, {"href": "https://nowhere.example.org/x.nc"}) == []  # not asked


def test_files_that_are_not_there_are_named(folder: Path) -> None:
    assert problems(folder, {"href": "rain.nc"}, href="districts.geojson") == [
        "resources.d.eo.options: there is no file DIR/rain.nc",
        "resources.d.eo.orgUnits: DIR/districts.geojson: cannot be read: No such file or directory",
    ]
    assert problems(folder, {"href": "{YYYY}/rain-{MM}.nc"}) == [
        "resources.d.eo.options: there is no file DIR/{YYYY}/rain-{MM}.nc"
    ]


def test_what_up_makes_itself_is_not_missing(folder: Path) -> None:
    assert problems(folder, {"href": "sample/temperature.nc"}, href="sample/districts.geojson") == []


def test_a_variable_that_is_not_there_is_named_with_those_that_are(folder: Path) -> None:
    (problem,) = problems(folder, {"href": "t2m.nc", "variable": "rain"})
    assert problem.startswith("resources.d.eo.options: ") and "'rain'" in problem and "t2m" in problem


def test_a_raster_without_a_time_says_what_to_set(folder: Path) -> None:
    (problem,) = problems(folder, {"href": "people.tif"})
    assert "has no time axis; set options.time" in problem


def test_an_id_that_no_feature_has_is_named_with_what_they_have(folder: Path) -> None:
    assert problems(folder, {"href": "t2m.nc"}, id="code") == [
        "resources.d.eo.orgUnits: DIR/units.geojson: none of 2 features has 'code'; their properties: name, uid"
    ]


def test_ids_that_are_there_twice_are_remarked_upon(folder: Path) -> None:
    units(folder, {"uid": "OuA"}, {"uid": "OuB"}, {"uid": "OuA"}, {"name": "C"})
    found, left_out = near_findings(block(folder, {"href": "t2m.nc"}), folder / "cache", folder / "sample")
    assert found == []
    assert [entry.replace(str(folder), "DIR") for entry in left_out] == [
        "resources.d.eo.orgUnits: OuA: feature number 3 of DIR/units.geojson has the id of number 1, which is taken",
        "resources.d.eo.orgUnits: feature number 4 of DIR/units.geojson has no 'uid'",
    ]


def test_a_file_that_is_none_is_named(folder: Path) -> None:
    (folder / "broken.nc").write_bytes(np.zeros(100, "uint8").tobytes())
    (problem,) = problems(folder, {"href": "broken.nc"})
    assert problem.startswith("resources.d.eo.options: ") and "broken.nc" in problem


def test_the_command_sees_all_of_it_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PYGEOAPI_CONFIG", raising=False)
    monkeypatch.setenv("EO_DATA_DIR", str(folder / "data"))
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    config = folder / "pygeoapi-config.yml"
    text = config.read_text().replace("${EO_DATA_DIR:-.eo-pygeoapi}/sample/temperature.nc", "rain.nc")
    config.write_text(text.replace("${EO_DATA_DIR:-.eo-pygeoapi}/sample/districts.geojson", "nowhere.geojson"))
    checked = CliRunner().invoke(app, ["check"])
    assert checked.exit_code == 1
    said = str(checked.exception)
    assert "resources.sample-temperature.eo.options: there is no file" in said
    assert "resources.sample-temperature.eo.orgUnits:" in said and "nowhere.geojson" in said


def test_without_local_files_the_command_imports_neither_science_nor_prefect(folder: Path) -> None:
    eo = {"source": "chirps3", "orgUnits": {"source": "dhis2", "level": 2}, "units": {"from": "mm", "to": "mm"}}
    config = yaml.safe_load(packaged_config().read_text().replace("${EO_DATA_DIR:-.eo-pygeoapi}", "data"))
    rain = {**config["resources"]["chirps3-daily"], "eo": eo}
    config["resources"] = {"eo-aggregate-import": config["resources"]["eo-aggregate-import"], "chirps3-daily": rain}
    (folder / "c.yml").write_text(yaml.safe_dump(config))
    assert imported_by_check(folder, "c.yml") == ["no mistakes; 1 datasets enabled", "[]"]


def test_the_sample_is_looked_at_with_the_library_of_its_format_alone(folder: Path) -> None:
    (folder / "c.yml").write_text(packaged_config().read_text())
    make_sample(folder / "data" / "sample")
    assert imported_by_check(folder, "c.yml") == ["no mistakes; 5 datasets enabled", "['netCDF4']"]


def imported_by_check(folder: Path, config: str) -> list[str]:
    """Return the end of what the command says in a process of its own, and the large libraries that it imported."""
    code = f"""
import sys
from eo_pygeoapi.cli import app
app(["check", "--config", {config!r}, "--data-dir", "data"], standalone_mode=False)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done
    return [line.partition(": ")[2] or line for line in done.stdout.splitlines()[-2:]]
