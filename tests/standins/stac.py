"""Stand-in for a provider of rasters with a STAC API: files by range, item search by pages, tokens.

    python -m tests.standins.stac --port 0 --root FOLDER

serves the files below the root as the stand-in of CHC does, with its faults and log. `POST /stac/search` searches the
items of `items.json`, two on a page. What lies below `/private` wants `Authorization: Bearer TOKEN`, what lies below
`/signed` the query that `GET /sign` gives: SIGNATURE, or what a fault's rule says as `token`.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from tests.standins import chc

TOKEN, SIGNATURE, NEXT_SIGNATURE = "a-token/of+nobody==", "sig=of-nobody%2B1", "sig=of-nobody%2B2"
PAGE = 2
GREENNESS = 4200  # in ten thousandths


def make_composite(root: Path, first: date, days: int, below: str = "private") -> None:
    """Write a composite of some days around Sierra Leone that is as green everywhere, and its item of `ndvi`."""
    path = root / below / f"ndvi-{first}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.full((1, 70, 60), GREENNESS, "int16")
    profile = {"driver": "GTiff", "count": 1, "height": 70, "width": 60, "dtype": "int16", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=rasterio.transform.from_origin(-15, 12, 0.1, 0.1), **profile) as file:
        file.write(cells)
    items = root / "items.json"
    known = json.loads(items.read_text()) if items.exists() else []
    last = first + timedelta(days - 1)
    item = {
        "type": "Feature",
        "id": f"MOD13Q1.{first}",
        "collection": "ndvi",
        "bbox": [-15, 5, -9, 12],
        "properties": {"start_datetime": f"{first}T00:00:00Z", "end_datetime": f"{last}T23:59:59Z"},
        "assets": {
            "ndvi": {
                "href": f"{{root}}/{path.relative_to(root)}",
                "raster:bands": [{"scale": 0.0001, "nodata": -3000}],
            }
        },
    }
    items.write_text(json.dumps([*known, item]))


def found(items: list[dict[str, Any]], asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items that a search asks for: of its collections, its time and its box."""
    begin, end = asked["datetime"].split("/")
    west, south, east, north = asked.get("bbox") or (-180, -90, 180, 90)

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
            token = self.faults.take(self.command, self.path).get("token", SIGNATURE)
            self._log(200)
            self._answer(HTTPStatus.OK, json.dumps({"token": token}).encode())
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
        if asked.get("sortby"):
            items.sort(key=lambda item: item["properties"]["start_datetime"], reverse=True)
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
        if path.startswith("/signed") and query not in (SIGNATURE, NEXT_SIGNATURE):
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
