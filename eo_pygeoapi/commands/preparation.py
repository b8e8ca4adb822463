"""What `up` does once, in a process that ends: check the file, write the copy of it, bring Prefect in step.

The libraries for that (pygeoapi, Prefect's client, NumPy) take 80 MiB, which `up` would hold as long as the stack runs.
The two talk in lines of JSON: `up` says what the process waits for, which answers when it has done the next step.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.settings import Settings

DEFAULT_PORT = 5000
_MODULE = "eo_pygeoapi.commands.preparation"


@dataclass(frozen=True)
class Checked:
    """What `up` has to know of a file without mistakes: where its API is to listen, and how many remarks there are."""

    host: str
    port: int
    remarks: int


class Preparation:
    """The process as `up` sees it; it does not outlive the block. Raises the EoError that a step ends with."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(settings.config), str(settings.data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environ),
            text=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        """Begin; the process runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, if it has not ended."""
        self._end()

    def check(self) -> Checked:
        """Check the file and the installation. Raises ConfigError with all mistakes."""
        return Checked(**self._answer())

    def write(self, port: int) -> None:
        """Write the sample, and the configuration of the stack's processes, whose API has this port."""
        self._say(port)
        self._answer()

    def apply(self, prefect_api_url: str) -> None:
        """Bring Prefect, which answers there, in step with the file; it is the last step."""
        self._say(prefect_api_url)
        self._answer()
        self._end()

    def _end(self) -> None:
        self._process.kill()  # it may take seconds to end by itself, and has nothing to do any more
        self._process.communicate()

    def _say(self, what: object) -> None:
        assert self._process.stdin is not None
        try:
            _write(self._process.stdin, what)
        except BrokenPipeError:  # the end of its answers says it
            pass

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise EoError(f"the process that prepares the start ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "mistakes" in answer:
            raise ConfigError(answer["mistakes"])
        if "error" in answer:
            raise EoError(answer["error"])
        return answer


def prepare(settings: Settings, said: IO[str], answers: IO[str]) -> None:
    """Do all steps, each when `up` has said what it needs; an error is the last answer."""
    try:
        _write(answers, asdict(_check(settings)))
        port = _hear(said)
        from eo_pygeoapi.commands.effective_config import write_effective
        from eo_pygeoapi.commands.sample import make_sample

        folder = settings.data_dir.absolute()
        make_sample(folder / "sample")
        effective = write_effective(settings.config.absolute(), folder, port)
        _write(answers, {})
        from eo_pygeoapi.commands.applying import apply_to_prefect  # Prefect's client, while its server starts

        url = _hear(said)
        apply_to_prefect(effective, settings.model_copy(update={"prefect_api_url": url}))
        _write(answers, {})
    except ConfigError as error:
        _write(answers, {"mistakes": error.problems})
    except EoError as error:
        _write(answers, {"error": str(error)})


def _check(settings: Settings) -> Checked:
    from eo_pygeoapi.commands.checks import check
    from eo_pygeoapi.datasets.config_file import read_config

    report = check(settings.config, settings)
    if report.problems:
        raise ConfigError(report.problems)
    bind = read_config(settings.config)["server"]["bind"]
    return Checked(str(bind.get("host", "127.0.0.1")), int(bind.get("port", DEFAULT_PORT)), len(report.remarks))


def _write(stream: IO[str], what: object) -> None:
    print(json.dumps(what), file=stream, flush=True)


def _hear(said: IO[str]) -> Any:
    if not (line := said.readline()):
        sys.exit(0)  # `up` has ended
    return json.loads(line)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the terminal's are for `up`, which ends this process
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    config, data_dir = map(Path, sys.argv[1:])
    prepare(Settings().placed(config, data_dir), sys.stdin, answers)
