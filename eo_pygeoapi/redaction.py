"""Keep secrets out of whatever a person or another program may read.

`redact` is applied to every text that leaves the process: job messages, error details, log records, artifacts.
"""

import logging
import re
from collections.abc import Iterable

MASK = "********"
_FORMATTER = logging.Formatter()

_PATTERNS = (
    re.compile(r"(?i)(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"(?i)(?<=\bApiToken )\S+"),
    re.compile(r"(?i)(?<=\bBasic )[A-Za-z0-9+/=]{8,}"),
    re.compile(r"(?i)(?<=\bBearer )\S+"),
    re.compile(r"(?i)(?<=\bd2pat_)\w+"),
    re.compile(
        r"(?i)(?P<name>[\w-]*(?:password|passwd|secret|token|api[_-]?key|authorization|signature)[\w-]*[\"']?\s*[=:]\s*[\"']?)"
        r"(?P<value>(?!ApiToken|Basic|Bearer)[^\s\"'&,;}]+)"
    ),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace known secrets, and what looks like one, by asterisks.

    `secrets` are values known to this process (see `Settings.secrets`); ones shorter than 4 characters are
    left alone, for masking them would make every text unreadable.
    """
    for secret in sorted((s for s in secrets if len(s) >= 4), key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda m: f"{m['name']}{MASK}" if "name" in m.groupdict() else MASK, text)
    return text


class RedactingFilter(logging.Filter):
    """Redact the message and the traceback of every record that passes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.secrets = tuple(secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drop it."""
        record.msg, record.args = redact(record.getMessage(), self.secrets), ()
        if record.exc_info:
            record.exc_text = redact(_FORMATTER.formatException(record.exc_info), self.secrets)
        return True
