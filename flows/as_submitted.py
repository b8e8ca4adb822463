"""A run computes with the configuration that it was submitted with, or with what has been applied since.

Each process reads the file anew. Where it says something else of the run's dataset, an edit has not reached this
worker, or is not applied: the run waits for it a moment, and then refuses rather than compute with the wrong one.
"""

import logging
import platform
import time
from collections.abc import Callable
from functools import cache

from eo_pygeoapi.contract.status import COMPANIONS
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.version import version_of
from eo_pygeoapi.errors import ConfigError, NotAppliedError, OtherConfigurationError
from eo_pygeoapi.gateway.deployments import CONFIGURATION, version_applied
from eo_pygeoapi.gateway.job import DATASET
from eo_pygeoapi.settings import process_settings
from flows.surroundings import configuration, enabled_datasets, own_run, prefect

WAIT_SECONDS, LOOK_SECONDS = 20.0, 1.0
_log = logging.getLogger(__name__)


@cache
def datasets_as_submitted() -> dict[str, Dataset]:
    """Return the enabled datasets by id, where the file says of the run's dataset what the run was submitted with.

    Raises OtherConfigurationError where it says something else, and that is not what was applied last either.
    """
    parameters = own_run().parameters
    request = parameters.get("request") or {}
    name = str(request.get(DATASET) or (parameters.get("inputs") or {}).get("datasetId"))
    _require(name, f"dataset {name!r}", lambda: enabled_datasets()[name].version if name in enabled_datasets() else "")
    return enabled_datasets()


def require_process(process_id: str) -> None:
    """Raise OtherConfigurationError where the file says of a process not what the run was submitted with."""
    if process_id not in COMPANIONS:
        _require(process_id, f"process {process_id!r}", lambda: process_version(process_id))


def process_version(process_id: str) -> str:
    """Return the version of what the file says of a process; nothing where it does not name it."""
    resource = configuration()["resources"].get(process_id)
    return version_of(resource, process_settings().config.parent) if resource else ""


def _require(name: str, what: str, read: Callable[[], str]) -> None:
    wanted = str(own_run().labels.get(CONFIGURATION) or "")
    if not wanted:  # submitted by an earlier release
        return
    until = time.monotonic() + WAIT_SECONDS
    while (found := _version(read, until)) != wanted:
        if found and found == (applied := _applied(name)):
            _log.info(
                "the configuration of %s was changed after the job was submitted; the job takes the new one", what
            )
            return
        if time.monotonic() > until:
            raise OtherConfigurationError(_in_words(what, wanted, found, applied if found else ""))
        time.sleep(LOOK_SECONDS)
        configuration.cache_clear()
        enabled_datasets.cache_clear()


def _version(read: Callable[[], str], until: float) -> str:
    """Return the version in the file; nothing while the file cannot be read, as in the middle of an edit."""
    try:
        return read()
    except ConfigError:
        if time.monotonic() > until:
            raise
        return ""


def _applied(name: str) -> str:
    with prefect() as gateway:
        try:
            return version_applied(gateway.deployments.called(name))
        except NotAppliedError:
            return ""


def _in_words(what: str, wanted: str, found: str, applied: str) -> str:
    said = f"says something else of {what} than when the job was submitted" if found else f"does not name {what}"
    also = f", and {applied} is applied" if applied and applied != wanted else ""
    return (
        f"on the worker {platform.node()} the configuration file {said} "
        f"(version {found or 'none'} there, the job was submitted with {wanted}{also}); "
        "let the edited file reach every worker, run `eo-pygeoapi apply`, and execute again"
    )
