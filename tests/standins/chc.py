"""Stand-in for data.chc.ucsb.edu: a static file server with byte ranges, faults on demand and a log of requests.

    python -m tests.standins.chc --port 0 --root DIR

prints its base URL as the first line, then serves the files below DIR until it is terminated. It must be a process
of its own: GDAL probes for sidecar files with Python's lock held, which stops a server in the same process.

`PUT /_faults` takes a JSON list of rules, applied in order to the first request that matches; `GET /_log` gives the
requests since the start, or since `DELETE /_log`. A rule is a mapping with `path` (a shell pattern) and one of

- `status`: answer with this status and no content;
- `stall`: wait so many seconds before answering;
- `truncate`: serve the file as if it had only so many bytes, as during an upload;
- `content`: serve this text in place of the file;
- `drop`: announce the whole answer, but close the connection after so many bytes;
- `slow`: send the first bytes, then nothing for so many seconds;

and with `times` (how often, default for ever) and `method` (default any).
"""

import argparse
import contextlib
import fnmatch
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHECKOUT = Path(__file__).parents[2]
NODATA = -9999.0
CELL = 0.05
_FIRST_BYTES = 500
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Faults:
    """The rules that are in force, and the log of what was asked."""

    def __init__(self) -> None:
        self.rules: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.stalls = 0
        self.lock = threading.Lock()

    def take(self, method: str, path: str) -> Mapping[str, Any]:
        """Return the first rule that fits this request, counting it as used, or an empty one."""
        with self.lock:
            for rule in self.rules:
                fits = fnmatch.fnmatch(path, rule["path"]) and rule.get("method", method) == method
                if fits and rule.get("times", 1) > 0:
                    if "times" in rule:
                        rule["times"] -= 1
                    return rule
        return {}

    def record(self, method: str, path: str, status: int, range_: str) -> None:
        """Remember a request and its answer."""
        with self.lock:
            self.log.append({"method": method, "path": path, "status": status, "range": range_})


