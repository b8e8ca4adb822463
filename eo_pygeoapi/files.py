"""Write files whole or not at all, and read a file again when it has changed."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Yield a new file beside `path`; it takes the place of `path` when the block ends without an error.

    `mode` limits who may read the file, as the umask of the process does.
    """
    unfinished = path.with_name(f".unfinished-{uuid.uuid4().hex}")
    try:
        unfinished.touch(mode)
        yield unfinished
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink()


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a text as UTF-8 in place of what is at `path`, whole or not at all."""
    with replacing(path, mode) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


class Reread[T]:
    """The value that `read` makes of the file at `path`, made again when the file has changed; for many threads."""

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self.path = path
        self._read = read
        self._lock = threading.Lock()
        self._kept: tuple[tuple[int, int, int], T] | None = None

    def value(self) -> T:
        """Return the value of the file as it is now; raises OSError where there is none, and the errors of `read`."""
        stat = self.path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        with self._lock:
            if self._kept is None or self._kept[0] != stamp:
                self._kept = stamp, self._read(self.path)
            return self._kept[1]
