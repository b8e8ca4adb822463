"""A machine of its own folders and network, in namespaces of this one, for tests that install as root (Linux)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--mount-proc")  # the first process takes all others with it
# what is its own: a copy of /etc, and empty folders; all else is this machine's
_MAKE = """
set -e
mount --make-rprivate /
cp -a /etc "$FOLDER/etc"
mkdir -p "$FOLDER/opt" "$FOLDER/lib" "$FOLDER/backups" "$FOLDER/python" "$FOLDER/root"
mount --bind "$FOLDER/etc" /etc
mount --bind "$FOLDER/opt" /opt
mount --bind "$FOLDER/lib" /var/lib
mount --bind "$FOLDER/backups" /var/backups
case "$PYTHON" in /root/*)  # where nobody but root gets to
  mount --bind "$PYTHON" "$FOLDER/python"
  mount -t tmpfs -o mode=755 root /root
  mkdir -p "$PYTHON"
  mount --bind "$FOLDER/python" "$PYTHON"
esac
mount -t tmpfs -o mode=1777 tmp /tmp
ip link set lo up
echo made
exec cat
"""


def can_have_machines() -> bool:
    """Whether namespaces can be made here."""
    if os.getuid() != 0 or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True).returncode == 0


@dataclass(frozen=True)
class PrivateMachine:
    """A machine; its own programs go before those of this one."""

    pid: int
    programs: Path

    def prefix(self, *, outside: bool = False) -> list[str]:
        """Return what runs a program there; with `outside` it reaches other machines, and none of its own."""
        path = f"PATH={self.programs}:{os.environ['PATH']}"
        return [
            "nsenter",
            f"--target={self.pid}",
            "--mount",
            "--pid",
            *([] if outside else ["--net"]),
            "--",
            "env",
            path,
        ]

    def run(self, script: str, cwd: Path, *, outside: bool = False, **variables: str) -> str:
        """Run a shell script as root; returns what it says. Raises AssertionError where it fails."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("EO_", "PREFECT_", "PYTHON"))}
        # nsenter goes to the root folder, for the working directory is one of this machine
        whole = [*self.prefix(outside=outside), "sh", "-ec", f"cd {cwd}\n{script}"]
        done = subprocess.run(whole, env=environment | variables, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def private_machine(folder: Path) -> Iterator[PrivateMachine]:
    """Make a machine with its folders below `folder`, which is not in /tmp, until the block ends."""
    (programs := folder / "bin").mkdir()
    (programs / "python3.12").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    environment = {**os.environ, "FOLDER": str(folder), "PYTHON": sys.base_prefix}
    command = ["unshare", *NAMESPACES, "sh", "-c", _MAKE]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdin and holder.stdout.readline() == "made\n"
        try:
            (first,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            yield PrivateMachine(int(first), programs)
        finally:
            holder.stdin.close()
            holder.wait(20)
