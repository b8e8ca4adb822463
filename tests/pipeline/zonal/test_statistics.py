"""Statistics of a block by several threads."""

import threading
from functools import cached_property
from typing import Any

import numpy as np
from shapely.geometry import box

from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights, weights_of
from eo_pygeoapi.pipeline.zonal.statistics import CACHED_BYTES, BlockStatistics

FRAME = Frame((60, 60), 0.0, 0.0, 60.0, 60.0)
STEPS_OF_A_THREAD = CACHED_BYTES // (8 * 60 * 60)


class Together:
    """A matrix that two threads multiply with a vector at the same time."""

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix
        self._both = threading.Barrier(2)

    def __matmul__(self, other: Any) -> Any:
        if other.ndim == 1:
            self._both.wait(30)
        return self._matrix @ other


class OfTwoThreads(CoverageWeights):
    @cached_property
    def matrix(self) -> Any:
        return Together(super().matrix)


def test_two_threads_that_look_at_the_same_mask_first_give_one_area_for_all_times() -> None:
    weights = weights_of(FRAME, np.array([box(0, 0, 60, 60), box(1, 1, 3.5, 4)]))
    weights = OfTwoThreads(**vars(weights))
    values = np.ones((2 * STEPS_OF_A_THREAD, *FRAME.shape), "float32")
    partial = BlockStatistics(weights, "mean", threads=2)(values)
    assert partial.covered.tolist() == [[3600.0], [7.5]]
    assert partial.parts[0].shape == (2, len(values))
