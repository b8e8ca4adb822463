"""Flows that are run by real workers in tests; each says what it does in the file that it is given."""

import hashlib
import logging
import os
import subprocess
import time
import warnings
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import INPUTS, RUN_ID, TASK_SOURCE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from eo_pygeoapi.errors import Dhis2Error, SourceUnavailableError
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from flows.surroundings import failed_for_now

KEPT = {"cache_policy": INPUTS + TASK_SOURCE + RUN_ID, "persist_result": True, "result_serializer": "json"}


def say(path: str, words: str) -> None:
    with open(path, "a") as file:
        file.write(f"{words} {os.getpid()}\n")


@flow(persist_result=False)
def empty() -> None:
    """End at once."""


@flow(persist_result=False)
def warns(words: str) -> None:
    """Log a warning of two lines and an error with its traceback, and warn as a library does."""
    log = logging.getLogger("eo_pygeoapi.tests")
    log.warning("%s\n%s", words, words)
    try:
        raise ValueError(words)
    except ValueError:
        log.exception("%s failed", words)
    warnings.warn(words, UserWarning, stacklevel=1)


@flow(persist_result=False)
def scheduled(inputs: dict[str, object]) -> None:
    """End at once, with the inputs of a schedule."""


@flow(persist_result=False)
def sleepy(path: str, seconds: float) -> None:
    """Say that it began, sleep, say that it ended."""
    say(path, "began")
    time.sleep(seconds)
    say(path, "ended")


@flow(persist_result=False)
def again(path: str, seconds: float) -> None:
    """The same, for a run that may be begun again."""
    say(path, "began")
    time.sleep(seconds)
    say(path, "ended")


@task(**KEPT)  # type: ignore[call-overload, untyped-decorator]
def first_step(path: str) -> int:
    say(path, "first step")
    return 41


@task(**KEPT)  # type: ignore[call-overload, untyped-decorator]
def second_step(path: str, found: int, seconds: float) -> int:
    say(path, "second step")
    if Path(path).read_text().count("second step") == 1:
        time.sleep(seconds)
    return found + 1


@flow(persist_result=False)
def steps(path: str, seconds: float) -> None:
    """Two steps; the second takes long the first time."""
    say(path, f"result {second_step(path, first_step(path), seconds)}")


@flow(persist_result=False)
def busy_in_c(path: str) -> None:
    """Hold the interpreter's lock in C code for minutes, with a child process and an unfinished download."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with open(f"{path}.unfinished", "w") as note, open(Path(path).parent / ".unfinished-download", "w") as download:
        note.write("x")
        download.write("half")
        say(path, f"child {child.pid}")
        say(path, "began")
        hashlib.pbkdf2_hmac("sha256", b"p", b"s", 2_000_000_000)


@flow(persist_result=False)
def hungry(path: str) -> None:
    """Use ever more memory."""
    say(path, "began")
    held = []
    while True:
        held.append(bytearray(os.urandom(2**20) * 20))
        time.sleep(0.05)


@flow(persist_result=False)
def unsure(path: str, fails: int, error: str, inputs: dict[str, object]) -> State | None:
    """Fail so often as the import does where its provider is away, or its data element is wrong."""
    say(path, "began")
    print(f"this is attempt {lines_of(path)}")
    if lines_of(path) > fails:
        return None
    made = {"away": SourceUnavailableError, "wrong": Dhis2Error}[error]
    folder = JobFolder(ResultStore(process_settings().results), str(flow_run.id))
    return failed_for_now(folder, made(f"the provider is {error}"))


def lines_of(path: str) -> int:
    return len(Path(path).read_text().splitlines())


@flow(persist_result=False)
def exits(status: int) -> None:
    """End the process in the middle."""
    os._exit(status)
