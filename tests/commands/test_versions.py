"""Server and workers of several releases, as `check` tells them apart."""

from pathlib import Path

from eo_pygeoapi.commands.versions import other_releases, version_remarks
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.workers import Release, note_worker, release_of
from tests.servers import free_port
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


def test_without_an_answer_of_prefect_check_says_nothing_of_releases() -> None:
    away = f"http://127.0.0.1:{free_port()}/api"
    assert other_releases(Settings().model_copy(update={"prefect_api_url": away})) == []
