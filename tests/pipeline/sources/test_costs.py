"""What sources say that data cost, against what stand-ins of the providers send, and what is kept of it."""

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.cost import Cost, Needed
from eo_pygeoapi.pipeline.sources.download import download
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, held_days
from tests.standins import cds, chc, worldpop

COUNTRY = (-13.3035, 6.9176, -10.2658, 10.0004)  # Sierra Leone
JULY = Interval(start=date(2025, 7, 1), end=date(2025, 7, 31))
AROUND_JULY = Interval(start=date(2025, 6, 20), end=date(2025, 8, 10))
WITHIN = 0.3


def dataset(source: str, **options: Any) -> Dataset:
    return Dataset.model_validate({"id": "d", "source": source, "options": options})


def cost_of(asked: Dataset, interval: Interval, **given: Any) -> Cost:
    found = asked.options.cost(Needed(days(interval), COUNTRY, **given))
    assert found is not None
    return found


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sent(log: Iterable[dict[str, Any]], root: Path) -> int:
    """The bytes that a static server has sent."""
    total = 0
    for entry in log:
        path = root / entry["path"].lstrip("/")
        if entry["method"] == "GET" and entry["status"] in (200, 206) and path.is_file():
            first, _, last = entry["range"].removeprefix("bytes=").partition("-")
            stop = min(int(last) + 1, path.stat().st_size) if last else path.stat().st_size
            total += stop - int(first or 0)
    return total


def world_of_rain(path: Path) -> None:
    """Write a day as CHC does, the whole world: showers on land around the country, nothing elsewhere."""
    random = np.random.default_rng(1)
    coarse = random.gamma(0.5, 1.0, (60, 60)) - 0.6  # showers are some tens of kilometres wide
    showers = np.kron(np.maximum(coarse, 0), np.ones((20, 20))) * random.gamma(2.0, 5.0, (1200, 1200))
    world = np.full((2400, 7200), chc.NODATA, "float32")
    world[600:1800, 2800:4000] = showers
    profile = {"driver": "COG", "height": 2400, "width": 7200, "count": 1, "dtype": "float32", "crs": "EPSG:4326",
               "nodata": chc.NODATA, "compress": "deflate",
               "transform": rasterio.transform.from_origin(-180, 60, chc.CELL, chc.CELL)}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as file:
        file.write(world, 1)


def test_chirps(tmp_path: Path) -> None:
    root, cache = tmp_path / "chc", tmp_path / "cache"
    first = root / chc.day_path(JULY.start)
    world_of_rain(first)
    for day in days(JULY)[1:]:
        os.link(first, root / chc.day_path(day))
    with chc.running(root) as server:
        asked = dataset("chirps3", baseUrl=server.url)
        request = SourceRequest(asked, JULY, COUNTRY, cache)
        assert held_days(request, days(JULY)) == set() and not cache.exists()
        extract_source_data(request)
        log = server.log()
        assert held_days(request, days(AROUND_JULY)) == set(days(JULY)) and server.log() == log
        latest = replace(request, dataset=dataset("chirps3", baseUrl=server.url, stage="latest"))
        assert held_days(latest, days(AROUND_JULY)) == set(days(JULY))
        prelim = replace(request, dataset=dataset("chirps3", baseUrl=server.url, stage="prelim"))
        assert held_days(prelim, days(JULY)) == set()
        assert held_days(replace(request, bbox=(0, 0, 1, 1)), days(JULY)) == set()
    said = cost_of(asked, JULY)
    assert said.download == pytest.approx(sent(log, root), rel=WITHIN)
    assert said.kept == pytest.approx(size_of(cache), rel=WITHIN)
    assert said.requests == pytest.approx(len(log), rel=WITHIN)


