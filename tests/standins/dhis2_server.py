"""The state of the DHIS2 stand-in: what it holds, who may log in, which faults are in force, and the log."""

import base64
import fnmatch
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.standins.dhis2_metadata import DEFAULT_COMBO, Metadata
from tests.standins.dhis2_store import Store


@dataclass
class Server:
    """The state of the stand-in, which all requests share."""

    version: tuple[int, int]
    content: str
    today: date
    forget_bodies: bool = False
    metadata: Metadata = field(init=False)
    store: Store = field(default_factory=Store)
    rules: list[dict[str, Any]] = field(default_factory=list)
    used: Counter[int] = field(default_factory=Counter)
    log: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    later: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metadata = Metadata(json.loads(self.content))

    def apply_later(self) -> None:
        """Change the metadata as a person does between an import's first look at them and its values."""
        for data_set in self.metadata.all("dataSets"):
            gone = [{"id": unit} for unit in self.later.get("unassign", [])]
            data_set["organisationUnits"] = [unit for unit in data_set["organisationUnits"] if unit not in gone]
        for element in self.metadata.all("dataElements"):
            if element["id"] in self.later.get("dropZeros", []):
                element["zeroIsSignificant"] = False

    def fault(self, method: str, path: str) -> Mapping[str, Any]:
        """Return the first rule that is in force for this request, or an empty one."""
        with self.lock:
            for number, rule in enumerate(self.rules):
                if not fnmatch.fnmatch(path, rule["path"]) or rule.get("method", method) != method:
                    continue
                self.used[number] += 1
                nth = self.used[number] - rule.get("skip", 0)
                if 0 < nth <= rule.get("times", nth):
                    return rule
        return {}

    def user(self, authorization: str) -> Mapping[str, Any] | None:
        """Return who logs in by Basic or by a personal access token."""
        kind, _, rest = authorization.partition(" ")
        users = self.metadata.all("users")
        if kind == "ApiToken":
            return next((user for user in users if user["token"] == rest), None)
        if kind == "Basic":
            name, _, password = base64.b64decode(rest).decode().partition(":")
            return next((user for user in users if (user["username"], user["password"]) == (name, password)), None)
        return None

    def control(self, method: str, path: str, body: Any) -> Any:
        """Answer a request that is not DHIS2's."""
        if (method, path) == ("PUT", "/_faults"):
            self.rules, self.used = body, Counter()
        elif (method, path) == ("PUT", "/_later"):
            self.later = body
        elif (method, path) == ("PUT", "/_new"):
            self.metadata = Metadata(json.loads(self.content))
            self.store, self.rules, self.log, self.later = Store(), [], [], {}
        elif (method, path) == ("PUT", "/_values"):
            for value in body:
                combos = [value.get(n, DEFAULT_COMBO) for n in ("categoryOptionCombo", "attributeOptionCombo")]
                key = (value["dataElement"], value["period"], value["orgUnit"], combos[0], combos[1])
                self.store.put(key, value["value"], value.get("storedBy", "somebody"))
        elif (method, path) == ("DELETE", "/_log"):
            self.log.clear()
        if path == "/_imports":
            return sum(entry["method"] == "POST" and entry["status"] > 0 for entry in self.log)
        return {"/_log": self.log, "/_values": self.store.listed(), "/_audit": self.store.audit}.get(path, [])
