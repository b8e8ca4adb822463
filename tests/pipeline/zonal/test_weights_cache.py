from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import Point, box

from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights, as_wkb, weights_of
from eo_pygeoapi.pipeline.zonal.weights_cache import WeightsCache, content_key
from eo_pygeoapi.store.store import ResultStore

FINE = Frame((1000, 1000), 0.0, 0.0, 10.0, 10.0)
COARSE = Frame((10, 10), 0.0, 0.0, 10.0, 10.0)
UNITS = np.array([box(1, 1, 3.123, 3), None, Point(5, 5), box(2.5, 2.5, 11, 4)], dtype=object)


def equal(one: CoverageWeights, other: CoverageWeights) -> bool:
    arrays = [name for name in vars(weights_of(COARSE, UNITS)) if name != "frame"]
    return one.frame == other.frame and all(np.array_equal(getattr(one, a), getattr(other, a)) for a in arrays)


def test_the_key_is_the_content() -> None:
    wkb = as_wkb(UNITS)
    key = content_key(COARSE, wkb)
    assert content_key(Frame((10, 10), 0.0, 0.0, 10.0, 10.0), as_wkb(UNITS.copy())) == key
    moved = as_wkb(np.array([box(1, 1, 3.124, 3), *UNITS[1:]], dtype=object))
    others = [content_key(FINE, wkb), content_key(COARSE, wkb[::-1]), content_key(COARSE, moved)]
    others.append(content_key(Frame((10, 10), 0.1, 0.0, 10.1, 10.0), wkb))
    assert len({key, *others}) == 5


def test_weights_are_computed_once_in_a_process() -> None:
    cache = WeightsCache()
    assert cache.weights(COARSE, UNITS) is cache.weights(COARSE, UNITS.copy())


def test_the_memory_of_the_process_is_bounded() -> None:
    size = weights_of(COARSE, UNITS).nbytes
    cache = WeightsCache(kept_bytes=int(2.5 * size))
    first = cache.weights(COARSE, UNITS)
    for shift in (1.0, 2.0):
        cache.weights(Frame((10, 10), 0.0, shift, 10.0, 10.0 + shift), UNITS)
    assert cache.weights(COARSE, UNITS) is not first


def test_another_process_finds_the_weights_of_a_fine_grid_in_the_store(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    made = WeightsCache(store).weights(FINE, UNITS)
    key = content_key(FINE, as_wkb(UNITS))
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [f"{key}.npz"]
    found = WeightsCache(store).find(key, FINE, len(UNITS))
    assert found is not None
    assert equal(found, made)


def test_weights_of_a_coarse_grid_are_not_worth_a_file(tmp_path: Path) -> None:
    WeightsCache(ResultStore(str(tmp_path))).weights(COARSE, UNITS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"rubbish", "half", "other"])
def test_a_damaged_file_is_computed_anew(tmp_path: Path, damage: bytes | str, caplog: pytest.LogCaptureFixture) -> None:
    store = ResultStore(str(tmp_path))
    made = WeightsCache(store).weights(FINE, UNITS)
    (file,) = (tmp_path / "weights").iterdir()
    whole = file.read_bytes()
    if damage == "other":  # the weights of fewer units under this name
        WeightsCache(ResultStore(str(tmp_path / "b"))).weights(FINE, UNITS[:2])
        damage = next((tmp_path / "b" / "weights").iterdir()).read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if isinstance(damage, str) else damage)
    assert equal(WeightsCache(store).weights(FINE, UNITS), made)
    assert file.read_bytes() == whole


def test_a_store_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert len(WeightsCache(ResultStore(str(tmp_path / "file"))).weights(FINE, UNITS).area) == 4


def test_several_processes_build_the_same_weights() -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 9, (2500, 2))
    units = np.array([box(x, y, x + 0.7, y + 0.3) for x, y in corners], dtype=object)
    assert equal(weights_of(COARSE, units, processes=2), weights_of(COARSE, units, processes=1))
