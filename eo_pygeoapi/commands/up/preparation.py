"""What `up` does once, in a process that ends: check the file, write the copy of it, bring Prefect in step.

The libraries for that (pygeoapi, Prefect's client, NumPy) take 80 MiB, which `up` would hold as long as the stack runs.
`up` says through a pipe what the process waits for, which answers when it has done the next step.
"""

from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Self

from eo_pygeoapi.commands.up.children import Children
from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.settings import Settings

DEFAULT_PORT = 5000


@dataclass(frozen=True)
class Checked:
    """What `up` has to know of a file without mistakes: where its API is to listen, and how many remarks there are."""

    host: str
    port: int
    remarks: int


@dataclass(frozen=True)
class Trouble:
    """The error that a step ended with."""

    kind: type[EoError]
    said: str | list[str]


class Preparation:
    """The process as `up` sees it; it does not outlive the block. Raises the EoError that a step ends with."""

    def __init__(self, settings: Settings, children: Children) -> None:
        self._end, there = Pipe()
        self._process = children.start("eo-pygeoapi up: preparation", prepare, settings, there)
        there.close()
        self.pid = self._process.pid or 0

    def __enter__(self) -> Self:
        """Begin; the process runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, if it has not ended."""
        self._process.kill()

    def check(self) -> Checked:
        """Check the file and the installation. Raises ConfigError with all mistakes."""
        checked: Checked = self._heard()
        return checked

    def write(self, port: int) -> None:
        """Write the sample, and the configuration of the stack's processes, whose API has this port."""
        self._after(port)

    def apply(self, prefect_api_url: str) -> None:
        """Bring Prefect, which answers there, in step with the file; it is the last step."""
        self._after(prefect_api_url)
        self._process.kill()  # it may take seconds to end by itself, and has nothing to do any more

    def _after(self, what: object) -> None:
        with suppress(BrokenPipeError):  # the end of its answers says it
            self._end.send(what)
        self._heard()

    def _heard(self) -> Any:
        try:
            answer = self._end.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            ended = f"the process that prepares the start ended with status {self._process.exitcode}"
            raise EoError(f"{ended}; logs/up.log in the data folder says why") from error
        if isinstance(answer, Trouble):
            raise answer.kind(answer.said)
        return answer


def prepare(settings: Settings, up: Connection) -> None:
    """Do all steps, each when `up` has said what it needs; an error is the last answer."""
    try:
        up.send(_check(settings))
        port = up.recv()
        from eo_pygeoapi.commands.configuration.effective_config import write_effective
        from eo_pygeoapi.commands.up.sample import make_sample

        folder = settings.data_dir.absolute()
        make_sample(folder / "sample")
        effective = write_effective(settings.config.absolute(), folder, port)
        up.send(None)
        url = up.recv()
        from eo_pygeoapi.commands.configuration.applying import apply_to_prefect

        apply_to_prefect(effective, settings.model_copy(update={"prefect_api_url": url}))
        up.send(None)
    except ConfigError as error:
        up.send(Trouble(ConfigError, error.problems))
    except EoError as error:
        up.send(Trouble(EoError, str(error)))
    except EOFError:  # `up` has ended
        return


def _check(settings: Settings) -> Checked:
    from eo_pygeoapi.commands.configuration.checks import check
    from eo_pygeoapi.datasets.config_file import read_config

    report = check(settings.config, settings)
    if report.problems:
        raise ConfigError(report.problems)
    bind = read_config(settings.config)["server"]["bind"]
    return Checked(str(bind.get("host", "127.0.0.1")), int(bind.get("port", DEFAULT_PORT)), len(report.remarks))
