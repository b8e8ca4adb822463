"""A PostgreSQL of Debian's packages, for tests that are marked slow."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port

USER, DATABASE = "prefect", "prefect"


@contextmanager
def postgres(folder: Path, password: str = "unsafe") -> Iterator[int]:
    """Run PostgreSQL, with its log in the folder; yields its port."""
    # not in a folder of pytest's, which nobody else gets to, and whose mode each pytest sets anew
    with tempfile.TemporaryDirectory(prefix="eo-postgres-", dir="/var/tmp") as own:
        Path(own).chmod(0o755)
        with _running(Path(own), password) as port:
            shutil.copy(Path(own, "data", "postmaster.pid"), folder)
            yield port
        shutil.copy(Path(own, "data", "log"), folder / "postgres.log")


@contextmanager
def _running(folder: Path, password: str) -> Iterator[int]:
    programs, data, port = _programs(), folder / "data", free_port()
    data.mkdir()
    secret = folder / "password.txt"
    secret.write_text(password)
    as_user: list[str] = []
    if os.getuid() == 0:  # which it refuses to be run by
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(data, "postgres")
        secret.chmod(0o644)
    make = [f"{programs}/initdb", "-D", str(data), "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256", "-N"]
    subprocess.run([*as_user, *make], check=True, capture_output=True)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    control = [*as_user, f"{programs}/pg_ctl", "-D", str(data), "-w"]
    subprocess.run([*control, "-l", str(data / "log"), "-o", options, "start"], check=True, capture_output=True)
    try:
        environment = {**os.environ, "PGPASSWORD": password}
        create = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", USER, "-d", "postgres"]
        subprocess.run([*create, "-c", f"CREATE DATABASE {DATABASE}"], env=environment, check=True, capture_output=True)
        yield port
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=True, capture_output=True)


def url(port: int, password: str = "unsafe") -> str:
    """What Prefect connects to."""
    return f"postgresql+asyncpg://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"


def _programs() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not folders:
        subprocess.run(["apt-get", "install", "--yes", "-qq", "postgresql"], check=True)
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent
