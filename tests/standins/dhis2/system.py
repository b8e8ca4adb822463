"""What the server says of itself: its version, calendar and settings; and new ids."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import Object, Request
from tests.standins.dhis2.login import new_uid
from tests.standins.dhis2.state import Server, instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTINGS = {"keyCalendar": "calendar", "keyAnalysisDisplayProperty": "", "keyDateFormat": "dateFormat"}
OF_ALL = {
    "calendar": "iso8601",
    "dateFormat": "yyyy-mm-dd",
    "serverTimeZoneId": "Etc/UTC",
    "serverTimeZoneDisplayName": "Coordinated Universal Time",
    "encryption": False,
    "emailConfigured": False,
    "redisEnabled": False,
    "systemName": "DHIS 2",
    "systemMetadataVersion": "",
    "isMetadataVersionEnabled": False,
    "lastMetadataVersionSyncAttempt": instant(EPOCH),
    "lastSystemMonitoringSuccess": instant(EPOCH),
    "lastAnalyticsTablePartitionSuccess": instant(EPOCH),
    "lastAnalyticsTablePartitionRuntime": "",
}
FOR_SUPERUSERS = {
    "jasperReportsVersion": "6.20.0",
    "fileStoreProvider": "filesystem",
    "readOnlyMode": "off",
    "readReplicaCount": 0,
}


def info(server: Server, request: Request) -> Object:
    now, last = datetime.now(UTC), server.analytics or EPOCH
    found = OF_ALL | server.differences.more_system_info | {
        "contextPath": request.address,
        "instanceBaseUrl": request.address,
        "userAgent": request.headers.get("User-Agent", ""),
        "serverDate": f"{server.today}T{now:%H:%M:%S}.{now.microsecond // 1000:03}",
        "lastAnalyticsTableSuccess": instant(last),
        "intervalSinceLastAnalyticsTableSuccess": interval(now - last),
        "intervalSinceLastAnalyticsTablePartitionSuccess": interval(now - EPOCH),
        "lastAnalyticsTableRuntime": "00:00:01.500" if server.analytics else "",
        "version": server.version.says,
        "buildTime": server.made,
    }  # fmt: skip
    if sharing.is_super(request.user, server.metadata):
        found |= FOR_SUPERUSERS
    return found | server.metadata.system_info


def interval(passed: timedelta) -> str:
    """Return a time span as DHIS2 writes it."""
    minutes, seconds = divmod(int(passed.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return ", ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def settings(server: Server, request: Request) -> Object:
    return {name: _setting(server, name) for name in request.query.get("key", SETTINGS)}


def setting(server: Server, request: Request, name: str) -> Object:
    return {name: _setting(server, name)}


def _setting(server: Server, name: str) -> Any:
    own = OF_ALL | server.metadata.system_info
    return own[SETTINGS[name]] if SETTINGS.get(name) else "name"


def period_types(server: Server, request: Request) -> Object:
    return {"periodTypes": [{"name": name} for name in server.differences.period_types]}


def new_ids(server: Server, request: Request) -> Object:
    return {"codes": [new_uid() for _ in range(int(request.one("limit", "1")))]}
