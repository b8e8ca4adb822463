"""DHIS2's analytics tables: what was imported is seen in DHIS2's apps when they have been made anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.facts import instant

AUTHORITY = "F_PERFORM_MAINTENANCE"
# when the last run began, and how long it took: of a whole run, and of one that adds only what is new
_LAST_RUNS = (
    ("lastAnalyticsTableSuccess", "lastAnalyticsTableRuntime"),
    ("lastAnalyticsTablePartitionSuccess", "lastAnalyticsTablePartitionRuntime"),
)


@dataclass(frozen=True)
class Seen:
    """What DHIS2 says of a run of analytics: what it does, and how and when it ended."""

    says: str = ""
    ended: datetime | None = None
    failed: bool = False


def look(dhis2: Dhis2, task: str, now: datetime) -> Seen:
    """Return what DHIS2 says of the run whose notifications are at this path; `now` is our time, with a zone."""
    notes: Sequence[Mapping[str, Any]] = dhis2.notifications(task)
    if not notes:
        return Seen()
    last = next((note for note in notes if note.get("completed")), None)
    if last is None:
        return Seen(says=str(notes[0].get("message", "")))
    wrong = [str(note.get("message", "")) for note in notes if note.get("level") == "ERROR"]
    at = _in_our_time(instant(last.get("time")), dhis2.system_info(), now)
    return Seen(wrong[0] if wrong else str(last.get("message", "")), at or now, bool(wrong))


def visible_since(dhis2: Dhis2, imported: datetime, now: datetime) -> datetime | None:
    """Return when a run ended that began after the import, whoever started it; None where there was none yet.

    DHIS2 tells when the last run that succeeded began, and how long it took.
    """
    info, found = dhis2.system_info(), []
    for began, took in _LAST_RUNS:
        start = _in_our_time(instant(info.get(began)), info, now)
        if start is None or start < imported:
            continue
        try:
            hours, minutes, seconds = str(info.get(took)).split(":")  # `00:00:15.819`
            found.append(start + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds)))
        except ValueError:
            found.append(start)
    return min(found, default=None)


def _in_our_time(moment: datetime | None, info: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return a moment of the server, whose clock and time zone are its own."""
    server_now = instant(info.get("serverDate"))
    return None if moment is None or server_now is None else now - (server_now - moment)