class Handler(BaseHTTPRequestHandler):
    """Serve the files below `root`."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, root: Path, faults: Faults) -> None:
        self.root, self.faults = root, faults
        super().__init__(*args)

    def do_GET(self) -> None:
        if self.path == "/_log":
            self._answer(HTTPStatus.OK, json.dumps(self.faults.log).encode())
        elif self.path == "/_stalls":
            self._answer(HTTPStatus.OK, json.dumps(self.faults.stalls).encode())
        else:
            self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_faults":
            self.faults.rules = json.loads(body)
            self._answer(HTTPStatus.NO_CONTENT)
        else:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED)

    def do_DELETE(self) -> None:
        self.faults.log.clear()
        self._answer(HTTPStatus.NO_CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; `/_log` has it."""

    def _serve(self) -> None:
        rule = self.faults.take(self.command, self.path)
        if "stall" in rule:
            self.faults.stalls += 1
            time.sleep(rule["stall"])
        if status := rule.get("status"):
            self._log(status)
            return self._answer(HTTPStatus(status))
        file = (self.root / self.path.partition("?")[0].lstrip("/")).resolve()
        if file.is_relative_to(self.root) and file.is_dir() and self.path.endswith("/"):
            self._log(HTTPStatus.OK)
            names = sorted(path.name for path in file.iterdir())
            return self._answer(HTTPStatus.OK, "".join(f'<a href="{name}">{name}</a>\n' for name in names).encode())
        if not file.is_relative_to(self.root) or not file.is_file():
            self._log(HTTPStatus.NOT_FOUND)
            return self._answer(HTTPStatus.NOT_FOUND)
        validators = _validators(file)
        if self.headers.get("If-None-Match") == validators["ETag"]:
            self._log(HTTPStatus.NOT_MODIFIED)
            return self._answer(HTTPStatus.NOT_MODIFIED, headers=validators)
        content = str(rule["content"]).encode() if "content" in rule else file.read_bytes()[: rule.get("truncate")]
        status, part, headers = self._part(content)
        self._log(status)
        self._answer(status, part, headers | validators, drop=rule.get("drop"), slow=rule.get("slow", 0))

    def _part(self, content: bytes) -> tuple[HTTPStatus, bytes, dict[str, str]]:
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if not match:
            return HTTPStatus.OK, content, {}
        first, last = match.groups()
        start = int(first) if first else max(0, len(content) - int(last))
        stop = min(int(last) + 1, len(content)) if first and last else len(content)
        if start >= len(content) or stop <= start:
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", {"Content-Range": f"bytes */{len(content)}"}
        range_ = f"bytes {start}-{stop - 1}/{len(content)}"
        return HTTPStatus.PARTIAL_CONTENT, content[start:stop], {"Content-Range": range_}

    def _log(self, status: int) -> None:
        self.faults.record(self.command, self.path, int(status), self.headers.get("Range", ""))

    def _answer(
        self,
        status: HTTPStatus,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        drop: int | None = None,
        slow: float = 0,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # of those who did not wait
                if slow:
                    self.wfile.write(body[:_FIRST_BYTES])
                    self.faults.stalls += 1
                    time.sleep(slow)
                    body = body[_FIRST_BYTES:]
                self.wfile.write(body[:drop])
        self.close_connection = self.close_connection or drop is not None


def _validators(file: Path) -> dict[str, str]:
    stat = file.stat()
    return {"ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'}


def serve(host: str, port: int, root: Path) -> None:
    """Serve `root` until the process ends."""
    server = ThreadingHTTPServer((host, port), partial(Handler, root=root.resolve(), faults=Faults()))
    server.daemon_threads = True
    print(f"http://{host}:{server.server_port}", flush=True)
    server.serve_forever()


@dataclass(frozen=True)
class StandIn:
    """A running stand-in, as a test sees it."""

    url: str
    root: Path

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put these rules in force, in place of those before; none of them: no faults."""
        self._call("PUT", "/_faults", json.dumps(rules).encode())

    def log(self) -> list[dict[str, Any]]:
        """Return the requests so far: `method`, `path`, `status`, `range`."""
        entries: list[dict[str, Any]] = json.loads(self._call("GET", "/_log"))
        return entries

    def stalls(self) -> int:
        """Return how many requests were made to stall so far."""
        return int(self._call("GET", "/_stalls"))

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self._call("DELETE", "/_log")

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.url + path, data=body, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            content: bytes = response.read()
        return content


@contextlib.contextmanager
def running(root: Path, host: str = "127.0.0.1") -> Iterator[StandIn]:
    """Run the stand-in over `root` in a process of its own."""
    command = [sys.executable, "-m", "tests.standins.chc", "--host", host, "--port", "0", "--root", str(root)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the stand-in ended before it listened"
            yield StandIn(url, root)
        finally:
            process.terminate()


def day_path(day: date, stage: str = "final", flavor: str = "rnl") -> str:
    """Return where CHC keeps a day of CHIRPS v3, relative to its root."""
    daily = "products/CHIRPS/v3.0/daily"
    if stage == "prelim":
        return f"{daily}/prelim/sat/{day:%Y}/chirps-v3.0.prelim.{day:%Y.%m.%d}.tif"
    return f"{daily}/final/{flavor}/cogs/{day:%Y}/chirps-v3.0.{flavor}.{day:%Y.%m.%d}.cog"


def month_path(day: date) -> str:
    """Return where CHC keeps the month of a day."""
    return f"products/CHIRPS/v3.0/monthly/global/cogs/chirps-v3.0.{day:%Y.%m}.cog"


def rain(day: date, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Make up a day's rain in mm: it differs by day, row and column, and the north-west corner is sea."""
    rows, columns = np.indices(shape)
    values = (day.day + 0.1 * rows + 0.01 * columns + 0.5 * day.month).astype("float32")
    values[0, 0] = NODATA
    return values


def make_day(
    root: Path,
    day: date,
    stage: str,
    flavor: str,
    array: NDArray[np.float32],
    *,
    west: float = -13.5,
    north: float = 10.2,
) -> Path:
    """Write a day of CHIRPS below `root` as CHC does: 0.05 degree cells, -9999 where there are no data.

    `array` has rows from north to south; its north-west corner lies at (`west`, `north`). The stage `month` makes the
    month of the day. Returns the file.
    """
    import rasterio  # here, so that the server starts without it

    path = root / (month_path(day) if stage == "month" else day_path(day, stage, flavor))
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = array.shape
    profile = {
        "driver": "GTiff" if stage == "prelim" else "COG",
        "height": rows,
        "width": columns,
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:4326",
        "nodata": NODATA,
        "transform": rasterio.transform.from_origin(west, north, CELL, CELL),
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(array, 1)
    os.utime(path, (0, 0))
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()
    serve(arguments.host, arguments.port, arguments.root)
