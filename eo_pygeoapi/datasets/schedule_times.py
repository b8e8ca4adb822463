"""The times of a schedule: a daily one has one time on each local day, also on those on which clocks change.

A local time that a day does not have, because clocks go forward, comes as much later as they went forward (RFC 5545,
3.3.5), unless that is another day: then as much earlier. A local time that a day has twice counts the first time.
Prefect plans the first kind always earlier, and so for some time zones on the day before; `moved` mends that.
"""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from eo_pygeoapi.datasets.block import Schedule

LARGEST_CHANGE = timedelta(hours=3)  # of the clocks, at once


def times_after(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """Yield the times of a schedule after a moment, in the zone of the schedule; few or none where they end."""
    zone = ZoneInfo(schedule.timezone)
    walls = croniter(schedule.cron, _wall(moment, zone) - LARGEST_CHANGE)
    last, ahead = moment, list[datetime]()
    while True:
        try:
            found = _instant(walls.get_next(datetime), zone)
        except CroniterBadDateError:  # no such day for decades, such as 30 February
            found = None
        # a time that a day does not have comes after some that follow it on the clock
        while ahead and (found is None or ahead[0] <= found - LARGEST_CHANGE):
            if (time := heapq.heappop(ahead)) > last:
                last = time
                yield time.astimezone(zone)
        if found is None:
            return
        heapq.heappush(ahead, found)


def latest_until(schedule: Schedule, moment: datetime) -> datetime | None:
    """Return the last time of a schedule that is not after a moment, in UTC; None where there was none for decades."""
    zone = ZoneInfo(schedule.timezone)
    walls = croniter(schedule.cron, _wall(moment, zone) + LARGEST_CHANGE)
    found: datetime | None = None
    while True:
        try:
            wall = walls.get_prev(datetime)
        except CroniterBadDateError:
            return found
        if found is not None and wall < _wall(found, zone) - LARGEST_CHANGE:
            return found
        if (time := _instant(wall, zone)) <= moment:
            found = max(time, found or time)


def moved(schedule: Schedule, planned: datetime) -> datetime | None:
    """Return when a run is due that Prefect has planned for a local time which its day does not have; else None."""
    zone = ZoneInfo(schedule.timezone)
    change = _offset(planned + LARGEST_CHANGE, zone) - _offset(planned, zone)
    if change <= timedelta(0) or croniter.match(schedule.cron, _wall(planned, zone)):
        return None
    meant = _wall(planned, zone) + change
    time = _instant(meant, zone)
    if _wall(time, zone) == meant or time == planned or not croniter.match(schedule.cron, meant):
        return None
    return time


def is_planned(schedule: Schedule, moment: datetime) -> bool:
    """Return whether the schedule names the local time of a moment."""
    return bool(croniter.match(schedule.cron, _wall(moment, ZoneInfo(schedule.timezone))))


def planned_from(schedule: Schedule, time: datetime) -> datetime:
    """Return a moment from which on Prefect plans the run that is due at a time of the schedule."""
    zone = ZoneInfo(schedule.timezone)
    changed = _offset(time, zone) > _offset(time - LARGEST_CHANGE, zone)
    return time - LARGEST_CHANGE if changed else time


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    time = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(time, zone).date() == wall.date():
        return time
    return wall.replace(tzinfo=zone, fold=1).astimezone(UTC)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    # Prefect's moments are pendulum's, whose `replace` moves a local time that does not exist
    return datetime.fromtimestamp(moment.timestamp(), zone).replace(tzinfo=None, fold=0)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)
