"""A clock that is set by hand, for all programs that are started with its environment."""

import struct
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

INSTANT = 250  # milliseconds


class Clock:
    """Runs as fast as the real one, from a moment that is set; `environment` makes programs see it.

    They are moved by a small library that is compiled here with `cc` and preloaded (`clock.c`). When the clock is set
    to a later moment, pauses of programs (`time.sleep`) that would have ended by then end at once.
    """

    def __init__(self, folder: Path, begin: datetime) -> None:
        self._file, self._library, self._ahead = folder / "clock", folder / "clock.so", 0
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(source), "-ldl"], check=True)
        self._file.write_bytes(bytes(16))
        self.set(begin)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_FILE": str(self._file)}

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def set(self, moment: datetime) -> None:
        """Set the clock: every program sees it with its next look."""
        self._ahead = ceil((moment - datetime.now(UTC)).total_seconds())
        with self._file.open("r+b") as file:  # written in place, for the programs have the file mapped
            file.write(struct.pack("=q", self._ahead))

    def somebody_pauses(self) -> bool:
        """Tell whether a program has been in a pause of 1.5 seconds or more within the last instant."""
        with self._file.open("rb") as file:
            _, paused_at = struct.unpack("=qq", file.read(16))
        return bool(time.monotonic() * 1000 - paused_at < INSTANT)
