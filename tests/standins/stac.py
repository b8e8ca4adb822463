"""Stand-in for a provider of rasters with a STAC API: files by range, item search by pages, tokens.

    python -m tests.standins.stac --port 0 --root FOLDER

serves the files below the root as the stand-in of CHC does, with its faults and log. `POST /stac/search` searches the
items of `items.json`, two on a page. What lies below `/private` wants `Authorization: Bearer TOKEN`, what lies below
`/signed` the query that `GET /sign` gives.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.standins import chc

TOKEN, SIGNATURE = "a-token/of+nobody==", "sig=of-nobody%2B1"
PAGE = 2


def found(items: list[dict[str, Any]], asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items that a search asks for: of its collections, its time and its box."""
    begin, end = asked["datetime"].split("/")
    west, south, east, north = asked["bbox"]

    def is_there(item: dict[str, Any]) -> bool:
        about, (w, s, e, n) = item["properties"], item["bbox"]
        first, last = (about.get(name) or about["datetime"] for name in ("start_datetime", "end_datetime"))
        here = w <= east and e >= west and s <= north and n >= south
        return item["collection"] in asked["collections"] and here and first <= end and last >= begin

    return [item for item in items if is_there(item)]


class Handler(chc.Handler):
    """The files, and the search."""

    def do_GET(self) -> None:
        if self.path == "/sign":
            self._answer(HTTPStatus.OK, json.dumps({"token": SIGNATURE}).encode())
        elif self._allowed():
            super().do_GET()

    def do_HEAD(self) -> None:
        if self._allowed():
            super().do_HEAD()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        if not self._allowed():
            return
        rule = self.faults.take(self.command, self.path)
        if status := rule.get("status"):
            self._log(status)
            return self._answer(HTTPStatus(status))
        text = (self.root / "items.json").read_text().replace("{root}", f"http://{self.headers['Host']}")
        items, start = found(json.loads(text), asked), asked.get("after", 0)
        page: dict[str, Any] = {"type": "FeatureCollection", "features": items[start : start + PAGE], "links": []}
        if start + PAGE < len(items):
            following = {"rel": "next", "href": self.path, "method": "POST", "merge": True}
            page["links"] = [{**following, "body": {"after": start + PAGE}}]
        self._log(200)
        self._answer(HTTPStatus.OK, json.dumps(page).encode())

    def _allowed(self) -> bool:
        path, _, query = self.path.partition("?")
        status = None
        if path.startswith("/private") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = HTTPStatus.UNAUTHORIZED
        if path.startswith("/signed") and query != SIGNATURE:
            status = HTTPStatus.FORBIDDEN
        if status:
            self._log(status)
            self._answer(status)
        return status is None


def serve(port: int, root: Path) -> None:
    """Serve `root` on the loopback address until the process ends."""
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, root=root.resolve(), faults=chc.Faults()))
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


@contextlib.contextmanager
def running(root: Path) -> Iterator[chc.StandIn]:
    """Run the stand-in over `root` in a process of its own."""
    command = [sys.executable, "-m", "tests.standins.stac", "--port", "0", "--root", str(root)]
    with subprocess.Popen(command, cwd=chc.CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield chc.StandIn(process.stdout.readline().strip(), root)
        finally:
            process.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()
    serve(arguments.port, arguments.root)
