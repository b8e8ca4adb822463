"""Server and workers of several releases, as `check` tells them apart."""

from pathlib import Path

from eo_pygeoapi.commands.versions import other_releases, version_remarks
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.work_pool import WORK_POOL
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.workers import Release, note_worker, release_of
from tests.servers import free_port, patient, prefect_server
from tests.worker.farm import Farm, farm

HERE = Release.of_this_process()


def remarks(work: Farm, store: ResultStore, here: Release) -> list[str]:
    return list(version_remarks(work.gateway, store, here))


def test_check_says_which_part_to_upgrade(tmp_path: Path) -> None:
    with farm(tmp_path) as work:
        store = ResultStore(str(tmp_path / "data/results"))
        worker = work.worker(tmp_path / "data")
        (name,) = work.gateway.details.workers()
        assert release_of(store, name) == HERE and remarks(work, store, HERE) == []
        newer = HERE.model_copy(update={"version": "99.0.0"})
        assert remarks(work, store, newer) == [
            f"worker {name} has eo-pygeoapi {HERE.version}, this installation 99.0.0; upgrade the worker"
        ]
        older = HERE.model_copy(update={"prefect": "3.8.0"})
        assert remarks(work, store, older) == [
            f"the Prefect server has Prefect {HERE.prefect}, this installation 3.8.0; upgrade this installation",
            f"worker {name} has Prefect {HERE.prefect}, this installation 3.8.0; upgrade this installation",
        ]
        store.delete(f"workers/{name}.json")
        (said,) = remarks(work, store, HERE)
        assert said == f"worker {name} does not say which release it is of; upgrade it to eo-pygeoapi {HERE.version}"
        note_worker(store, name)
        assert worker.stop() == 0
        assert release_of(store, name) is None


def test_nobody_is_told_to_upgrade_prefect_s_own_worker_to_ours(tmp_path: Path) -> None:
    with prefect_server(tmp_path) as api:
        pools = f"{api}/work_pools"
        patient().post(f"{pools}/", json={"name": WORK_POOL, "type": "kubernetes"}).raise_for_status()
        patient().post(f"{pools}/{WORK_POOL}/workers/heartbeat", json={"name": "pods"}).raise_for_status()
        gateway = PrefectGateway(api)
        (said,) = version_remarks(gateway, ResultStore(str(tmp_path / "results")), HERE)
        gateway.close()
    assert said == (
        "the work pool is of type kubernetes, whose workers are Prefect's own and do not say their release; the image "
        f"of jobs should have eo-pygeoapi {HERE.version}, and that of the worker Prefect {HERE.prefect}"
    )


def test_without_an_answer_of_prefect_check_says_nothing_of_releases() -> None:
    away = f"http://127.0.0.1:{free_port()}/api"
    assert other_releases(Settings().model_copy(update={"prefect_api_url": away})) == []
