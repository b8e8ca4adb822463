"""Stand in for `systemctl` and `systemd-run` where no systemd runs: start services as their units say.

What it knows of a unit is what ours have: `User`, `EnvironmentFile`, `WorkingDirectory`, `StateDirectory`, `UMask`,
`ExecStartPre`, `ExecStart`, `ExecReload`, `RestartSec` and `TimeoutStopSec`. It hardens nothing: `systemd-analyze`
looks at that.
"""

import itertools
import os
import pwd
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

UNITS = Path("/etc/systemd/system")
RUNNING = Path("/var/lib/systemctl-standin")  # pids, of those who look after a service
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"

Settings = dict[str, str]


def environment_of(file: str, user: str) -> Settings:
    """Return what a service has in its environment, and nothing else."""
    lines = re.findall(r"^(\w+)=(.*)$", Path(file).read_text(), re.MULTILINE)
    return {"PATH": SYSTEM_PATH, "HOME": pwd.getpwnam(user).pw_dir, **dict(lines)}


def as_user(user: str, command: list[str]) -> list[str]:
    """Return what runs a command as this user, who can get no other rights."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs", *command]


def unit(name: str) -> Settings:
    """Read a unit; a service is one of ours, with each setting once."""
    text = (UNITS / f"{name}.service").read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def look_after(name: str) -> None:
    """Run a service, again when it ends, until this process gets SIGTERM; SIGHUP is a reload."""
    about = unit(name)
    options = {"env": environment_of(about["EnvironmentFile"], about["User"]), "cwd": about["WorkingDirectory"]}
    main: subprocess.Popen[bytes] | None = None
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        if main:
            main.terminate()

    def reload(*_: object) -> None:
        if main:
            subprocess.run(about["ExecReload"].replace("$MAINPID", str(main.pid)).split(), check=True)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, reload)
    os.umask(int(about["UMask"], 8))
    while not stopping:
        before = about.get("ExecStartPre", "true")
        if subprocess.run(as_user(about["User"], shlex.split(before)), **options).returncode == 0 and not stopping:  # type: ignore[call-overload]
            command = as_user(about["User"], shlex.split(about["ExecStart"]))
            main = subprocess.Popen(command, **options, start_new_session=True)  # type: ignore[call-overload]
            main.wait()
        if not stopping:
            time.sleep(float(about["RestartSec"]))


def start(name: str) -> None:
    """Start a service; whoever looks after it goes on after this program."""
    about = unit(name)
    state = Path("/var/lib", about["StateDirectory"])
    subprocess.run(["install", "-d", "-o", about["User"], "-g", about["Group"], str(state)], check=True)
    RUNNING.mkdir(exist_ok=True)
    with (RUNNING / f"{name}.log").open("ab") as log:
        command = [sys.executable, __file__, "look-after", name]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (RUNNING / name).write_text(str(process.pid))


def stop(name: str) -> None:
    """Stop a service and wait until it has ended."""
    pid = int((RUNNING / name).read_text())
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + float(unit(name).get("TimeoutStopSec", "90"))
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        if time.monotonic() > until:
            sys.exit(f"{name} does not end")
        time.sleep(0.1)
    (RUNNING / name).unlink()


def systemctl(verb: str, names: list[str]) -> None:
    """Do what is said with these services."""
    if verb in ("stop", "restart", "disable"):
        for name in names:
            stop(name)
    if verb in ("start", "restart", "enable"):
        for name in names:
            start(name)
    if verb == "reload":
        for name in names:
            os.kill(int((RUNNING / name).read_text()), signal.SIGHUP)


def systemd_run(arguments: list[str]) -> NoReturn:
    """Run a command as `--uid`, with the environment of `--property=EnvironmentFile=…`."""
    options = list(itertools.takewhile(lambda word: word.startswith("--"), arguments))
    said = dict(re.findall(r"--(uid|property=EnvironmentFile)=(\S+)", " ".join(options)))
    command = as_user(said["uid"], arguments[len(options) :])
    os.chdir("/")
    os.execvpe(command[0], command, environment_of(said["property=EnvironmentFile"], said["uid"]))


if __name__ == "__main__":
    program, *words = sys.argv[1:]
    if program == "systemd-run":
        systemd_run(words)
    elif program == "look-after":
        look_after(words[0])
    elif words[0] != "daemon-reload":
        systemctl(words[0], [word for word in words[1:] if word != "--now"])
