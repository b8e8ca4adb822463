"""What real DHIS2 servers answered: compact copies of recordings, a folder per version, and how to read them.

`compact.py` makes the copies. In them a list of like objects stands as a table (`~columns`, `~rows`, and in `~common`
what all rows share), many data values as units times periods (`~cells`), and of `importOptions` only what differs from
`import-options.json` (`~but`). Instants, tokens and sessions were replaced when recording: `<instant>`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Step:
    """One request and its answer; `user` is who sent it, or None for nobody."""

    method: str
    path: str
    user: str | None
    status: int
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    text: str | None = None  # of a body that is no JSON
    sent_type: str = "application/json"
    type: str = ""
    location: str = ""
    answer: Any = None


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    steps: list[Step]


def cases(version: str) -> list[Case]:
    """Return the cases of a version, in the order in which they were recorded."""
    return [_case(path, version) for path in sorted((FOLDER / version).glob("[0-9]*.json"))]


def metadata() -> list[Mapping[str, Any]]:
    """Return what was made before the cases: `what` it is, and the `body` that was sent."""
    return list(expanded(json.loads((FOLDER / "metadata.json").read_text()), {}))


@cache
def import_options(version: str) -> Mapping[str, Any]:
    """Return the options that an import had which was asked for in the usual way."""
    found: Mapping[str, Any] = json.loads((FOLDER / version / "import-options.json").read_text())
    return found


def _case(path: Path, version: str) -> Case:
    content = expanded(json.loads(path.read_text()), import_options(version))
    return Case(path.stem, content["about"], [Step(**step) for step in content["steps"]])


def expanded(found: Any, options: Mapping[str, Any]) -> Any:
    """Return what a compact copy stands for."""
    if isinstance(found, list):
        return [expanded(entry, options) for entry in found]
    if not isinstance(found, dict):
        return found
    if "~but" in found:
        return {**options, **found["~but"]}
    if "~rows" in found:
        rows = expanded(found["~rows"], options)
        return [found["~common"] | dict(zip(found["~columns"], row, strict=True)) for row in rows]
    if "~cells" in found:
        return list(_cells(found["~cells"]))
    return {name: expanded(value, options) for name, value in found.items()}


def _cells(cells: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    days = cells["period"]
    if isinstance(days, dict):
        first = date.fromisoformat(days["first"])
        days = [f"{first + timedelta(n):%Y%m%d}" for n in range(days["days"])]
    for unit, period in product(cells["orgUnit"], days):
        yield {"dataElement": cells["dataElement"], "period": period, "orgUnit": unit, "value": cells["value"]}
