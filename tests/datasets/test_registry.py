import os
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.datasets.registry import DatasetRegistry, edited_file
from eo_pygeoapi.datasets.viewer import OPERATOR
from eo_pygeoapi.errors import ConfigError, NotAppliedError


def write(path: Path, *ids: str, origin: Path | None = None, wrong: str = "") -> Path:
    """Write a file that enables these datasets, perhaps one with a mistake."""
    sources = dict.fromkeys(ids, "chirps3") | ({wrong: "nonsense"} if wrong else {})
    resources = {id_: {"type": "collection", "eo": {"source": source}} for id_, source in sources.items()}
    eo = {"eo": {"origin": str(origin)}} if origin else {}
    path.write_text(yaml.safe_dump({**eo, "resources": resources}, sort_keys=False))
    return path


def test_the_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yml", "rain")
    registry = DatasetRegistry(path)
    first = registry.datasets()
    assert list(first) == ["rain"]
    assert registry.datasets() is first
    write(path, "rain", "heat")
    assert list(registry.datasets()) == ["rain", "heat"]


def test_a_change_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yml", "rain")
    registry = DatasetRegistry(path)
    registry.datasets()
    write(path, "heat")
    os.utime(path, ns=(1, 1))
    assert list(registry.datasets()) == ["heat"]


def test_making_a_registry_reads_nothing(tmp_path: Path) -> None:
    registry = DatasetRegistry(tmp_path / "config.yml")
    with pytest.raises(ConfigError, match=r"config\.yml: No such file or directory; `eo-pygeoapi init` writes one"):
        registry.datasets()
    write(tmp_path / "config.yml", "rain")
    assert list(registry.datasets()) == ["rain"]


def test_mistakes_are_told_until_they_are_mended(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yml", wrong="rain")
    registry = DatasetRegistry(path)
    for _ in range(2):
        with pytest.raises(ConfigError, match="'nonsense'"):
            registry.datasets()
    write(path, "rain")
    assert list(registry.datasets()) == ["rain"]


def test_a_dataset_that_is_not_applied_yet_is_told_from_an_unknown_one(tmp_path: Path) -> None:
    edited = write(tmp_path / "edited.yml", "rain", "heat")
    registry = DatasetRegistry(write(tmp_path / "effective.yml", "rain", origin=edited))
    with pytest.raises(NotAppliedError, match="'heat' is enabled in the configuration file but not applied yet; run"):
        registry.raise_if_not_applied("heat", OPERATOR)
    registry.raise_if_not_applied("nope", OPERATOR)


def test_mistakes_of_other_datasets_in_the_edited_file_do_not_matter(tmp_path: Path) -> None:
    edited = write(tmp_path / "edited.yml", "rain", "heat", wrong="people")
    registry = DatasetRegistry(write(tmp_path / "effective.yml", "rain", origin=edited))
    with pytest.raises(NotAppliedError):
        registry.raise_if_not_applied("heat", OPERATOR)
    registry.raise_if_not_applied("people", OPERATOR)


def test_without_a_readable_edited_file_nothing_is_said(tmp_path: Path) -> None:
    DatasetRegistry(write(tmp_path / "own.yml", "rain")).raise_if_not_applied("heat", OPERATOR)
    gone = write(tmp_path / "effective.yml", "rain", origin=tmp_path / "gone.yml")
    DatasetRegistry(gone).raise_if_not_applied("heat", OPERATOR)


def test_the_edited_file_is_the_one_that_the_effective_file_names(tmp_path: Path) -> None:
    assert edited_file(write(tmp_path / "a.yml", origin=tmp_path / "b.yml")) == tmp_path / "b.yml"
    assert edited_file(write(tmp_path / "b.yml")) is None
