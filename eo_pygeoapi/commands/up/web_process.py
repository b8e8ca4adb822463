"""The web process of `up`, as gunicorn reads its configuration: one process that starts workers as forks of itself."""

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.workers.base import Worker

from eo_pygeoapi.worker.loaded_code import STALE, is_newer_on_disk

wsgi_app = "eo_pygeoapi.flask_app:APP"
worker_class = "eo_pygeoapi.web_worker.WebWorker"
workers = 1
threads = 16
timeout = 120
graceful_timeout = 30
keepalive = 30
loglevel = "warning"


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Let requests under way finish and end, for `up` to start another, where the code on disk is newer.

    A later worker, such as one for `apply`, would load a part of the new release beside what is loaded of the old one.
    """
    if worker.age > server.num_workers and is_newer_on_disk():
        raise HaltServer("the code on disk is newer than what is loaded", STALE)
