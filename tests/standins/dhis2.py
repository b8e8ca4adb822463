"""Stand-in for the DHIS2 Web API: a process of its own with metadata, stored values, faults and a log.

    python -m tests.standins.dhis2 --port 0 --version 2.42 [--metadata FILE] [--today YYYY-MM-DD]

prints its base URL as the first line. `--version` decides between the import of 2.38 to 2.42 and that of 2.43; the
metadata of a FILE replace the default ones (`dhis2_metadata.py`). Tests say `with running("2.43") as dhis2:`.

What is not DHIS2's stands under `/_`, without a login: `GET /_log` (requests; `DELETE` forgets them), `GET /_values`,
`GET /_audit`, `GET /_imports` (how many were answered), and `PUT` of `/_values` (a list of data values that somebody
stored), of `/_later` (what a person changes in the metadata before the next import: `unassign`, units of all data sets,
and `dropZeros`, data elements), of `/_faults` (a list of rules) and of `/_new` (everything as it was at the start).
A rule has `path` (a shell pattern), may have `method`, `skip` (so many requests pass first) and `times` (default: for
ever), and one or more of

- `status`, `body`, `contentType`: answer so instead; with `echo` the message says what headers came with the request;
- `stall`: wait so many seconds before answering;
- `drop`: close the connection without an answer;
- `storeThenStall`: do what was asked, and wait so many seconds before saying so;
- `storeThenReset`: do what was asked, and break the connection in the middle of the answer.
"""

import argparse
import contextlib
import fnmatch
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qs, urlsplit

from tests.standins.dhis2_export import ExportError, export_values
from tests.standins.dhis2_from_243 import import_as_group
from tests.standins.dhis2_metadata import COLLECTIONS, Metadata, QueryError, default_metadata, select
from tests.standins.dhis2_server import Server
from tests.standins.dhis2_store import Import
from tests.standins.dhis2_until_242 import import_one_by_one

CHECKOUT = Path(__file__).parents[2]
LONGEST_HEAD = 8192  # of Tomcat
MESSAGES = {
    "SUCCESS": (HTTPStatus.OK, "OK", "Import was successful."),
    "WARNING": (HTTPStatus.CONFLICT, "WARNING", "One more conflicts encountered, please check import summary."),
    "ERROR": (HTTPStatus.CONFLICT, "ERROR", "An error occurred, please check import summary."),
}


class Answer(Exception):
    """An answer, also one that ends the work on a request early."""

    def __init__(self, status: int, body: Any, content_type: str = "application/json") -> None:
        super().__init__(status)
        self.status, self.content_type = status, content_type
        self.content = body.encode() if isinstance(body, str) else json.dumps(body).encode()


def refusal(status: HTTPStatus, message: str, code: str = "") -> Answer:
    body = {"httpStatus": status.phrase, "httpStatusCode": status.value, "status": "ERROR", "message": message}
    return Answer(status, body | ({"errorCode": code} if code else {}))


