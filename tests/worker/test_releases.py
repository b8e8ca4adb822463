"""Server and worker of several releases, as `check` tells them apart."""

from pathlib import Path

from eo_pygeoapi.commands.versions import version_remarks
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.workers import Release, note_worker, release_of
from tests.worker.farm import Farm

HERE = Release.of_this_process()


def test_check_says_which_part_to_upgrade(work: Farm, tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path / "data/results"))
    worker = work.worker(tmp_path / "data")
    (noted,) = (tmp_path / "data/results/workers").glob("*.json")
    name = noted.stem
    gateway = PrefectGateway(work.prefect_api)
    assert name in gateway.details.workers() and release_of(store, name) == HERE

    def remarks(here: Release) -> list[str]:
        """What is said of the server and of this worker; those that other tests have killed are alive to Prefect."""
        said = version_remarks(gateway, store, here)
        return [sentence for sentence in said if not sentence.startswith("worker ") or name in sentence]

    assert remarks(HERE) == []
    assert remarks(HERE.model_copy(update={"version": "99.0.0"})) == [
        f"worker {name} has eo-pygeoapi {HERE.version}, this installation 99.0.0; upgrade the worker"
    ]
    assert remarks(HERE.model_copy(update={"prefect": "3.8.0"})) == [
        f"the Prefect server has Prefect {HERE.prefect}, this installation 3.8.0; upgrade this installation",
        f"worker {name} has Prefect {HERE.prefect}, this installation 3.8.0; upgrade this installation",
    ]
    noted.unlink()
    (said,) = remarks(HERE)
    assert said == f"worker {name} does not say which release it is of; upgrade it to eo-pygeoapi {HERE.version}"
    note_worker(store, name)
    assert worker.stop() == 0
    assert release_of(store, name) is None
    gateway.close()
