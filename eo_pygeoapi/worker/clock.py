"""The time of the Prefect server, by the `Date` of its answers: a worker's own clock may be off.

Prefect's worker asks for the runs that are due by its own clock, and a run's signs of life carry that of its machine.
With a slow clock runs would be taken late, and count as lost while they work; with a fast one schedules run early.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from eo_pygeoapi.wording import lasting

AHEAD = "EO_CLOCK_AHEAD"  # seconds, for the processes of runs
TOLERATED = timedelta(minutes=1)
SAID_EVERY = timedelta(hours=1)
_log = logging.getLogger(__name__)


class ServerClock:
    """How far the clock of this machine is ahead of the server's; not at all as long as it is a minute or less."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self._said: datetime | None = None

    def now(self) -> datetime:
        """Return the server's time."""
        return datetime.now(UTC) - self.ahead

    async def heard(self, response: httpx.Response) -> None:
        """Take the time from an answer, and say once an hour that the clock of this machine is off, where it is."""
        try:
            ahead = datetime.now(UTC) - parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError, TypeError):
            return
        self.ahead = ahead if abs(ahead) > TOLERATED else timedelta(0)
        now = self.now()
        if self.ahead and (self._said is None or now - self._said >= SAID_EVERY):
            self._said = now
            _log.warning(in_words(self.ahead))

    def environment(self) -> dict[str, str]:
        """Return what tells the process of a run how far the clock is off."""
        return {AHEAD: str(self.ahead.total_seconds())} if self.ahead else {}


def in_words(ahead: timedelta) -> str:
    """Say that the clock of this machine is off, how much, and what to do."""
    off, where = lasting(abs(ahead).total_seconds()), "ahead of" if ahead > timedelta(0) else "behind"
    return (
        f"the clock of this machine is {off} {where} that of the Prefect server; runs are taken by the server's. "
        "Set this machine's clock, by NTP"
    )


def ahead_of_server(environ: Mapping[str, str]) -> timedelta:
    """Return how far the clock is off, as the worker told this process."""
    return timedelta(seconds=float(environ.get(AHEAD) or 0))
