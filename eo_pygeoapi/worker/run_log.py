"""The log of a worker: the processes of all its runs write to it, and each of their lines names its job."""

import copy
import logging

from prefect.logging.configuration import ensure_logging_setup


class OfJob(logging.Formatter):
    """Writes what another formatter writes; each line has `job <id>: `, in front of the message or of the line."""

    def __init__(self, job_id: str, inner: logging.Formatter) -> None:
        super().__init__()
        self._job = f"job {job_id}: "
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Format a copy: other handlers, such as that of the job's own log, get the record as it is."""
        named = copy.copy(record)
        named.msg, named.args = f"{self._job}{record.getMessage().rstrip()}", ()
        return self._inner.format(named).replace("\n", f"\n{self._job}")


def name_job(job_id: str) -> None:
    """Have all that this process logs to streams, and Python's warnings, name the job."""
    ensure_logging_setup()
    for name in logging.getHandlerNames():
        handler = logging.getHandlerByName(name)
        if isinstance(handler, logging.StreamHandler):
            handler.setFormatter(OfJob(job_id, handler.formatter or logging.Formatter()))
    logging.captureWarnings(True)
