"""The header `Prefer` (RFC 7240), as far as it is about executing a process."""

import re
from dataclasses import dataclass

# token[=word] *( ; parameters ), where quoted text may hold commas and semicolons
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PREFERENCE = re.compile(
    rf"\s*(?P<name>[^\s=;,\"]+)\s*(?:=\s*(?P<value>{_QUOTED}|[^\s;,\"]*))?\s*"
    rf"(?:;(?:[^,\"]|{_QUOTED})*)?(?:,|$)"
)
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
    position = 0
    while position < len(header):
        match = _PREFERENCE.match(header, position)
        if match is None:  # not a preference: go on after the next comma
            position = header.find(",", position) + 1 or len(header)
            continue
        found.setdefault(match["name"].lower(), (match["value"] or "").strip('"'))
        position = max(match.end(), position + 1)
    wait = found.get("wait", "")
    return Preferences("respond-async" in found, int(wait) if _SECONDS.fullmatch(wait) else None)