class Handler(BaseHTTPRequestHandler):
    """DHIS2's paths."""

    protocol_version = "HTTP/1.1"
    server_version = "Apache-Coyote"
    disable_nagle_algorithm = True  # head and body are written apart

    def __init__(self, server: Server, *args: Any) -> None:
        self.dhis2 = server
        super().__init__(*args)

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self, method: str) -> None:
        url = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(content) if content else None
        if url.path.startswith("/_"):
            with self.dhis2.lock:
                return self._send(Answer(200, self.dhis2.control(method, url.path, body)))
        query = parse_qs(url.query, keep_blank_values=True)
        entry = {"method": method, "path": url.path, "query": query, "status": 0}
        entry["body"] = None if self.dhis2.forget_bodies else body
        self.dhis2.log.append(entry)
        if user := self.dhis2.user(self.headers.get("Authorization", "")):
            entry["user"] = user["username"]
        rule = self.dhis2.fault(method, url.path)
        time.sleep(rule.get("stall", 0))
        if rule.get("drop"):
            self.close_connection = True
            return None
        if rule.get("echo"):
            answer = Answer(rule["status"], {"message": f"bad request with headers {dict(self.headers)}"})
        elif "status" in rule:
            answer = Answer(rule["status"], rule.get("body", ""), rule.get("contentType", "application/json"))
        else:
            answer = self._answer(method, url.path, query, body)
        entry["status"] = int(answer.status)
        time.sleep(rule.get("storeThenStall", 0))
        if rule.get("storeThenReset"):
            return self._reset(answer)
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has given up
            self.wfile.write(answer.content)

    def _reset(self, answer: Answer) -> None:
        """Send half of the answer and then a RST."""
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content[: len(answer.content) // 2])
        self.wfile.flush()
        time.sleep(0.05)  # so that the client has read it
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> Answer:
        if len(self.requestline) + len(bytes(self.headers)) > LONGEST_HEAD:
            return Answer(400, "<!doctype html><title>HTTP Status 400 – Bad Request</title>", "text/html")
        user = self.dhis2.user(self.headers.get("Authorization", ""))
        if user is None:
            return refusal(HTTPStatus.UNAUTHORIZED, "Bad credentials")
        try:
            with self.dhis2.lock:
                return Answer(200, self._resource(method, path, query, body, user))
        except Answer as answer:
            return answer
        except QueryError as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        except ExportError as error:
            return refusal(HTTPStatus(error.status), str(error), error.code)

    def _resource(
        self, method: str, path: str, query: Mapping[str, list[str]], body: Any, user: Mapping[str, Any]
    ) -> Any:
        dhis2, (_, api, collection, *rest) = self.dhis2, f"{path.removesuffix('.json')}//".split("/")
        identifier = rest[0]
        if api != "api":
            raise Answer(404, "<!doctype html><title>HTTP Status 404 – Not Found</title>", "text/html")
        if (method, collection) == ("POST", "dataValueSets"):
            raise self._import(query, body, user)
        if method != "GET":
            raise refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"Request method '{method}' is not supported")
        if collection == "dataValueSets":
            return export_values(dhis2.metadata, dhis2.store, query, user, dhis2.version)
        if (collection, identifier) == ("system", "info"):
            own = {"version": f"{dhis2.version[0]}.{dhis2.version[1]}.0", "serverDate": dhis2.today.isoformat()}
            return own | dhis2.metadata.system_info
        if collection == "me":
            hidden = ("password", "token", "superuser")
            return {"authorities": ["ALL"]} | {name: value for name, value in user.items() if name not in hidden}
        if collection == "organisationUnits.geojson":
            return _geojson(dhis2.metadata, query)
        if collection not in COLLECTIONS or collection == "users":
            raise refusal(HTTPStatus.NOT_FOUND, f"No endpoint GET {path}")
        if not identifier:
            return dhis2.metadata.query(collection, query)
        if found := dhis2.metadata.find(collection, identifier):
            return select(found, query.get("fields", ["*"])[0])
        kind = collection[0].upper() + collection[1:].removesuffix("s")
        raise refusal(HTTPStatus.NOT_FOUND, f"{kind} with id {identifier} could not be found.", "E1005")

    def _import(self, query: Mapping[str, list[str]], body: Any, user: Mapping[str, Any]) -> Answer:
        self.dhis2.apply_later()
        params = {name: values[-1] for name, values in query.items()}
        run = Import(self.dhis2.metadata, self.dhis2.store, body or {}, params, user, self.dhis2.today)
        summary = import_as_group(run) if self.dhis2.version >= (2, 43) else import_one_by_one(run)
        if self.dhis2.version < (2, 39):
            del summary["rejectedIndexes"]
        status, word, message = MESSAGES[summary["status"]]
        envelope = {"httpStatus": status.phrase, "httpStatusCode": status.value, "status": word, "message": message}
        return Answer(status, envelope | {"response": summary})


def _geojson(metadata: Metadata, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Answer `organisationUnits.geojson`: units without a geometry are missing without a word."""
    levels, parents = query.get("level", ["1"]), query.get("parent", [""])
    features = []
    for unit in metadata.all("organisationUnits"):
        above = unit["path"].split("/")[1:-1]
        below = any(not parent or parent in (*above, unit["id"]) for parent in parents)
        if str(unit["level"]) in levels and below and unit.get("geometry"):
            properties = {"code": unit["code"], "name": unit["name"], "level": str(unit["level"]), "groups": []}
            properties |= {"parent": above[-1], "parentGraph": "/".join(above)} if above else {}
            feature = {"type": "Feature", "id": unit["id"], "geometry": unit["geometry"], "properties": properties}
            features.append(feature)
    return {"type": "FeatureCollection", "features": features}


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

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put these rules in force, instead of those before."""
        self._ask("PUT", "/_faults", rules)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


@contextlib.contextmanager
def running(
    version: str = "2.42",
    metadata: Mapping[str, Any] | None = None,
    today: date | None = None,
    forget_bodies: bool = False,
) -> Iterator[StandIn]:
    """Run a stand-in of this DHIS2 version in a process of its own; `today` decides which periods are open.

    With `forget_bodies` the log holds no bodies of requests, which would need more memory than the values.
    """
    content = dict(metadata or default_metadata())
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(content, file)
        file.flush()
        command = [sys.executable, "-m", "tests.standins.dhis2", "--version", version, "--metadata", file.name]
        command += ["--until-stdin-closes", *(["--forget-bodies"] if forget_bodies else [])]
        command += ["--today", today.isoformat()] if today else []
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT) as process:
            assert process.stdout
            try:
                user = content["users"][0]
                yield StandIn(process.stdout.readline().strip(), user["username"], user["password"], user["token"])
            finally:
                process.terminate()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default="2.42", help="2.38 … 2.43")
    parser.add_argument("--metadata", type=Path)
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with whoever started this")
    parser.add_argument("--forget-bodies", action="store_true", help="keep no bodies of requests in the log")
    parser.add_argument("--today", type=date.fromisoformat, default=date.today())
    options = parser.parse_args(arguments)
    content = options.metadata.read_text() if options.metadata else json.dumps(default_metadata())
    major, minor = (int(part) for part in options.version.split(".")[:2])
    state = Server((major, minor), content, options.today, options.forget_bodies)
    with ThreadingHTTPServer(("127.0.0.1", options.port), partial(Handler, state)) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        if options.until_stdin_closes:
            threading.Thread(target=_shut_down_with, args=(sys.stdin, server), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _shut_down_with(pipe: TextIO, server: ThreadingHTTPServer) -> None:
    pipe.read()
    server.shutdown()


if __name__ == "__main__":
    main()
