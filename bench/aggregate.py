"""Measure the public functions `coverage_weights` and `aggregate` as a user calls them: `python -m bench.aggregate`.

Each measurement is a process of its own that has computed nothing and touched no memory before; beside it the plain
way, exactextract's weights once and a product of SciPy's sparse matrix, all steps at once. Means over 1,500 units of
385 vertices on 18,000 cells, float32 in memory. Prints medians of the rounds, which take turns, and the growth of
memory beyond the results.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.zonal import CELL, as_grid, usual_units, values, wkb_features
from eo_pygeoapi.pipeline.zonal import aggregate, coverage_weights

STEPS = (1, 31, 744, 8760)


def main() -> None:
    """Measure and print, or be one of the processes that measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.variant:
        print(json.dumps(measured(VARIANTS[given.variant], given.steps[0])))
        return
    print(f"{'steps':>6}{'ours s':>9}{'min–max':>14}{'sparse s':>10}{'ratio':>7}{'MiB beyond results':>20}")
    for steps in given.steps:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
        for _ in range(given.rounds):
            for name, several in found.items():
                several.append(in_a_process(name, steps))
        ours, sparse = ([one["seconds"] for one in found[name]] for name in VARIANTS)
        ratio = statistics.median(sparse) / statistics.median(ours)
        memory = statistics.median(one["memory"] for one in found["ours"])
        spread = f"{min(ours):.2f}–{max(ours):.2f}"
        print(
            f"{steps:6}{statistics.median(ours):9.2f}{spread:>14}{statistics.median(sparse):10.2f}{ratio:7.2f}"
            f"{memory:20.0f}",
            flush=True,
        )


def in_a_process(variant: str, steps: int) -> dict[str, float]:
    """Return what a new process measures."""
    command = [sys.executable, "-m", "bench.aggregate", "--variant", variant, "--steps", str(steps)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return found


def measured(variant: Callable[[Any, Any], int], steps: int) -> dict[str, float]:
    """Return the seconds, and the growth of memory in MiB beyond the results."""
    frame, grid = usual_units(), as_grid(values(steps))
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    result_bytes = variant(grid, frame)
    seconds = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"seconds": seconds, "memory": grown - result_bytes / 2**20}


def ours(grid: Any, frame: Any) -> int:
    """Aggregate with the public functions; returns the bytes of the values."""
    found = aggregate(grid, coverage_weights(grid, frame), "mean")
    return int(found.values.nbytes)


def sparse(grid: Any, frame: Any) -> int:
    """Aggregate with one sparse product; returns the bytes of the values."""
    import scipy.sparse
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    array = grid.values
    rows, columns = array.shape[1:]
    whole = NumPyRasterSource(np.broadcast_to(np.float32(1), (rows, columns)), 0, 0, columns * CELL, rows * CELL)
    found = [one["properties"] for one in exact_extract(whole, wkb_features(frame), ["cell_id", "coverage"])]
    ends = np.r_[0, np.cumsum([len(one["cell_id"]) for one in found])]
    parts = (np.concatenate([one[name] for one in found]) for name in ("coverage", "cell_id"))
    matrix = scipy.sparse.csr_array((*parts, ends), shape=(len(found), rows * columns))
    cells = array.reshape(len(array), -1)
    valid = ~np.isnan(cells)
    sums = matrix @ np.where(valid, cells, 0).T.astype("float64")
    means = sums / (matrix @ valid.T.astype("float64"))
    return int(means.nbytes)


VARIANTS: dict[str, Callable[[Any, Any], int]] = {"ours": ours, "sparse": sparse}


if __name__ == "__main__":
    main()
