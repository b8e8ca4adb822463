"""Serve a stand-in for DHIS2: `python -m tests.standins.dhis2 --port 0 --version 2.42 [--metadata FILE]`.

Prints its base URL as the first line. `--version` decides how it answers: as 2.42 or as 2.43 does. The metadata of a
FILE replace the default ones (`dhis2_metadata.py`).
"""

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Sequence
from datetime import date
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TextIO

from tests.standins.dhis2.cost import Cost
from tests.standins.dhis2.serving import Handler
from tests.standins.dhis2.state import Server
from tests.standins.dhis2.versions import Version
from tests.standins.dhis2_metadata import default_metadata


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default="2.42", help="2.38 … 2.43")
    parser.add_argument("--metadata", type=Path)
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with whoever started this")
    parser.add_argument("--forget-bodies", action="store_true", help="keep no bodies of requests in the log")
    parser.add_argument("--today", type=date.fromisoformat, default=date.today())
    parser.add_argument("--cost", type=float, default=0.0, help="share of the time that a real server takes")
    options = parser.parse_args(arguments)
    content = options.metadata.read_text() if options.metadata else json.dumps(default_metadata())
    version, cost = Version(options.version), Cost(options.cost)
    state = Server(version, content, options.today, options.forget_bodies, cost)
    with ThreadingHTTPServer((options.host, options.port), partial(Handler, state)) as server:
        print(f"http://{options.host}:{server.server_port}", flush=True)
        if options.until_stdin_closes:
            threading.Thread(target=_shut_down_with, args=(sys.stdin, server), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _shut_down_with(pipe: TextIO, server: ThreadingHTTPServer) -> None:
    pipe.read()
    server.shutdown()


if __name__ == "__main__":
    main()
