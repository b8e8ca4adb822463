"""Keep secrets out of all texts that a person or another program may read.

`redact` is applied to every text that leaves the process: job messages, error details, log records, artifacts.
"""

import base64
import binascii
import json
import logging
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "********"
_FORMATTER = logging.Formatter()

_NAMES = (
    r"(?:pass(?:word|wd|phrase)|secret(?:[_-]?(?:access[_-]?)?key)?|token|(?:api|private)[_-]?key|authorization"
    r"|signature|\bsig)"
)
_NAMED = rf"(?i)(?P<before>{_NAMES}(?:\\?[\"'])?\s*[=:]\s*"
# words that follow a name like `token: ` in sentences, such as our own "dhis2.token: is not known here"
_WORDS = r"(?:is|are|must|has|cannot|unknown|missing|required|not|no|none|null|expected|true|false)(?=[\s.,;:)]|$)"
_NAME = re.compile(rf"(?i){_NAMES}$")
_PATTERNS = (
    # the user and password of a URL
    re.compile(r"(?P<before>://)[^/?#\s]+(?=@)"),
    # password="two words"
    re.compile(_NAMED + r"(?P<quote>\\?[\"']))(?:(?!(?P=quote))(?:\\.|[^\\\n]))*"),
    # token=abc, Authorization: Basic abc
    re.compile(rf"{_NAMED})(?!\\?[\"']|{_WORDS})(?:(?:ApiToken|Basic|Bearer)\s+)?(?:[^\s\"'\\&,;}}]|\\(?![\"']))+"),
    # a scheme without its header; words have no digits, and tokens are rarely so short
    re.compile(r"(?i)(?P<before>\b(?:ApiToken|Bearer)\s+)(?:(?=[^\s\"']*\d)[^\s\"']{6,}|[^\s\"']{20,})"),
    re.compile(r"(?i)(?P<before>\bd2pat_)\w+"),
)
_ESCAPED = re.compile("%[0-9A-F]{2}")
_BASIC = re.compile(r"(?i)(?<=\bBasic )[A-Za-z0-9+/]{4,}={0,2}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace known secrets, and what looks like one, by asterisks.

    `secrets` are values known to this process (see `Settings.secrets`); ones shorter than 4 characters are
    left alone, for masking them would make every text unreadable.
    """
    known = {form for secret in secrets if len(secret) >= 4 for form in _forms(secret)}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: f"{match['before']}{MASK}", text)
    return _BASIC.sub(lambda match: MASK if _is_credentials(match[0]) else match[0], text)


def redact_json(value: object, secrets: Iterable[str] = ()) -> Any:
    """Redact the texts in a JSON value, and all values under a name such as `password`."""
    secrets = tuple(secrets)
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return {k: MASK if _NAME.search(str(k)) else redact_json(v, secrets) for k, v in value.items()}
    return [redact_json(entry, secrets) for entry in value] if isinstance(value, list) else value


def without_known(value: Any, secrets: Iterable[str], but: Container[str] = ()) -> Any:
    """Replace known secrets in the texts of a JSON value, and nothing else; members named in `but` stay as they are."""
    forms = sorted({form for secret in secrets if len(secret) >= 4 for form in _forms(secret)}, key=len, reverse=True)
    if not forms or _is_free_of(value, forms):
        return value
    return _without(value, forms, but)


def _is_free_of(value: Any, forms: Sequence[str]) -> bool:
    """Tell at once, for nearly all values, that no text in them has one of these forms; else they are looked through.

    JSON writes a text as it is unless it has a quotation mark, a backslash or a control character, which it writes
    with a backslash.
    """
    text = json.dumps(value, ensure_ascii=False)
    return "\\" not in text and not any(form in text for form in forms)


def _without(value: Any, forms: Sequence[str], but: Container[str]) -> Any:
    if isinstance(value, str):
        for form in forms:
            if form in value:
                value = value.replace(form, MASK)
        return value
    if isinstance(value, Mapping):
        return {name: member if name in but else _without(member, forms, but) for name, member in value.items()}
    return [_without(member, forms, but) for member in value] if isinstance(value, list) else value


class RedactingFilter(logging.Filter):
    """Redact the message and the traceback of every record that passes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.secrets = tuple(secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drop it."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # arguments that do not fit: a handler would only complain of it
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = redact(message, self.secrets), ()
        if record.exc_info:
            record.exc_text = _FORMATTER.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text, self.secrets)
        if record.stack_info:
            record.stack_info = redact(record.stack_info, self.secrets)
        return True


def redact_logs(secrets: Iterable[str], loggers: Iterable[str]) -> None:
    """Redact what the handlers of the root logger, of ours and of these loggers write."""
    redacting = RedactingFilter(secrets)
    for name in ("", "eo_pygeoapi", *loggers):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(redacting)


def _forms(secret: str) -> Iterator[str]:
    """Yield the secret as plain text, URLs (with a slash as it is, in small hex digits, or twice) and JSON write it."""
    yield secret
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield _ESCAPED.sub(lambda escape: escape[0].lower(), encoded)
        yield quote(encoded, safe="")
    yield json.dumps(secret)[1:-1]


def _is_credentials(text: str) -> bool:
    """Whether this is `user:password` in base64, and not the next word of a sentence about Basic authentication."""
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return False
