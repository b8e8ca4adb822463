"""What the log of a job shows of the records that Prefect's handlers get."""

import logging
from collections.abc import Callable, Iterator

import pytest
from prefect.exceptions import FailedRun

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.gateway.job_log import CURRENT_STEP, JobLogFilter

FOLDER = "/srv/eo/"
KNOWN = SourceError(f"{FOLDER}data/rain.nc: no such file")
Log = Callable[[str], list[str]]


class Lines(logging.Handler):
    """Two of these are Prefect's: one sends to the server, one writes to the terminal."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What handlers write of the loggers below `prefect.` and `ours.`."""
    written: list[str] = []
    job_log = JobLogFilter(lambda text: text.replace(FOLDER, ""))
    handlers = [Lines(written), Lines([])]
    for handler in handlers:
        handler.addFilter(job_log)
    loggers = [logging.getLogger(name) for name in ("prefect.of_test", "ours.of_test")]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        for handler in reversed(handlers):
            logger.addHandler(handler)
    yield written
    for logger in loggers:
        for handler in handlers:
            logger.removeHandler(handler)


def test_a_line_names_its_step_once_and_no_folder_of_the_server(lines: list[str]) -> None:
    ours = logging.getLogger("ours.of_test")
    ours.info("before %s", "all")
    token = CURRENT_STEP.set("extract_source_data")
    ours.error("%s", KNOWN)
    CURRENT_STEP.reset(token)

    assert lines == ["before all", "extract_source_data: data/rain.nc: no such file"]


@pytest.mark.parametrize("error", [KNOWN, FailedRun(str(KNOWN))])
def test_prefect_repeats_no_known_error(lines: list[str], error: Exception) -> None:
    prefect = logging.getLogger("prefect.of_test")
    try:
        raise error
    except Exception:
        prefect.error("Engine execution exited with unexpected exception", exc_info=True)
    prefect.info("Task run failed with %s: %r - Retry %s/%s will start %s", "exception", error, 1, 3, "immediately")
    prefect.error(f"Finished in state Failed('Task run encountered an exception {error!r}')")
    prefect.info("Finished in state Completed()")
    prefect.info("Beginning flow run 'quiet-newt'")

    assert lines == ["Beginning flow run 'quiet-newt'"]


def test_an_unexpected_error_keeps_its_traceback(lines: list[str]) -> None:
    try:
        raise KeyError("a mistake of ours")
    except KeyError:
        logging.getLogger("ours.of_test").exception("unexpected error")

    (line,) = lines
    assert line.startswith("unexpected error\nTraceback") and "a mistake of ours" in line
