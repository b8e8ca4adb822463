"""Wake the workers of this machine: a datagram tells them that a run is waiting, so that it need not wait for a poll.

Each worker listens on a socket in a private folder of its user, named after the Prefect server. A process on another
machine or of another user wakes no worker; the worker's poll then finds the run a second later.
"""

import hashlib
import os
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def wake_folder(api_url: str) -> Path:
    """Return the folder of the sockets of the workers of this Prefect server."""
    digest = hashlib.sha256(api_url.rstrip("/").encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir(), f"eo-pygeoapi-{os.getuid()}-{digest}")


def wake_workers(api_url: str | None) -> None:
    """Send a datagram to every worker that listens, without failing or waiting."""
    folder = wake_folder(api_url or "")
    if not hasattr(socket, "AF_UNIX") or not is_private(folder):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for path in folder.glob("*.sock"):
            try:
                sender.sendto(b"1", str(path))
            except ConnectionRefusedError:  # its worker was killed
                path.unlink(missing_ok=True)
            except OSError:
                continue


def listen(api_url: str, name: str) -> tuple[socket.socket, Path] | None:
    """Return a socket that receives the datagrams, and its path; None if the machine does not allow it."""
    folder = wake_folder(api_url)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not is_private(folder):
            return None
        path = folder / f"{name}.sock"
        path.unlink(missing_ok=True)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)
        receiver.bind(str(path))
    except (OSError, AttributeError):
        return None
    return receiver, path


def stop_listening(path: Path) -> None:
    """Remove the socket, and the folder after the last one."""
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()


def is_private(folder: Path) -> bool:
    """Tell whether only our user can use the folder: anybody may write into the temporary folder around it."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
