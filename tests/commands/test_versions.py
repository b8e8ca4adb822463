"""Server and workers of several releases, as `check` tells them apart."""

from pathlib import Path

from eo_pygeoapi.commands.versions import other_releases, version_remarks
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.work_pool import WORK_POOL
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.workers import Release
from tests.servers import free_port, patient, prefect_server

HERE = Release.of_this_process()


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
