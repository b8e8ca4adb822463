"""What Prefect reads from the environment, in the worker and in its runs."""

from collections.abc import MutableMapping
from pathlib import Path

from eo_pygeoapi.settings import Settings


def set_environment(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Set what Prefect reads from the environment, here and in the runs, unless it is set already."""
    environ.setdefault("PREFECT_WORKER_QUERY_SECONDS", "1")
    environ.setdefault("PREFECT_RESULTS_DEFAULT_SERIALIZER", "json")
    environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "eo_pygeoapi,dhis2eo")
    environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    environ.setdefault("DO_NOT_TRACK", "1")
    if "://" not in settings.results:
        environ.setdefault("PREFECT_RESULTS_LOCAL_STORAGE_PATH", str(Path(settings.results) / "prefect"))
