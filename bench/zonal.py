"""Measure the zonal statistics: `uv run --with rasterstats --with regionmask python bench/zonal.py [--quick]`.

Grids and units are synthetic. Every measurement has a process of its own; the variants of a case take turns, and what
is printed are ratios of the least of their times within this run, for machines differ and are shared. Memory is the
peak of a process less what it held before and less its results.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHAPE, CELL = (90, 200), 0.1
FINE, TIMES_TEN = (3640, 3700), (11500, 11700)
BLOCK = 58  # steps of a chunk of the file
TOUCHED = 512 * 2**20


def units(count: int, vertices: int, east: float, north: float) -> Any:
    """Units with shared, crooked borders, like those of a country."""
    import geopandas as gpd
    import shapely

    rng = np.random.default_rng(1)
    points = shapely.multipoints(np.c_[rng.uniform(0, east, count), rng.uniform(0, north, count)])
    country = shapely.box(0, 0, east, north)
    parts = shapely.intersection(shapely.get_parts(shapely.voronoi_polygons(points, extend_to=country)), country)
    parts = shapely.segmentize(parts, float(shapely.length(parts).mean()) / vertices)
    bend = 0.02 * min(east, north) / 9

    def bent(xy: Any) -> Any:
        return xy + bend * np.c_[np.sin(37 * xy[:, 1] + 11 * xy[:, 0]), np.sin(41 * xy[:, 0] - 7 * xy[:, 1])]

    parts = shapely.make_valid(shapely.transform(parts, bent), method="structure", keep_collapsed=False)
    return gpd.GeoDataFrame({"orgUnit": [f"u{n}" for n in range(len(parts))]}, geometry=parts, crs="EPSG:4326")


def usual_units() -> Any:
    return units(1500, 385, SHAPE[1] * CELL, SHAPE[0] * CELL)


def values(steps: int) -> Any:
    return np.random.default_rng(0).random((steps, *SHAPE), "float32")


def as_grid(array: Any, cell: float = CELL) -> Any:
    import xarray as xr

    steps, rows, columns = array.shape
    hours = np.datetime64("2025-01-01T00", "ns") + np.arange(steps) * np.timedelta64(3600, "s")
    y, x = (np.arange(rows)[::-1] + 0.5) * cell, (np.arange(columns) + 0.5) * cell
    coords = {"time": hours, "y": y, "x": x}
    return xr.DataArray(array, dims=("time", "y", "x"), coords=coords, attrs={"step": "hour"}, name="v")


def every_step(steps: int) -> Any:
    from datetime import date

    from eo_pygeoapi.contract.periods import Period
    from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps

    day = date(2025, 1, 1)
    return [PeriodSteps(Period(str(n), day, day), n, n + 1) for n in range(steps)]


def ours(grid: Any, frame: Any, statistic: str) -> Any:
    from eo_pygeoapi.contract.models import Aggregation
    from eo_pygeoapi.pipeline.zonal.streaming import Means, aggregate_periods

    asked = Aggregation(spatial=statistic)
    return aggregate_periods(grid, frame.geometry.to_numpy(), every_step(grid.sizes["time"]), asked, Means())


def wkb_features(frame: Any) -> Any:
    """Hand units to exactextract as WKB by the features that it has, without our code."""
    import shapely
    from exactextract.feature import JSONFeature, JSONFeatureSource

    class WkbFeature(JSONFeature):  # type: ignore[misc]
        def __init__(self, wkb: bytes) -> None:
            super().__init__({"type": "Feature", "properties": {}})
            self.wkb = wkb

        def geometry(self) -> bytes:
            return self.wkb

    class WkbFeatures(JSONFeatureSource):  # type: ignore[misc]
        def __iter__(self) -> Any:
            return map(WkbFeature, self.src)

    return WkbFeatures(shapely.to_wkb(frame.geometry.to_numpy()).tolist())


# The variants: each prepares, and returns what is timed.


def weights_once(steps: int, statistic: str = "mean") -> Callable[[], Any]:
    frame, grid = usual_units(), as_grid(values(steps))
    ours(grid[:2, :3, :3], frame[:2], statistic)  # imports
    return lambda: ours(grid, frame, statistic)[:2]


def exactextract_well(steps: int, statistic: str = "mean") -> Callable[[], Any]:
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    frame, array = usual_units(), values(steps)
    edges = (0, 0, SHAPE[1] * CELL, SHAPE[0] * CELL)

    def run() -> Any:
        sources = [NumPyRasterSource(band, *edges, name=f"t{n}", nodata=np.nan) for n, band in enumerate(array)]
        exact_extract(sources, wkb_features(frame), [statistic])

    return run


def exactextract_plainly(steps: int, count: int = 1500) -> Callable[[], Any]:
    import rioxarray  # noqa: F401  what exactextract needs to know where a DataArray lies
    from exactextract import exact_extract

    frame, grid = usual_units()[:count], as_grid(values(steps)).rio.write_crs("EPSG:4326")
    return lambda: exact_extract(grid, frame, ["mean"])


def rasterstats_mean(steps: int) -> Callable[[], Any]:
    from affine import Affine
    from rasterstats import zonal_stats

    frame, array = usual_units(), values(steps)
    affine = Affine(CELL, 0, 0, 0, -CELL, SHAPE[0] * CELL)
    return lambda: [zonal_stats(frame, band, affine=affine, stats=["mean"], all_touched=True) for band in array]


def regionmask_mean(steps: int) -> Callable[[], Any]:
    import regionmask

    frame, grid = usual_units(), as_grid(values(steps))

    def run() -> Any:
        mask = regionmask.mask_3D_geopandas(frame, grid.x, grid.y)
        return grid.weighted(mask).mean(("y", "x")).values

    return run


def bandwidth(steps: int) -> Callable[[], Any]:
    array = values(steps)
    return lambda: float(array.max())


def the_file(steps: int, folder: Path) -> Path:
    path = folder / f"{steps}.nc"
    if not path.exists():
        encoding = {"v": {"zlib": True, "complevel": 4, "chunksizes": (min(BLOCK, steps), *SHAPE)}}
        smooth = np.round(values(steps) * 20 + 280, 1)
        as_grid(smooth).rename(y="lat", x="lon").to_netcdf(path, engine="netcdf4", encoding=encoding)
    return path


def file_read(steps: int, folder: str) -> Callable[[], Any]:
    import netCDF4

    path = the_file(steps, Path(folder))

    def run() -> Any:
        with netCDF4.Dataset(path) as dataset:
            for first in range(0, steps, BLOCK):
                dataset["v"][first : first + BLOCK]

    return run


def file_loaded(steps: int, folder: str) -> Callable[[], Any]:
    import xarray as xr

    path = the_file(steps, Path(folder))
    return lambda: xr.open_dataset(path, engine=xr.backends.NetCDF4BackendEntrypoint).load()


def file_to_values(steps: int, folder: str) -> Callable[[], Any]:
    from eo_pygeoapi.pipeline.formats.opening import open_variable
    from eo_pygeoapi.pipeline.grids.grid import cut_to_box

    path, frame = the_file(steps, Path(folder)), usual_units()
    ours(as_grid(values(2))[:, :3, :3], frame[:2], "mean")  # imports
    cut_to_box(open_variable(str(path), "v", "v"), (1, 1, 1.1, 1.1), "v")[:1].load()

    def run() -> Any:
        grid = cut_to_box(open_variable(str(path), "v", "v"), tuple(frame.total_bounds), "v")
        return ours(grid.assign_attrs(step="hour"), frame, "mean")[:2]

    return run


def fine_raster(shape: list[int], folder: str) -> Path:
    import rasterio

    path = Path(folder, f"fine-{shape[0]}.tif")
    if not path.exists():
        rng = np.random.default_rng(0)
        profile = {"driver": "GTiff", "width": shape[1], "height": shape[0], "count": 1, "dtype": "float32"}
        transform = rasterio.transform.from_origin(0, shape[0] * 0.001, 0.001, 0.001)
        tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "lzw", "nodata": -99999.0}
        with rasterio.open(path, "w", **profile, **tiled, transform=transform, crs="EPSG:4326") as file:
            for row in range(0, shape[0], 512):
                rows = min(512, shape[0] - row)
                people = np.round(rng.random((rows, shape[1]), "float32"), 2)
                file.write(people, 1, window=rasterio.windows.Window(0, row, shape[1], rows))
    return path


def fine_to_values(shape: list[int], folder: str, count: int = 150, years: int = 1) -> Callable[[], Any]:
    from eo_pygeoapi.pipeline.formats.opening import open_variable
    from eo_pygeoapi.pipeline.grids.grid import cut_to_box, joined

    path, frame = fine_raster(shape, folder), units(count, 1500, shape[1] * 0.001, shape[0] * 0.001)
    ours(as_grid(values(1))[:, :3, :3], frame[:2], "sum")  # imports
    cut_to_box(open_variable(str(path), "", "people"), (1, 1, 1.01, 1.01), "people").load()

    def run() -> Any:
        of_year = cut_to_box(open_variable(str(path), "", "people"), tuple(frame.total_bounds), "people")
        starts = np.arange(2026, 2026 + years).astype(str).astype("M8[Y]").astype("M8[ns]")
        grid = joined([of_year.expand_dims(time=[start]) for start in starts], "people")
        return ours(grid.assign_attrs(step="year"), frame, "sum")[:2]

    return run


def fine_exactextract(shape: list[int], folder: str, count: int = 150) -> Callable[[], Any]:
    import rasterio
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    path, frame = fine_raster(shape, folder), units(count, 1500, shape[1] * 0.001, shape[0] * 0.001)

    def run() -> Any:
        with rasterio.open(path) as file:
            raster = NumPyRasterSource(file.read(1), *file.bounds, nodata=file.nodata)
        exact_extract(raster, wkb_features(frame), ["sum"])

    return run


def fine_in_memory(shape: list[int], count: int = 150) -> Callable[[], Any]:
    frame, grid = units(count, 1500, shape[1] * 0.001, shape[0] * 0.001), fine_grid(shape)
    ours(as_grid(values(1))[:, :3, :3], frame[:2], "sum")  # imports
    return lambda: ours(grid, frame, "sum")[:2]


def fine_exactextract_in_memory(shape: list[int], count: int = 150) -> Callable[[], Any]:
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    frame, array = units(count, 1500, shape[1] * 0.001, shape[0] * 0.001), fine_grid(shape).values[0]
    raster = NumPyRasterSource(array, 0, 0, shape[1] * 0.001, shape[0] * 0.001, nodata=np.nan)
    return lambda: exact_extract(raster, wkb_features(frame), ["sum"])


def fine_grid(shape: list[int]) -> Any:
    return as_grid(np.random.default_rng(0).random((1, *shape), "float32"), 0.001)


# One measurement, in a process of its own.


def peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def own_bytes(array: Any) -> int:
    """The memory of an array; rows that are all the same may be one."""
    return int(array.nbytes) if array.strides[0] else int(array[0].nbytes)


def measured(variant: str, arguments: dict[str, Any]) -> dict[str, float]:
    run = globals()[variant](**arguments)
    np.ones(TOUCHED // 8)  # a virtual machine first fetches memory from its host, which is not what is measured
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, began, cpu = peak(), time.perf_counter(), time.process_time()
    result = run()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    held = sum(own_bytes(array) for array in result) if isinstance(result, tuple) else 0
    return {"seconds": seconds, "cpu": cpu, "mib": (peak() - before - held) / 2**20}


def in_a_process(variant: str, arguments: dict[str, Any]) -> dict[str, float] | None:
    command = [sys.executable, __file__, "--one", variant, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  {variant} {arguments}: left out: {done.stderr.strip().splitlines()[-1]}")
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


Case = tuple[str, list[tuple[str, dict[str, Any], float]]]  # title; variant, arguments, factor to the whole


def cases(quick: bool, folder: str) -> list[Case]:
    found: list[Case] = []
    for steps in (1, 31, 744) if quick else (1, 31, 744, 8760):
        few = min(steps, 31 if quick else 744)
        others = [("exactextract_well", {"steps": few}, steps / few), ("bandwidth", {"steps": steps}, 1.0)]
        found.append(
            (f"mean, 1,500 units, {steps} steps in memory", [("weights_once", {"steps": steps}, 1.0), *others])
        )
    part = {"steps": 2, "count": 30} if quick else {"steps": 31, "count": 1500}
    plain: list[tuple[str, dict[str, Any], float]] = [
        ("weights_once", {"steps": 31}, 1.0),
        ("exactextract_plainly", part, 31 * 1500 / (part["steps"] * part["count"])),
        ("rasterstats_mean", {"steps": 2 if quick else 31}, 15.5 if quick else 1.0),
        ("regionmask_mean", {"steps": 31}, 1.0),
    ]
    found.append(("mean, 31 steps, other libraries as they are used", plain))
    for statistic in ("min", "max"):
        few = 31 if quick else 744
        arguments = {"steps": 744, "statistic": statistic}
        other = ("exactextract_well", {**arguments, "steps": few}, 744 / few)
        found.append((f"{statistic}, 744 steps", [("weights_once", arguments, 1.0), other]))
    for steps in (744,) if quick else (744, 8760):
        of_file = {"steps": steps, "folder": folder}
        names = ("file_to_values", "file_read", "file_loaded")
        found.append((f"compressed netCDF, {steps} steps", [(name, of_file, 1.0) for name in names]))
    fine = {"shape": FINE, "folder": folder}
    of_shape = {"shape": FINE}
    in_memory = [("fine_in_memory", of_shape, 1.0), ("fine_exactextract_in_memory", of_shape, 1.0)]
    found.append(("sum, 100 m, one step in memory", in_memory))
    found.append(("sum, 100 m, one step of a file", [("fine_to_values", fine, 1.0), ("fine_exactextract", fine, 1.0)]))
    if not quick:
        found.append(("sum, ten times as many cells", [("fine_to_values", {**fine, "shape": TIMES_TEN}, 1.0)]))
    return found


def least(times: list[tuple[float, float]]) -> tuple[float, float]:
    return min(clock for clock, _ in times), max(1e-6, min(cpu for _, cpu in times))


def report(case: Case, rounds: int) -> None:
    title, variants = case
    times: dict[str, list[tuple[float, float]]] = {}
    memory: dict[str, float] = {}
    for _ in range(rounds):
        for variant, arguments, factor in variants:
            if len(times.get(variant, [])) == 0 and variant in memory:
                continue  # it is not installed
            found = in_a_process(variant, arguments)
            memory[variant] = max(memory.get(variant, 0.0), found["mib"] if found else 0.0)
            times.setdefault(variant, []).extend([(found["seconds"] * factor, found["cpu"] * factor)] if found else [])
    print(f"\n{title}: least time by the clock, least time of the processor, memory")
    best = least(times[variants[0][0]])
    for variant, _, factor in variants:
        if times[variant]:
            mark = " (extrapolated)" if factor != 1.0 else ""
            ratios = " ".join(f"{t:9.3f} s {t / b:9.2f} x" for t, b in zip(least(times[variant]), best, strict=True))
            print(f"  {variant:22s}{ratios} {memory[variant]:8.0f} MiB{mark}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps, more extrapolated: some minutes")
    parser.add_argument("--only", default="", help="cases whose title holds this word")
    parser.add_argument("--rounds", type=int, default=0, help="how often each variant is measured")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.one[0], json.loads(asked.one[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(asked.quick, folder):
            if asked.only in case[0]:
                report(case, asked.rounds or (2 if asked.quick else 3))


if __name__ == "__main__":
    main()
