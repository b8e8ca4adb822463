"""dhis2eo gives each of its loggers a handler on standard output, beside those of the process."""

import logging


def without_handlers() -> None:
    """Take these handlers away, or every line is printed twice."""
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith("dhis2eo."):
            logging.getLogger(name).handlers.clear()
