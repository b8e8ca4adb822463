"""The launcher of a run: it hands the run to the zygote, or becomes the run's process itself if there is no zygote.

The worker executes this file by its path, without site-packages, so that it starts in milliseconds; it imports only the
standard library. It lives as long as the run and ends as the run's process ended. If it dies, the zygote kills the run;
if the worker dies (its standard input ends), it exits, and the run with it.
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
        signal.signal(number, signal.SIG_IGN)  # the worker handles these and kills us itself
    address = environ.pop(b"EO_ZYGOTE", b"")
    connection = _ask(address, environ) if address else None
    if connection is None:
        os.execv(sys.executable, [sys.executable, "-m", "eo_pygeoapi.worker.execute_run"])
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(0, select.POLLIN | select.POLLHUP)
    ready: set[int] = set()
    while connection.fileno() not in ready:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if connection.fileno() not in ready and 0 in ready and not os.read(0, 1):
            os._exit(1)  # the worker is dead
    answer = connection.recv(4)  # the exit status, as `os.waitpid` gives it
    status = int.from_bytes(answer, "big") if len(answer) == 4 else LOST_ZYGOTE << 8
    if os.WIFSIGNALED(status):
        killed_by = os.WTERMSIG(status)
        if killed_by != signal.SIGKILL:
            signal.signal(killed_by, signal.SIG_DFL)
        os.kill(os.getpid(), killed_by)
    os._exit(os.waitstatus_to_exitcode(status) if not os.WIFSIGNALED(status) else 1)


def _ask(address: bytes, environ: "MutableMapping[bytes, bytes]") -> "socket.socket | None":
    """Send environment, folder and output to the zygote; None if there is none, or it refuses or does not answer."""
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


if __name__ == "__main__":
    main(os.environb)
