import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from shapely.geometry import box, shape

from eo_pygeoapi.commands.up.sample import DAYS, make_sample, temperature
from eo_pygeoapi.commands.up.used_sample import make_used_sample
from eo_pygeoapi.contract.request_features import feature_problems
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.settings import Settings
from tests.stack import CHECKOUT

PACKAGED = CHECKOUT / "pygeoapi-config.yml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "sample"
    make_sample(folder)
    return folder


@pytest.mark.parametrize("folder", ["data", "elsewhere"])
def test_a_worker_makes_it_where_the_file_names_it(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EO_DATA_DIR", str(tmp_path / folder))
    settings = Settings(PYGEOAPI_CONFIG=PACKAGED, EO_DATA_DIR=tmp_path / "data")  # type: ignore[call-arg]
    for _ in range(2):
        make_used_sample(settings)
        made = {path.name for path in (tmp_path / "data").rglob("*") if path.is_file()}
        assert made == ({"temperature.nc", "districts.geojson"} if folder == "data" else set())


def test_a_worker_goes_on_without_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nowhere = Settings(PYGEOAPI_CONFIG=tmp_path / "none.yml", EO_DATA_DIR=tmp_path)  # type: ignore[call-arg]
    make_used_sample(nowhere)
    assert "the synthetic sample was not looked for" in caplog.text


def test_the_temperatures_are_those_of_the_formula() -> None:
    kelvin = temperature()
    assert kelvin.shape == (DAYS, 20, 20) and kelvin.dtype == np.float32
    # day 0, 0.95 N 0.95 W: 298.15 - 4 * 0.95**2 - 1.5 * 0.95
    assert_allclose(kelvin[0, 0, 0], 293.115, atol=1e-3)
    # day 10 is a whole wave later
    assert_allclose(kelvin[10], kelvin[0], atol=1e-4)
    assert_array_equal(temperature(), kelvin)


def test_a_corner_is_sea() -> None:
    sea = np.isnan(temperature())
    assert sea.sum() == DAYS * 2 * 4
    assert sea[:, -4:, -2:].all()


def test_the_file_says_what_it_is_and_that_it_is_made_up(folder: Path) -> None:
    with netCDF4.Dataset(folder / "temperature.nc") as file:
        assert "SYNTHETIC" in file.title and "synthetic" in file["t2m"].long_name
        assert file["t2m"].dimensions == ("time", "latitude", "longitude") and file["t2m"].units == "K"
        assert file["time"].units == "days since 2025-07-01" and list(file["time"][:]) == list(range(31))
        assert_allclose(file["latitude"][:][[0, -1]], [0.95, -0.95])
        assert_allclose(file["longitude"][:][[0, -1]], [-0.95, 0.95])
        assert_array_equal(np.ma.filled(file["t2m"][:], np.nan), temperature())


def test_six_districts_share_their_borders_and_lie_on_the_grid(folder: Path) -> None:
    document = json.loads((folder / "districts.geojson").read_text())
    assert feature_problems(document) == []
    assert [feature["id"] for feature in document["features"]] == [f"SampleDist{letter}" for letter in "ABCDEF"]
    areas = [shape(feature["geometry"]) for feature in document["features"]]
    assert all(area.is_valid and box(-1, -1, 1, 1).contains(area) for area in areas)
    for number, area in enumerate(areas):
        for other in areas[number + 1 :]:
            assert area.intersection(other).area < 1e-12
    neighbours = [(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)]
    assert all(areas[a].intersection(areas[b]).length > 0.5 for a, b in neighbours)


def test_ids_are_like_dhis2_s_and_names_say_sample(folder: Path) -> None:
    for feature in json.loads((folder / "districts.geojson").read_text())["features"]:
        assert len(feature["id"]) == 11
        assert feature["properties"]["name"].startswith("Sample") and feature["properties"]["synthetic"]


def test_what_is_there_is_left_alone_and_what_is_missing_is_made(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "temperature.nc").write_text("mine")
    make_sample(tmp_path)
    make_sample(tmp_path)
    assert (tmp_path / "temperature.nc").read_text() == "mine"
    assert (tmp_path / "districts.geojson").read_bytes() == (folder / "districts.geojson").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["districts.geojson", "temperature.nc"]


def test_the_shipped_configuration_names_these_files() -> None:
    config = read_config(Path(__file__).parents[3] / "pygeoapi-config.yml")
    block = config["resources"]["sample-temperature"]["eo"]
    assert Path(block["options"]["href"]).parts[-2:] == ("sample", "temperature.nc")
    assert Path(block["orgUnits"]["href"]).parts[-2:] == ("sample", "districts.geojson")
    assert block["options"]["variable"] == "t2m" and block["units"] == {"from": "K", "to": "degC"}
