"""The version of what a file says of a dataset: the same wherever the file lies, another after each edit of it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.commands.configuration.effective_config import effective
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.read import read_datasets

EDITED = Path("/srv/eo/pygeoapi-config.yml")
CONFIG: dict[str, Any] = {
    "server": {"bind": {"port": 5000}, "url": "http://localhost:5000"},
    "eo": {"defaults": {"orgUnits": {"source": "geojson", "href": "units/districts.geojson"}}},
    "resources": {
        "rain": {
            "type": "collection",
            "title": "Rain",
            "extents": {"spatial": {"bbox": [0, 0, 1, 1]}},
            "eo": {"source": "file", "options": {"href": "rain.nc"}, "decimals": 1, "minValidFraction": 0},
        },
        "more-rain": {"type": "collection", "eo": {"extends": "rain", "decimals": 2}},
        "heat": {"type": "collection", "eo": {"source": "file", "options": {"href": "/data/heat.nc"}}},
    },
}


def versions(config: dict[str, Any], base: Path = EDITED.parent) -> dict[str, str]:
    return {id_: dataset.version for id_, dataset in read_datasets(config, base).items()}


def test_a_version_is_that_of_the_edited_file_wherever_it_lies() -> None:
    found = versions(CONFIG)
    assert len(set(found.values())) == 3 and all(len(version) == 12 for version in found.values())
    assert versions(CONFIG, Path("/mnt/elsewhere")) == found
    made_by_up = effective(CONFIG, EDITED, 6000)
    assert made_by_up["resources"]["rain"]["eo"]["options"]["href"] == "/srv/eo/rain.nc"
    assert versions(made_by_up, Path("/var/lib/eo-pygeoapi")) == found


def test_a_version_is_the_same_where_a_folder_that_the_file_names_by_a_variable_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pygeoapi-config.yml"
    path.write_text(
        """
server: {bind: {port: 5000}, url: http://localhost:5000}
resources:
  rain:
    type: collection
    eo:
      source: file
      decimals: ${DECIMALS:-1}
      options:
        href: ${EO_DATA_DIR:-here}/rain.nc
"""
    )
    found = set[str]()
    for folder in ("/a", "b", str(tmp_path / "data")):
        monkeypatch.setenv("EO_DATA_DIR", folder)
        config = read_config(path)
        found |= {*versions(config, tmp_path).values(), *versions(effective(config, path, 6000), Path("/c")).values()}
    assert len(found) == 1
    monkeypatch.setenv("DECIMALS", "2")
    assert set(versions(read_config(path), tmp_path).values()) != found


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        (("resources", "rain", "eo", "minValidFraction"), 0.5, {"rain", "more-rain"}),
        (("resources", "rain", "eo", "options", "href"), "rain-2.nc", {"rain", "more-rain"}),
        (("resources", "rain", "extents", "spatial", "bbox"), [0, 0, 2, 2], {"rain"}),
        (("resources", "more-rain", "eo", "decimals"), 3, {"more-rain"}),
        (("eo", "defaults", "timeZone"), "Africa/Freetown", {"rain", "more-rain", "heat"}),
        (("resources", "rain", "title"), "Rainfall", set()),
        (("server", "url"), "https://eo.example.org", set()),
    ],
)
def test_an_edit_gives_another_version_to_what_it_is_about(
    path: tuple[str, ...], value: Any, changed: set[str]
) -> None:
    config = deepcopy(CONFIG)
    place: Any = config
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    before, after = versions(CONFIG), versions(config)
    assert {id_ for id_ in before if before[id_] != after[id_]} == changed
