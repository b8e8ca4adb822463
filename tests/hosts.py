"""Hosts of a network that tests cut off: network namespaces of this machine on a bridge (Linux, as root)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

NETWORK = "10.77.31"  # of nobody else on this machine, while the block runs


def can_have_hosts() -> bool:
    """Whether namespaces can be made here."""
    if os.getuid() or not shutil.which("ip"):
        return False
    made = subprocess.run(["ip", "netns", "add", "eo-probe"], capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "delete", "eo-probe"], capture_output=True)
    return made


@dataclass(frozen=True)
class Host:
    """One host; programs that are started with `prefix` run on it."""

    name: str

    @property
    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def cut(self) -> None:
        """Pull its cable."""
        _ip("link", "set", self.name, "down")

    def heal(self) -> None:
        """Put the cable back."""
        _ip("link", "set", self.name, "up")


@dataclass
class Network:
    """A bridge that this machine has an address on."""

    bridge: str
    stack: ExitStack
    hosts: int = 0

    @property
    def address(self) -> str:
        return f"{NETWORK}.1"

    def host(self, name: str) -> Host:
        """Connect another host."""
        self.hosts += 1
        host, inside = Host(f"eo-{name}"), f"eo-{name}-in"
        _ip("netns", "add", host.name)
        self.stack.callback(_ip, "netns", "delete", host.name)
        _ip("link", "add", host.name, "type", "veth", "peer", "name", inside, "netns", host.name)
        self.stack.callback(_ip, "link", "delete", host.name)  # else it would go some time after its namespace
        _ip("link", "set", host.name, "master", self.bridge, "up")
        _ip("-n", host.name, "address", "add", f"{NETWORK}.{10 + self.hosts}/24", "dev", inside)
        for device in ("lo", inside):
            _ip("-n", host.name, "link", "set", device, "up")
        return host


@contextmanager
def network() -> Iterator[Network]:
    """Have a network while the block runs."""
    with ExitStack() as stack:
        bridge = "eo-bridge"
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "delete", bridge)
        _ip("address", "add", f"{NETWORK}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        yield Network(bridge, stack)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
