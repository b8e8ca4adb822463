"""What a run is started with: hands it to the zygote, or becomes a cold engine where there is none.

Executed by its path, without site-packages: only what Python brings, so that it starts in milliseconds. It lives as
long as the run and ends as the run's process ended. When it dies the zygote kills the run; when the worker dies
(standard input ends) it goes, and the run with it.
"""

import os
import select
import signal
import socket
import sys
from collections.abc import MutableMapping

LOST_ZYGOTE = 75


def main(environ: "MutableMapping[bytes, bytes]") -> None:
    """Start the run with this environment and end as it ends."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # for the worker, who ends us in its own way
    address = environ.pop(b"EO_ZYGOTE", b"")
    connection = _ask(address, environ) if address else None
    if connection is None:
        os.execv(sys.executable, [sys.executable, "-m", "eo_pygeoapi.worker.execute_run"])
    _end_as(_wait(connection))


def _ask(address: bytes, environ: "MutableMapping[bytes, bytes]") -> "socket.socket | None":
    """Hand environment, folder and output to the zygote; None when it is not there, is stale or does not answer."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    try:
        connection.connect(address)
        pairs = [key + b"=" + value for key, value in environ.items()]
        request = b"\0".join([os.getcwdb(), *pairs])
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [1, 2])
        connection.sendall(request)
        if connection.recv(1) == b"y":
            connection.settimeout(None)
            return connection
    except OSError:
        pass
    connection.close()
    return None


def _wait(connection: socket.socket) -> int:
    """Return the exit status that the zygote reports, as `os.waitpid` gives it."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(0, select.POLLIN | select.POLLHUP)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if connection.fileno() in ready:
            answer = connection.recv(4)
            return int.from_bytes(answer, "big") if len(answer) == 4 else LOST_ZYGOTE << 8
        if 0 in ready and not os.read(0, 1):
            os._exit(1)  # the worker is gone


def _end_as(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if not os.WIFSIGNALED(status) else 1)


if __name__ == "__main__":
    main(os.environb)
