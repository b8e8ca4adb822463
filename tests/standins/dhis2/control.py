"""The tests' side of the stand-in: starting it, and looking into it."""

import base64
import contextlib
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tests.standins.dhis2_metadata import default_metadata

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True)
class StandIn:
    """A running stand-in; the user may do everything."""

    url: str
    username: str
    password: str
    token: str

    def values(self) -> list[dict[str, Any]]:
        """Return the stored values, each with its dimensions and `value`."""
        return list(self._ask("GET", "/_values"))

    def put_values(self, *values: Mapping[str, str]) -> None:
        """Store values as somebody else would: `dataElement`, `period`, `orgUnit`, `value`, maybe option combos."""
        self._ask("PUT", "/_values", values)

    def make_token(self, expires: datetime) -> str:
        """Make a personal access token of the user, as a person does in DHIS2."""
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        body = {"expire": int(expires.timestamp() * 1000)}
        answer = self._ask("POST", "/api/apiToken", body, {"Authorization": f"Basic {login}"})
        return str(answer["response"]["key"])

    def audit(self) -> list[dict[str, Any]]:
        """Return the values that were changed or deleted, as they were before."""
        return list(self._ask("GET", "/_audit"))

    def log(self, method: str = "", path: str = "*") -> list[dict[str, Any]]:
        """Return the requests so far, or those with this method and path pattern."""
        entries = self._ask("GET", "/_log")
        return [e for e in entries if fnmatch.fnmatch(e["path"], path) and method in ("", e["method"])]

    def reset(self) -> None:
        """Make everything as it was at the start."""
        self._ask("PUT", "/_new", [])

    def imports(self) -> int:
        """Return how many imports were answered."""
        return int(self._ask("GET", "/_imports"))

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self._ask("DELETE", "/_log")

    def unassign(self, *org_units: str) -> None:
        """Take units from all data sets when the next import begins."""
        self._ask("PUT", "/_later", {"unassign": org_units})

    def drop_zeros(self, *data_elements: str) -> None:
        """Make zeros of these data elements insignificant when the next import begins."""
        self._ask("PUT", "/_later", {"dropZeros": data_elements})

    def collide(self, on_new_periods: bool = True) -> None:
        """Answer (until 2.42) as if another request met every new period in the same moment."""
        self._ask("PUT", "/_collide", on_new_periods)

    def analytics_takes(self, seconds: float) -> None:
        """Have analytics take so long, also where it goes on already."""
        self._ask("PUT", "/_analytics", seconds)

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put these rules in force, instead of those before."""
        self._ask("PUT", "/_faults", rules)

    def _ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)


@contextlib.contextmanager
def running(
    version: str = "2.42",
    metadata: Mapping[str, Any] | None = None,
    today: date | None = None,
    forget_bodies: bool = False,
    cost: float = 0.0,
    environment: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
) -> Iterator[StandIn]:
    """Run a stand-in of this DHIS2 version in a process of its own; `today` decides which periods are open.

    With `forget_bodies` the log holds no bodies of requests, which would need more memory than the values. `cost` is
    the share of the time that a real server takes for as many values; by default they cost nothing.
    """
    content = dict(metadata or default_metadata())
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(content, file)
        file.flush()
        command = [sys.executable, "-m", "tests.standins.dhis2", "--version", version, "--metadata", file.name]
        command += [
            "--host",
            host,
            "--until-stdin-closes",
            "--cost",
            str(cost),
            *(["--forget-bodies"] if forget_bodies else []),
        ]
        command += ["--today", today.isoformat()] if today else []
        pipe = subprocess.PIPE
        whole = {**os.environ, **(environment or {})}
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT, env=whole) as process:
            assert process.stdout
            try:
                user = content["users"][0]
                yield StandIn(process.stdout.readline().strip(), user["username"], user["password"], user["token"])
            finally:
                process.terminate()
