"""The stack that `eo-pygeoapi up` runs on a data folder, as other commands find it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from eo_pygeoapi.settings import Settings
from eo_pygeoapi.worker.processes import Process

# files of the data folder: what runs, and what its processes read
STATE = "up.json"
CONFIG, OPENAPI = "pygeoapi-config.yml", "openapi.yml"


@dataclass(frozen=True)
class Running:
    """A running stack; `up` writes it to `up.json` in the data folder, for other commands."""

    pid: int
    edited: str
    host: str
    port: int
    prefect_port: int
    pids: dict[str, int]
    births: dict[str, float]
    variables: list[str] | None = None  # names of the variables that give its jobs connections and keys
    temporary: str = ""  # the folder of Python's multiprocessing

    @property
    def web_url(self) -> str:
        """Address of pygeoapi."""
        return f"http://localhost:{self.port}"

    @property
    def prefect_api_url(self) -> str:
        """Address of the Prefect API."""
        return prefect_api_url(self.prefect_port)

    def is_alive(self) -> bool:
        """Return whether the process that started it still runs."""
        return Process(self.pid, self.births.get("up", 0.0)).is_alive()


def prefect_api_url(port: int) -> str:
    """Return the address of the API of a stack's Prefect."""
    return f"http://127.0.0.1:{port}/api"


def in_stack(settings: Settings, running: Running) -> Settings:
    """Return the settings for a running stack: its Prefect, and the connections and keys that its jobs have."""
    there = settings.model_copy(update={"prefect_api_url": running.prefect_api_url})
    return there.where_set(running.variables)


def running_stack(data_dir: Path) -> Running | None:
    """Return the stack that another process runs from this data folder; None when none does."""
    state = read_state(data_dir)
    if state is None or state.pid == os.getpid() or not state.is_alive():
        return None
    return state


def read_state(data_dir: Path) -> Running | None:
    """Return what the last stack of this data folder has written; None where it has stopped in order."""
    try:
        return Running(**json.loads((data_dir / STATE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
