"""Tell Prefect, and through it `/jobs`, how far a run is."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

_LOG = logging.getLogger(__name__)

# percent at which each step ends; the download takes the longest
STEPS: Mapping[str, int] = {
    "validate_inputs": 2,
    "load_org_units": 8,
    "extract_source_data": 55,
    "aggregate_to_org_units": 75,
    "build_dhis2_payload": 80,
    "import_to_dhis2": 93,
    "publish_results": 100,
}
SECONDS_BETWEEN_UPDATES = 1.0


@dataclass(frozen=True)
class Report:
    """How a step tells how far it is: called with a fraction between 0 and 1, or with words on what it waits for."""

    fraction: Callable[[float], None]
    words: Callable[[str], None]

    def __call__(self, fraction: float) -> None:
        """Tell the fraction that is done."""
        self.fraction(fraction)


class RunProgress:
    """The progress artifact of one run; percent only ever grows."""

    def __init__(self) -> None:
        self._percent = 0.0
        self._told_at = 0.0
        artifact = create_progress_artifact(0.0, description="starting", _sync=True)  # type: ignore[call-arg]
        assert isinstance(artifact, UUID)
        self._artifact = artifact

    @contextmanager
    def step(self, name: str) -> Iterator[Report]:
        """Report a step's begin and end; what the yielded report is told is told on, once a second."""
        names = list(STEPS)
        begin = STEPS[names[names.index(name) - 1]] if name != names[0] else 0
        words = f"{name} (step {names.index(name) + 1} of {len(names)})"
        self._tell(begin, words)

        def report(fraction: float) -> None:
            if time.monotonic() - self._told_at >= SECONDS_BETWEEN_UPDATES:
                self._tell(begin + fraction * (STEPS[name] - begin), words)

        def say(more: str) -> None:
            _LOG.info(more)
            if time.monotonic() - self._told_at >= SECONDS_BETWEEN_UPDATES:
                self._tell(begin, f"{words}: {more}")

        yield Report(report, say)
        if name == names[-1]:
            self._tell(100, "finished")

    def _tell(self, percent: float, words: str) -> None:
        self._percent = max(self._percent, min(percent, 100.0))
        self._told_at = time.monotonic()
        update_progress_artifact(self._artifact, self._percent, description=words, _sync=True)  # type: ignore[call-arg]
