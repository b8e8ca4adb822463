"""The web process alone, beside a Prefect server of one's choice."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from eo_pygeoapi.commands.configuration.effective_config import write_effective
from eo_pygeoapi.commands.running import CONFIG, OPENAPI
from tests.servers import free_port, running, wait_for


@contextmanager
def web(
    folder: Path,
    config: Mapping[str, Any],
    prefect_api: str,
    more: Mapping[str, str] | None = None,
    app: str = "eo_pygeoapi.flask_app:APP",
    host: str = "127.0.0.1",
) -> Iterator[str]:
    """Run the application under gunicorn; yields its address."""
    folder.mkdir(parents=True, exist_ok=True)
    edited, port = folder / "my-config.yml", free_port()
    edited.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    write_effective(edited, folder, port)
    environment = {
        "EO_DATA_DIR": str(folder),
        "PREFECT_API_URL": prefect_api,
        "PYGEOAPI_CONFIG": str(folder / CONFIG),
        "PYGEOAPI_OPENAPI": str(folder / OPENAPI),
        **(more or {}),
    }
    command = [sys.executable, "-m", "gunicorn", app, "--bind", f"{host}:{port}"]
    log = folder / "web.log"
    command += ["--worker-class", "eo_pygeoapi.web_worker.WebWorker", "--threads", "8"]
    with running(command, log, environment) as process:
        wait_for(f"http://127.0.0.1:{port}/conformance?f=json", process, log)
        yield f"http://localhost:{port}"
