"""The state of the stand-in: what it holds, which faults are in force, and the log."""

import fnmatch
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.standins.dhis2.answers import Object
from tests.standins.dhis2.cost import Cost
from tests.standins.dhis2.metadata import Metadata
from tests.standins.dhis2.new_periods import KnownPeriods
from tests.standins.dhis2.store import Store
from tests.standins.dhis2.versions import Differences, Version
from tests.standins.dhis2_metadata import DEFAULT_COMBO


@dataclass
class Task:
    """What runs in the background: the notifications so far, the newest first, and what came of it."""

    notifications: list[Object]
    summary: Object | None = None
    of_analytics: bool = False
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Server:
    """The state of the stand-in, which all requests share."""

    version: Version
    content: str
    today: date
    forget_bodies: bool = False
    cost: Cost = field(default_factory=Cost)
    lock: threading.RLock = field(default_factory=threading.RLock)
    log: list[Object] = field(default_factory=list)
    later: dict[str, list[str]] = field(default_factory=dict)
    rules: list[Object] = field(default_factory=list)
    used: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Make everything as it is at the start."""
        self.metadata = Metadata(json.loads(self.content))
        self.store = Store(keeps_order=self.differences.rows_in_order)
        self.periods = KnownPeriods()
        self.tasks: dict[tuple[str, str], Task] = {}
        self.tokens: list[Object] = []
        self.analytics_takes = timedelta(0)
        self.rules, self.later = [], {}
        self.log.clear()
        self.made = instant()

    @property
    def differences(self) -> Differences:
        return self.version.differences

    @property
    def analytics(self) -> datetime | None:
        """When the last run of analytics began that has ended."""
        runs = [task.begun for task in self.tasks.values() if task.of_analytics and not self.is_going_on(task)]
        return max(runs, default=None)

    def is_going_on(self, task: Task) -> bool:
        """Tell whether a task has not ended yet."""
        return task.of_analytics and datetime.now(UTC) < task.begun + self.analytics_takes

    @property
    def owner(self) -> str:
        """Return who made what nobody is said to have made."""
        users = self.metadata.all("users")
        return str(users[0].get("id", "")) if users else ""

    def apply_later(self) -> None:
        """Change the metadata as a person does between an import's first look at them and its values."""
        for data_set in self.metadata.all("dataSets"):
            gone = [{"id": unit} for unit in self.later.get("unassign", [])]
            data_set["organisationUnits"] = [unit for unit in data_set["organisationUnits"] if unit not in gone]
        for element in self.metadata.all("dataElements"):
            if element["id"] in self.later.get("dropZeros", []):
                element["zeroIsSignificant"] = False

    def fault(self, method: str, path: str, query: str) -> Mapping[str, Any]:
        """Return the first rule that is in force for this request, or an empty one."""
        with self.lock:
            for number, rule in enumerate(self.rules):
                if not fnmatch.fnmatch(path, rule["path"]) or rule.get("method", method) != method:
                    continue
                if rule.get("query", "") not in query:
                    continue
                self.used[number] += 1
                nth = self.used[number] - rule.get("skip", 0)
                if 0 < nth <= rule.get("times", nth):
                    return rule
        return {}

    def control(self, method: str, path: str, body: Any) -> Any:
        """Answer a request that is not DHIS2's."""
        if (method, path) == ("PUT", "/_faults"):
            self.rules, self.used = body, Counter()
        elif (method, path) == ("PUT", "/_later"):
            self.later = body
        elif (method, path) == ("PUT", "/_new"):
            self.begin()
        elif (method, path) == ("PUT", "/_analytics"):
            self.analytics_takes = timedelta(seconds=body)
        elif (method, path) == ("PUT", "/_collide"):
            self.periods.collide = bool(body)
        elif (method, path) == ("PUT", "/_values"):
            self._put_values(body)
        elif (method, path) == ("DELETE", "/_log"):
            self.log.clear()
        if path == "/_imports":
            return sum(entry["method"] == "POST" and entry["status"] > 0 for entry in self.log)
        changed = [entry for entry in self.store.audit if entry["auditType"] != "CREATE"]
        return {"/_log": self.log, "/_values": self.store.listed(), "/_audit": changed}.get(path, [])

    def _put_values(self, values: list[Object]) -> None:
        for value in values:
            combos = [value.get(n, DEFAULT_COMBO) for n in ("categoryOptionCombo", "attributeOptionCombo")]
            key = (value["dataElement"], value["period"], value["orgUnit"], combos[0], combos[1])
            self.store.put(key, {"value": value["value"]}, value.get("storedBy", "somebody"))


def instant(moment: datetime | None = None) -> str:
    """Return a moment as DHIS2 writes it, without a zone."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
