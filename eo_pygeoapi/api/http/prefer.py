"""The header `Prefer` (RFC 7240), as far as it is about executing a process."""

import re
from dataclasses import dataclass

from werkzeug.http import parse_list_header, unquote_header_value

_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class Preferences:
    """What a client prefers; `wait` is in seconds, None where it does not say."""

    respond_async: bool = False
    wait: int | None = None

    def held_seconds(self, synchronous: bool, longest: int) -> int:
        """Return how long the answer waits for the job's end: as long as the client is willing to, within bounds.

        Who says nothing waits for results as long as can be (`synchronous`), and for a job not at all.
        """
        willing = (longest if synchronous else 0) if self.wait is None else self.wait
        return min(willing, longest)


def parse_prefer(header: str) -> Preferences:
    """Read the header (several lines joined by commas).

    Names are case-insensitive, parameters and unknown preferences are ignored, and of duplicates the first counts.
    """
    found: dict[str, str] = {}
    # werkzeug gives up on a quotation that does not end; its commas separate all the same
    for preference in parse_list_header(header) or header.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), unquote_header_value(value.strip()))
    wait = found.get("wait", "")
    return Preferences("respond-async" in found, int(wait) if _SECONDS.fullmatch(wait) else None)
