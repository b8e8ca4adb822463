"""The log of the watch, and of what it starts."""

import logging
from collections.abc import Iterable

from eo_pygeoapi.redaction import RedactingFilter


def begin_log(secrets: Iterable[str]) -> None:
    """Write what this process logs to standard error, without secrets, also where Prefect has set up its own log."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter(secrets))
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