@pytest.mark.parametrize("variable", ["total_precipitation", "2m_temperature"])
def test_era5_land(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cds.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.state(varied=True)
        asked, other = dataset("era5-land", variable=variable), dataset("era5-land", variable="surface_pressure")
        request = SourceRequest(asked, JULY, COUNTRY, tmp_path, companions=(other,))
        assert held_days(request, days(JULY)) == set()
        extract_source_data(request)
        assert held_days(request, days(AROUND_JULY)) == set(days(JULY))
        heat_index = replace(request, dataset=dataset("era5-land", variable="heat_index"))
        assert held_days(heat_index, days(JULY)) == set()  # it needs another variable, too
        requests = len(server.executions())
        downloaded = [entry for entry in server.log() if entry["path"].startswith("/asset/")]
    said = cost_of(asked, JULY, companions=[asked.options, other.options])
    # the file is what the store's own files are made of, compressed alike
    assert said.kept == pytest.approx(size_of(tmp_path), rel=WITHIN)
    assert said.requests <= requests <= said.requests + 1 and downloaded
    assert said.download == said.kept


def test_worldpop(tmp_path: Path) -> None:
    root, cache = tmp_path / "worldpop", tmp_path / "cache"
    for year in (2025, 2026):
        worldpop.make_year(root, "SLE", year)
    both = Interval(start=date(2025, 1, 1), end=date(2026, 12, 31))
    with chc.running(root) as server:
        asked = dataset("worldpop", country="SLE", baseUrl=server.url)
        request = SourceRequest(asked, both, COUNTRY, cache)
        new_years = [date(year, 1, 1) for year in range(2023, 2030)]
        assert held_days(request, new_years) == set()
        extract_source_data(request)
        assert held_days(request, new_years) == {date(2025, 1, 1), date(2026, 1, 1)}
        log = server.log()
        said = cost_of(
            asked, both, size=lambda place: (root / place.removeprefix(server.url).lstrip("/")).stat().st_size
        )
    assert said.download == pytest.approx(sent(log, root), rel=WITHIN)
    assert said.kept == pytest.approx(size_of(cache), rel=WITHIN)
    assert said.requests == 2
    # outside its years there is nothing to fetch, and without a size it is reckoned from the box
    assert cost_of(asked, Interval(start=date(1999, 1, 1), end=date(1999, 12, 31))) == Cost()
    assert cost_of(asked, both).download > 1_000_000


def test_files_that_are_here_cost_nothing_and_those_elsewhere_what_they_weigh() -> None:
    assert cost_of(dataset("file", href="rain.nc"), JULY) == Cost()
    months = dataset("file", href="https://rain.example/{YYYY}-{MM}.nc")
    asked: list[str] = []

    def size(place: str) -> int:
        asked.append(place)
        return 5_000_000

    half_a_year = Interval(start=date(2025, 1, 1), end=date(2025, 6, 30))
    found = cost_of(months, half_a_year, size=size)
    assert asked == ["https://rain.example/2025-06.nc"] and found.download == found.kept == 6 * 5_000_000
    assert months.options.cost(Needed(days(JULY), COUNTRY)) is None
    weeks = dataset("file", href="https://rain.example/{YYYY}W{WW}.tif")
    in_place = cost_of(weeks, JULY, size=lambda _place: 1000)
    assert in_place.requests == 5 and in_place.kept == 0


def test_downloaded_files_are_known_again(tmp_path: Path) -> None:
    root, cache = tmp_path / "files", tmp_path / "cache"
    root.mkdir()
    for month in ("2025-06", "2025-07"):
        (root / f"{month}.nc").write_bytes(b"x")
    with chc.running(root) as server:
        asked = dataset("file", href=f"{server.url}/{{YYYY}}-{{MM}}.nc", variable="rain")
        request = SourceRequest(asked, AROUND_JULY, COUNTRY, cache)
        assert held_days(request, days(AROUND_JULY)) == set()
        download(f"{server.url}/2025-07.nc", cache)
        assert held_days(request, days(AROUND_JULY)) == set(days(JULY))
        in_place = replace(request, dataset=dataset("file", href=f"{server.url}/{{YYYY}}-{{MM}}.tif"))
        assert held_days(in_place, days(JULY)) == set()
        whole = replace(request, dataset=dataset("file", href=f"{server.url}/2025-07.nc", variable="rain"))
        assert held_days(whole, days(AROUND_JULY)) == set(days(AROUND_JULY))
