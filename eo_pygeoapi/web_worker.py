"""The worker of the web process: `gunicorn --worker-class eo_pygeoapi.web_worker.WebWorker`."""

import socket
import struct

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads; a request that it refuses itself gets a problem document, as from the service.

    These are requests that never reach the service: unreadable ones, and those with headers that are too long.
    A client that stops in the middle of a request holds a thread for `patience_seconds` at most.
    """

    patience_seconds = 30

    def init_process(self) -> None:
        """Have gunicorn write its errors as ours before it takes requests; it has no setting for them."""
        util.write_error = write_problem
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a connection to a thread, which waits so long for more of a request, and not for ever."""
        patience = struct.pack("ll", self.patience_seconds, 0)  # a `timeval` of C
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        super().enqueue_req(conn)


def write_problem(connection: socket.socket, status: int, reason: str, detail: str) -> None:
    """Answer on a connection, which closes then, with an error of gunicorn's."""
    # here, for gunicorn's first process loads this file, and needs nothing of the service
    from eo_pygeoapi.api.http.problems import problem

    headers, _, content = problem(status, reason.title().replace(" ", ""), detail)
    body = content.encode()
    headers |= {"Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    util.write_nonblock(connection, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)
