"""Runs that have succeeded, kept in memory: Prefect is asked only whether they are as they were."""

import threading
from collections.abc import Callable, MutableMapping

from cachetools import LRUCache
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType

KEPT = 500


class EndedRuns:
    """Keeps runs that have succeeded, the last ones looked at; safe to share between threads.

    `count` asks Prefect how many runs there are of a filter, which takes its server half of what reading one takes. A
    run that was removed, is tried again, or has got another state or another end is not counted.
    """

    def __init__(self, count: Callable[[FlowRunFilter], int], most: int = KEPT) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._kept: MutableMapping[str, FlowRun] = LRUCache(most)

    def keep(self, run: FlowRun) -> None:
        """Keep a run if it has succeeded."""
        if run.state is None or run.state.type != StateType.COMPLETED or run.end_time is None:
            return
        with self._lock:
            self._kept[str(run.id)] = run

    def get(self, run_id: str) -> FlowRun | None:
        """Return a kept run that Prefect still has as it was; None for any other."""
        with self._lock:
            run = self._kept.get(run_id)
        if run is None or self._count(_as_it_was(run)):
            return run
        with self._lock:
            self._kept.pop(run_id, None)
        return None


def _as_it_was(run: FlowRun) -> FlowRunFilter:
    assert run.state is not None
    return FlowRunFilter(
        id=FlowRunFilterId(any_=[run.id]),
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[run.state.type]), name=FlowRunFilterStateName(any_=[run.state.name or ""])
        ),
        end_time=FlowRunFilterEndTime(before_=run.end_time, after_=run.end_time),
    )
