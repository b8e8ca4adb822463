"""Silence the handlers on standard output that dhis2eo gives each of its loggers."""

import logging


def without_handlers() -> None:
    """Remove the handlers, which would print every line twice."""
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith("dhis2eo."):
            logging.getLogger(name).handlers.clear()
