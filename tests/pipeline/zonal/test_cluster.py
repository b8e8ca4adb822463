from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from shapely.geometry import Point, box

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.grids.temporal import complete_periods
from eo_pygeoapi.pipeline.zonal.cluster import Cluster
from eo_pygeoapi.pipeline.zonal.streaming import Means, aggregate_periods
from tests.pipeline import made
from tests.pipeline.grids.test_temporal import periods

UNITS = np.array([box(0.5, 0.5, 2.5, 3.1), box(3, 2, 9, 9), Point(1.5, 1.5), None], dtype=object)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A scheduler and a worker of two threads, spoken to over TCP."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=None
    ) as local:
        found = Cluster.at(local.scheduler_address)
        yield found
        found.close()


def hours() -> xr.DataArray:
    values = np.random.default_rng(2).random((96, 5, 6), "float32")
    values[:30, 2, 2] = np.nan
    return made.grid(values, step="hour").chunk(time=17)


@pytest.mark.parametrize(("spatial", "temporal"), [("mean", "mean"), ("max", "max"), ("p90", "min"), ("std", "sum")])
def test_a_cluster_gives_what_this_process_gives(cluster: Cluster, spatial: str, temporal: str) -> None:
    grid = hours()
    days, _ = complete_periods(grid, periods("2025-07-01", "2025-07-04", "daily"))
    asked = Aggregation.model_validate({"spatial": spatial, "temporal": temporal})
    alone = aggregate_periods(grid, UNITS, days, asked, Means())
    told: list[float] = []
    together = aggregate_periods(grid, UNITS, days, asked, Means(cluster=cluster), told.append)
    np.testing.assert_allclose(together.values, alone.values, rtol=1e-12)
    np.testing.assert_allclose(together.fractions, alone.fractions, rtol=1e-12)
    assert together.values.shape == (4, 4)
    assert len(told) > 1
    assert told[-1] == 1.0


def test_what_a_worker_cannot_read_is_our_error(cluster: Cluster) -> None:
    def broken(block: np.ndarray) -> np.ndarray:
        raise RuntimeError("NetCDF: HDF error")

    grid = hours()
    grid = grid.copy(data=grid.data.map_blocks(broken, dtype="float32", meta=np.empty((0, 0, 0), "float32")))
    days, _ = complete_periods(grid, periods("2025-07-01", "2025-07-04", "daily"))
    with pytest.raises(SourceError, match="cannot read the time steps 0 to 23: NetCDF: HDF error"):
        aggregate_periods(grid, UNITS, days, Aggregation(), Means(cluster=cluster))


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_our_error() -> None:
    with pytest.raises(SourceUnavailableError, match=r"the dask scheduler at tcp://127.0.0.1:9 does not answer"):
        Cluster.at("tcp://127.0.0.1:9")
