import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.sources.step import extract_source_data
from tests.pipeline.made_files import (
    check,
    cube,
    geotiff,
    numbers,
    opened,
    request,
    written,
)
from tests.standins import chc


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    with chc.running(tmp_path_factory.mktemp("served")) as standin:
        yield standin


@pytest.fixture
def server(running: chc.StandIn) -> Iterator[chc.StandIn]:
    """The stand-in with nothing to serve and without faults."""
    running.clear_log()
    yield running
    running.faults()
    shutil.rmtree(running.root)
    running.root.mkdir()


@pytest.fixture
def impatient_gdal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "5")


def test_a_netcdf_at_a_url_is_downloaded_once_and_again_when_it_has_changed(
    tmp_path: Path, server: chc.StandIn
) -> None:
    written(cube(), server.root / "t2m.nc")
    asked = request(tmp_path, f"{server.url}/t2m.nc")
    check(opened(asked))
    check(opened(asked))
    assert [entry["status"] for entry in server.log()] == [200, 304]
    written(cube() + 1, server.root / "t2m.nc")
    assert opened(asked).values[0, 0, 0] == 66


def test_half_a_download_is_not_kept_and_worth_another_try(tmp_path: Path, server: chc.StandIn) -> None:
    written(cube(), server.root / "t2m.nc")
    asked = request(tmp_path, f"{server.url}/t2m.nc")
    server.faults({"path": "/t2m.nc", "drop": 500, "times": 1})
    with pytest.raises(SourceUnavailableError, match="no answer, or not a whole one"):
        extract_source_data(asked)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    check(opened(asked))


@pytest.mark.parametrize(
    ("status", "error"), [(503, SourceUnavailableError), (429, SourceUnavailableError), (403, SourceError)]
)
def test_what_a_provider_answers(tmp_path: Path, server: chc.StandIn, status: int, error: type[SourceError]) -> None:
    server.faults({"path": "*", "status": status})
    with pytest.raises(error, match=f"answers {status}") as caught:
        extract_source_data(request(tmp_path, f"{server.url}/t2m.nc"))
    assert caught.type is error


def test_a_provider_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="no answer"):
        extract_source_data(request(tmp_path, "http://127.0.0.1:1/t2m.nc"))


def test_files_that_a_provider_lacks_are_listed(tmp_path: Path, server: chc.StandIn) -> None:
    written(cube(1), server.root / "2025-07-01.nc")
    extract = extract_source_data(request(tmp_path, server.url + "/{YYYY}-{MM}-{DD}.nc", "2025-07-01", "2025-07-02"))
    assert [(e.period, e.reason) for e in extract.left_out] == [("20250702", f"no file {server.url}/2025-07-02.nc")]


@pytest.mark.usefixtures("impatient_gdal")
def test_a_cog_at_a_url_is_read_in_place_and_only_around_the_box(tmp_path: Path, server: chc.StandIn) -> None:
    large = np.random.default_rng(3).random((1800, 3600), "float32")
    transform = rasterio.transform.from_origin(-180, 90, 0.1, 0.1)
    path = geotiff(server.root / "world.tif", large, driver="COG", transform=transform)
    asked = request(
        tmp_path, f"{server.url}/world.tif", "2025-01-01", "2025-12-31", options={"time": "2025"}, periodType="yearly"
    )
    grid = opened(asked)
    assert np.array_equal(grid.values[0], large[859:891, 1779:1831])
    parts = [entry["range"].removeprefix("bytes=").split("-") for entry in server.log() if entry["range"]]
    assert sum(int(last) - int(first) + 1 for first, last in parts) < path.stat().st_size / 5
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("impatient_gdal")
def test_a_cog_that_is_missing_is_one_thing_and_a_provider_that_is_away_another(
    tmp_path: Path, server: chc.StandIn
) -> None:
    asked = request(tmp_path, f"{server.url}/world.tif", options={"time": "2025-07-01"})
    with pytest.raises(SourceError, match=r"world.tif: no such file"):
        extract_source_data(asked)
    geotiff(server.root / "world.tif", numbers(1)[0], driver="COG")
    server.faults({"path": "*", "status": 503})
    with pytest.raises(SourceUnavailableError):
        extract_source_data(asked)
    server.faults()
    check(
        opened(
            request(tmp_path, f"{server.url}/world.tif", "2025-07-01", "2025-07-01", options={"time": "2025-07-01"})
        ),
        days=1,
    )


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # a job only logs what tests fail for
@pytest.mark.usefixtures("impatient_gdal")
def test_a_cog_whose_header_breaks_off_is_not_taken_for_one_from_0_degrees_on(
    tmp_path: Path, server: chc.StandIn
) -> None:
    geotiff(server.root / "world.tif", numbers(1)[0], driver="COG")
    asked = request(tmp_path, f"{server.url}/world.tif", options={"time": "2025-07-01"})
    server.faults({"path": "/world.tif", "truncate": 450})
    with pytest.raises(
        SourceUnavailableError, match=r"world\.tif: cannot be read: .*no geotransform.*; try again later"
    ):
        extract_source_data(asked)


def test_a_zarr_at_a_url(tmp_path: Path, server: chc.StandIn) -> None:
    cube().to_zarr(server.root / "t2m.zarr", zarr_format=2, consolidated=True)
    check(opened(request(tmp_path, f"{server.url}/t2m.zarr")))
