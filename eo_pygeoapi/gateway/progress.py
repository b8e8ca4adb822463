"""Tell Prefect, and through it `/jobs`, how far a run is, and which of its steps have begun and ended."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from prefect import get_client
from prefect.artifacts import create_progress_artifact
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import Artifact
from prefect.runtime import flow_run

from eo_pygeoapi import garbage
from eo_pygeoapi.contract.status import StepStatus
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.gateway.job_log import CURRENT_STEP
from eo_pygeoapi.gateway.progress_artifacts import progress_of
from eo_pygeoapi.gateway.steps import IMPORT_STEPS, Step, from_metadata, to_metadata

# percent at which each step ends; the download takes the longest
STEPS: Mapping[str, int] = dict(zip(IMPORT_STEPS, (2, 8, 55, 75, 80, 93, 100), strict=True))
SECONDS_BETWEEN_UPDATES = 1.0
LAST_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """Takes the progress of a step: a fraction between 0 and 1, or words on what the step waits for.

    `wait` takes words that stand until it is given an empty text, or the step goes on.
    """

    fraction: Callable[[float], None]
    words: Callable[[str], None]
    wait: Callable[[str], None]

    def __call__(self, fraction: float) -> None:
        """Report the fraction that is done."""
        self.fraction(fraction)


class RunProgress:
    """The progress artifact of one run; its percentage never shrinks. `steps` are the percent at which each ends.

    A thread of its own sends it to Prefect, so that a slow or unreachable server neither slows nor ends the work. It
    sends the begin of each step at once and the rest once a second, and skips updates that newer ones have overtaken.
    What reports collects garbage as often, where it is the thread that may.
    Whoever leaves it as a context waits until all is sent.
    """

    def __init__(self, steps: Mapping[str, int] = STEPS) -> None:
        self._steps = steps
        kept: list[Artifact] = []
        if flow_run.run_count > 1:  # a later attempt goes on with the artifact of the first
            where = progress_of([UUID(str(flow_run.id))])
            with get_client(sync_client=True) as client:
                kept = client.read_artifacts(artifact_filter=where, limit=1)
        self._begun: dict[str, Step] = {}
        if kept:
            self._artifact, self._percent = kept[0].id, float(str(kept[0].data))
            self._begun = {step.name: step for step in from_metadata(kept[0].metadata_) if step.started}
        else:
            made = create_progress_artifact(0.0, description="starting", _sync=True)  # type: ignore[call-arg]
            assert isinstance(made, UUID)
            self._artifact, self._percent = made, 0.0
        self._told_at = 0.0
        self._told: ArtifactUpdate | None = None
        self._waiting: ArtifactUpdate | None = None
        self._changed = threading.Condition()
        self._ended = False
        context = contextvars.copy_context()  # of Prefect's settings and run
        self._teller = threading.Thread(target=context.run, args=(self._tell_on,), name="progress", daemon=True)
        self._teller.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Send how the last step has ended, if nothing has been said since, and wait until it is sent."""
        if self._told and self._told.metadata_ != to_metadata(self._begun.values()):
            self._tell(self._percent, str(self._told.description))
        self.leave()

    @contextmanager
    def step(self, name: str) -> Iterator[Report]:
        """Report a step's begin and end, and log its error; the yielded report takes the progress in between."""
        names = list(self._steps)
        begin = self._steps[names[names.index(name) - 1]] if name != names[0] else 0
        words = f"{name} (step {names.index(name) + 1} of {len(names)})"
        self._begun[name] = Step(name, "running", datetime.now(UTC))
        self._tell(begin, words)
        CURRENT_STEP.set(name)

        def report(fraction: float) -> None:
            if time.monotonic() - self._told_at >= SECONDS_BETWEEN_UPDATES:
                self._tell(begin + fraction * (self._steps[name] - begin), words)

        def say(more: str) -> None:
            _log.info(more)
            if time.monotonic() - self._told_at >= SECONDS_BETWEEN_UPDATES:
                self._tell(begin, f"{words}: {more}")

        def wait(more: str) -> None:
            self._tell(self._percent, f"{words}: {more}" if more else words)

        try:
            yield Report(report, say, wait)
        except BaseException as error:
            if isinstance(error, EoError):
                _log.error("%s", error)
            self._end_step(name, "failed")
            raise
        else:
            self._end_step(name, "successful")
        finally:
            CURRENT_STEP.set("")

    def _end_step(self, name: str, status: StepStatus) -> None:
        """Note how a step has ended, to be sent with what is said next."""
        self._begun[name] = replace(self._begun[name], status=status, finished=datetime.now(UTC))

    def at(self, percent: float, words: str) -> None:
        """Say how far a run is that has no steps, and what it does."""
        self._tell(percent, words)

    def wait(self, words: str) -> None:
        """Say what is waited for when all steps are done."""
        self._tell(100, words)

    def end(self) -> None:
        """Send 100 % and wait until it is sent, so that the progress is complete before the run ends."""
        self._tell(100, "finished")
        self.leave()

    def leave(self) -> None:
        """Wait until what was said last is sent; for a run that goes on later."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._teller.join(LAST_SECONDS)

    def _tell(self, percent: float, words: str) -> None:
        garbage.collect()
        self._told_at = time.monotonic()
        with self._changed:
            self._percent = max(self._percent, min(percent, 100.0))
            steps = to_metadata(self._begun.values())
            self._told = self._waiting = ArtifactUpdate(data=self._percent, description=words, metadata_=steps)
            self._changed.notify()

    def _tell_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._ended)
                newest, self._waiting = self._waiting, None
            if newest is None:
                return
            try:
                # the client's own method says it in an event, too, which nobody looks at
                get_client(sync_client=True).request(
                    "PATCH",
                    "/artifacts/{id}",
                    path_params={"id": self._artifact},
                    json=newest.model_dump(mode="json", exclude_unset=True),
                )
            except Exception:
                # a run never fails because its progress cannot be reported
                _log.warning("cannot report to Prefect that the run is at %.0f %%", newest.data, exc_info=True)
