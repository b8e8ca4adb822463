"""Let a run begin before Prefect's engine opens its watch for suspensions.

Before a run is Running, the engine of Prefect 3.8 opens a WebSocket to the server for it and reads the run once more.
That is a fifth of a start, and Prefect has no setting for it. Here it is done beside the run, once that has lasted for
two seconds: the watch begins with reading the run's state, so a suspension before that is seen then.
"""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from prefect import flow_engine

_NAME = "observe_flow_run_suspension"
BEGIN_SECONDS = 2.0
_LAST_SECONDS = 2.0  # the engine's own limit for its end


def observe_beside() -> None:
    """Change the engine of this process so, if it has such a watch."""
    observe = getattr(flow_engine, _NAME, None)
    if observe is not None:
        setattr(flow_engine, _NAME, beside(observe))


def beside(
    observe: Callable[..., AbstractContextManager[None]], after: float = BEGIN_SECONDS
) -> Callable[..., AbstractContextManager[None]]:
    """Return a context manager that enters another one in a thread after so many seconds, without waiting for it."""

    @contextmanager
    def entered_beside(*args: object, **kwargs: object) -> Iterator[None]:
        over = threading.Event()

        def hold() -> None:
            if not over.wait(after):
                with observe(*args, **kwargs):
                    over.wait()

        thread = threading.Thread(target=contextvars.copy_context().run, args=(hold,), name="suspension", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_LAST_SECONDS)

    return entered_beside
