"""Whether server and workers are of one release, as `eo-pygeoapi check` tells."""

from collections.abc import Iterator

from packaging.version import Version

from eo_pygeoapi.errors import EoError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.work_pool import OWN_TYPE
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.workers import Release, release_of


def other_releases(settings: Settings) -> list[str]:
    """Return a sentence for each running part that is of another release; none where Prefect does not answer."""
    gateway = PrefectGateway(settings.prefect_api_url, secrets=settings.secrets())
    try:
        return list(version_remarks(gateway, ResultStore(settings.results), Release.of_this_process()))
    except EoError:
        return []
    finally:
        gateway.close()


def version_remarks(gateway: PrefectGateway, store: ResultStore, here: Release) -> Iterator[str]:
    """Yield a sentence for each part that is of another release than this one, and which of the two to upgrade.

    Raises EngineUnavailableError and ResultsError.
    """
    yield from _differs("the Prefect server has Prefect", gateway.server_version(), here.prefect, "the Prefect server")
    workers = gateway.details.workers()
    if workers and (type_ := gateway.work_pool_type()) != OWN_TYPE:
        yield (
            f"the work pool is of type {type_}, whose workers are Prefect's own and do not say their release; the "
            f"image of jobs should have eo-pygeoapi {here.version}, and that of the worker Prefect {here.prefect}"
        )
        return
    for name in workers:
        release = release_of(store, name)
        if release is None:
            yield f"worker {name} does not say which release it is of; upgrade it to eo-pygeoapi {here.version}"
            continue
        yield from _differs(f"worker {name} has eo-pygeoapi", release.version, here.version, "the worker")
        yield from _differs(f"worker {name} has Prefect", release.prefect, here.prefect, "the worker")


def _differs(has: str, there: str, here: str, what: str) -> Iterator[str]:
    if Version(there) != Version(here):
        older = what if Version(there) < Version(here) else "this installation"
        yield f"{has} {there}, this installation {here}; upgrade {older}"
