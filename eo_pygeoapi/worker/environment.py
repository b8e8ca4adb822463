"""The settings of Prefect in the environment of the worker and of its runs, and where its zygotes listen."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import certifi

from eo_pygeoapi.files import write_whole
from eo_pygeoapi.settings import Settings

HEARTBEAT_SECONDS = 60
LOG_DATES, DAY_AND_TIME = "PREFECT_LOGGING_FORMATTERS_STANDARD_DATEFMT", "%Y-%m-%d %H:%M:%S"  # Prefect's own has no day
_IN_WORKER = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_PREFETCH_SECONDS": "0",
    "PREFECT_WORKER_ENABLE_CANCELLATION": "false",  # our worker kills its runs itself
    "PREFECT_CLIENT_MAX_RETRIES": "2",  # the next poll is the retry
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "eo_pygeoapi,flows,dhis2eo",
    LOG_DATES: DAY_AND_TIME,
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
_IN_RUNS = {
    # a run survives a server that is unreachable for minutes: 2 + 4 + … + 256 s
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",  # the worker checks it
}


def set_environment(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Set Prefect's variables in the worker's environment, from which runs inherit, unless they are set already."""
    for name, value in _IN_WORKER.items():
        environ.setdefault(name, value)
    if "://" not in settings.results:
        environ.setdefault("PREFECT_RESULTS_LOCAL_STORAGE_PATH", settings.results)
    if (settings.prefect_api_url or "").startswith("http://"):
        # each client of Prefect reads all authorities, which takes 25 ms, also where there is nothing to verify
        environ.setdefault("PREFECT_API_SSL_CERT_FILE", str(one_authority(settings.data_dir.absolute())))
    if "prefect" in sys.modules:  # as in the local stack, whose processes share what they load
        have_prefect_read_again()


def have_prefect_read_again() -> None:
    """Have Prefect read its settings from the environment once more, also those of its logging."""
    from prefect.context import refresh_global_settings_context
    from prefect.logging.configuration import setup_logging
    from prefect.settings import PREFECT_LOGGING_EXTRA_LOGGERS

    refresh_global_settings_context()
    for name in PREFECT_LOGGING_EXTRA_LOGGERS.value():
        logging.getLogger(name).handlers.clear()  # Prefect adds them each time
    setup_logging(incremental=False)


def one_authority(folder: Path) -> Path:
    """Write the first of the trusted certificate authorities to a file in the folder; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path, end = folder / "one-authority.pem", "-----END CERTIFICATE-----"
    write_whole(path, certifi.contents().partition(end)[0] + end + "\n")
    return path


def run_environment(environ: Mapping[str, str | None]) -> dict[str, str]:
    """Return the environment of a run, given that of the worker and its deployment."""
    return {**{name: value for name, value in environ.items() if value is not None}, **_IN_RUNS}


def zygote_folder_prefix(worker: int) -> str:
    """Return what the name of the temporary folder of a worker's zygotes begins with; a socket's path must be short."""
    return f"eo-{worker}-"
