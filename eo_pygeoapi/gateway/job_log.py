"""What the log of a job shows: each line with the name of its step, and a known error as one sentence.

A job's log consists of the records that Prefect's handlers send to the server: ours, those of dhis2eo, and Prefect's
own. Prefect writes a traceback, and the reason up to four times, for an error that our flows have already explained.
"""

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar

from prefect.exceptions import FailedRun

from eo_pygeoapi.errors import EoError
from eo_pygeoapi.redaction import redact_logs

LOGGERS = ("prefect", "prefect.flow_runs", "prefect.task_runs", "eo_pygeoapi", "flows", "dhis2eo", "dhis2_client")
CURRENT_STEP: ContextVar[str] = ContextVar("CURRENT_STEP", default="")
# Prefect's lines that repeat what our own lines say, or say nothing to users
_DROPPED = (
    "Finished in state Completed()",
    "Finished in state Failed('Task run encountered",
    'Finished in state Failed("Task run encountered',
    "Downloading flow code from storage",
    "Running hook ",
    "Hook ",
)


class JobLogFilter(logging.Filter):
    """Drops Prefect's repetitions, and rewrites the other records for users; `shorten` cuts folders of the server."""

    def __init__(self, shorten: Callable[[str], str]) -> None:
        super().__init__()
        self._shorten = shorten

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a record that the log does not show; several handlers may ask for the same record."""
        if record.name.startswith("prefect."):
            raised = record.exc_info[1] if record.exc_info else None
            told = (raised, *record.args) if isinstance(record.args, tuple) else (raised,)
            if any(isinstance(error, EoError | FailedRun) for error in told):
                return False
            if str(record.msg).startswith(_DROPPED):
                return False
        if "step" not in record.__dict__:
            step = record.__dict__["step"] = CURRENT_STEP.get()
            message = self._shorten(record.getMessage())
            record.msg, record.args = f"{step}: {message}" if step else message, ()
        return True


def prepare_job_log(secrets: Iterable[str], shorten: Callable[[str], str]) -> None:
    """Redact and filter what the handlers of this process write; call it once in a run."""
    job_log = JobLogFilter(shorten)
    for name in ("", *LOGGERS):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(job_log)
    redact_logs(secrets, LOGGERS)  # after the filter, which looks at the arguments that redacting takes away
    for name in ("eo_pygeoapi", "flows"):
        logging.getLogger(name).setLevel(logging.INFO)
