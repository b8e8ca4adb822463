"""Warnings of pygeoapi about requests in which nothing is wrong; they fill the log, and hide what matters."""

import logging
from collections.abc import Mapping

# logger, and how its warnings begin: it takes keys of documents for languages, and a missing `offset` for a mistake
IN_VAIN: Mapping[str, tuple[str, ...]] = {
    "pygeoapi.l10n": ("unknown locale ", "expected only letters, got "),
    "pygeoapi.api.itemtypes": ("int() argument must be ",),
}


def leave_out_vain_warnings() -> None:
    """Keep these warnings out of the log; a repetition does no harm."""
    for name in IN_VAIN:
        logging.getLogger(name).addFilter(_tells_something)


def _tells_something(record: logging.LogRecord) -> bool:
    return record.levelno > logging.WARNING or not record.getMessage().startswith(IN_VAIN[record.name])
