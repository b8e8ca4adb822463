from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pygeoapi.config import validate_config
from pygeoapi.util import yaml_load

from eo_pygeoapi.commands.configuration.effective_config import effective, write_effective
from eo_pygeoapi.commands.running import CONFIG, OPENAPI
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.datasets.registry import edited_file

SHIPPED = Path(__file__).parents[3] / "pygeoapi-config.yml"
EDITED = Path("/etc/eo/edited.yml")


def config(url: str = "http://localhost:5000", **members: Any) -> dict[str, Any]:
    server = {"bind": {"host": "127.0.0.1", "port": 5000}, "url": url}
    return {"server": server, "resources": {}, **members}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:5000", "http://localhost:8080"),
        ("http://127.0.0.1:5000/", "http://localhost:8080"),
        ("http://[::1]:5000", "http://localhost:8080"),
        ("https://climate.example.org/ogc", "https://climate.example.org/ogc"),
        ("http://192.168.1.5:5000", "http://192.168.1.5:5000"),
    ],
)
def test_the_port_is_set_and_an_address_of_this_machine_follows(url: str, expected: str) -> None:
    made = effective(config(url), EDITED, 8080)
    assert made["server"] == {"bind": {"host": "127.0.0.1", "port": 8080}, "url": expected}


def test_the_file_that_was_read_is_remembered_and_not_changed() -> None:
    given = config(eo={"defaults": {"timeZone": "UTC", "orgUnits": {"source": "geojson", "href": "a.geojson"}}})
    before = deepcopy(given)
    made = effective(given, EDITED, 8080)
    assert given == before
    assert made["eo"]["origin"] == str(EDITED) and made["eo"]["defaults"]["timeZone"] == "UTC"
    assert effective(config(), EDITED, 8080)["eo"] == {"origin": str(EDITED), "versions": {}}


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("a/b.nc", "/etc/eo/a/b.nc"),
        ("../b.nc", "/etc/eo/../b.nc"),
        ("/data/b.nc", "/data/b.nc"),
        ("https://example.org/b.nc", "https://example.org/b.nc"),
        ("s3://bucket/b.zarr", "s3://bucket/b.zarr"),
        ("rain-{YYYY}.nc", "/etc/eo/rain-{YYYY}.nc"),
    ],
)
def test_relative_hrefs_become_absolute_everywhere(href: str, expected: str) -> None:
    units = {"source": "geojson", "href": href}
    block = {"source": "file", "options": {"href": href}, "orgUnits": units}
    given = config(
        eo={"defaults": {"orgUnits": units}}, resources={"a": {"eo": block}, "b": {"type": "process"}, "c": 5}
    )
    made = effective(given, EDITED, 8080)
    own = made["resources"]["a"]["eo"]
    assert own["options"]["href"] == own["orgUnits"]["href"] == expected
    assert made["eo"]["defaults"]["orgUnits"]["href"] == expected


@pytest.mark.parametrize("block", [None, 5, {}, {"options": None, "orgUnits": []}, {"options": {"href": 2026}}])
def test_blocks_with_mistakes_are_left_as_they_are(block: Any) -> None:
    given = config(eo={"defaults": block}, resources={"a": {"eo": block}})
    assert effective(given, EDITED, 8080)["resources"] == given["resources"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    assert write_effective(SHIPPED, folder, 8080) == folder / CONFIG
    return folder


def test_pygeoapi_accepts_what_is_written(folder: Path) -> None:
    with (folder / CONFIG).open(encoding="utf-8") as file:
        made = yaml_load(file)
    assert validate_config(made)
    assert made == effective(read_config(SHIPPED), SHIPPED, 8080)
    assert made == read_config(folder / CONFIG)


def test_it_means_the_same_datasets(folder: Path) -> None:
    def meant(path: Path) -> dict[str, Any]:
        datasets = load_datasets(path).values()
        hrefs = {d.id: d.resolve(getattr(d.options, "href", "")) for d in datasets}
        return {d.id: (hrefs[d.id], d.to_json(exclude={"base", "options", "org_units"})) for d in datasets} | {
            "units": [d.resolve(getattr(d.org_units, "href", "")) for d in datasets if hasattr(d.org_units, "href")]
        }

    made, shipped = meant(folder / CONFIG), meant(SHIPPED)
    assert made["sample-temperature"] == shipped["sample-temperature"] and made["units"] == shipped["units"]
    assert list(made) == list(shipped)
    assert edited_file(folder / CONFIG) == SHIPPED.absolute() and edited_file(SHIPPED) is None


def test_the_openapi_document_is_written_beside_it(folder: Path) -> None:
    document = yaml.safe_load((folder / OPENAPI).read_text(encoding="utf-8"))
    assert document["openapi"].startswith("3.0")
    assert "/processes/eo-aggregate-import/execution" in document["paths"]
    assert document["servers"][0]["url"] == "http://localhost:8080"
    assert sorted(path.name for path in folder.iterdir()) == sorted([CONFIG, OPENAPI])  # and nothing unfinished


def test_texts_keep_their_type_and_quoted_variables_stay_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EO_TEST", "yes")
    monkeypatch.delenv("EO_TEST_UNSET", raising=False)
    texts = "metadata_of_ours:\n  a: '${EO_TEST_UNSET}'\n  b: ${EO_TEST}\n  c: '007'\n  d: 'true'\n  e: é\n  f: '5'\n"
    edited = tmp_path / "edited.yml"
    edited.write_text(SHIPPED.read_text(encoding="utf-8") + texts, encoding="utf-8")
    (tmp_path / "data").mkdir()
    path = write_effective(edited, tmp_path / "data", 8080)
    expected = {"a": "${EO_TEST_UNSET}", "b": "yes", "c": "007", "d": "true", "e": "é", "f": "5"}
    with path.open(encoding="utf-8") as file:
        assert yaml_load(file)["metadata_of_ours"] == read_config(path)["metadata_of_ours"] == expected
