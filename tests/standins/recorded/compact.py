"""Make the compact copies of a recording: `python -m tests.standins.recorded.compact RECORDED 2.42`.

RECORDED is a folder of files `NN-name.json`, each `{case, about, steps: [{method, path, params, user, body, status,
headers, answer, ms}]}`, and `00-metadata.json`, what was made before them; or one such file, a case to add.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.standins.recorded import FOLDER

JSON_PATCH = [{"op": "replace", "path": "/zeroIsSignificant", "value": False}]
# the bodies that were sent as bytes: the recording has only their length
TEXTS = {
    ("11-malformed", 0): ("", "application/json"),
    ("11-malformed", 16): ('{"dataValues": [', "application/json"),
    ("22-metadata-import", 65): (json.dumps(JSON_PATCH), "application/json-patch+json"),
    ("24-odd", 3): ("a=b", "application/x-www-form-urlencoded"),
}
BIG = 9240  # values, in case 20: 770 days of 12 units
FEW = 3  # rows, which are no shorter as a table


def main(recorded: Path, version: str) -> None:
    folder = FOLDER / version
    folder.mkdir(exist_ok=True)
    made = json.loads((recorded / "00-metadata.json").read_text())["made"]
    _write(FOLDER / "metadata.json", "[", [_tables(entry) for entry in made], "]")
    contents = {path.stem: json.loads(path.read_text()) for path in sorted(recorded.glob("*.json"))}
    del contents["00-metadata"]
    options = contents["04-new"]["steps"][0]["answer"]["response"]["importOptions"]
    (folder / "import-options.json").write_text(json.dumps(options) + "\n")
    units = [entry["id"] for entry in made[0]["body"]["organisationUnits"]]
    for name, content in contents.items():
        _write_case(folder / f"{name}.json", content, options, units)


def add(recorded: Path, version: str) -> None:
    """Make the copy of one case that refers to nothing of the others."""
    options = json.loads((FOLDER / version / "import-options.json").read_text())
    _write_case(FOLDER / version / recorded.name, json.loads(recorded.read_text()), options, [])


def _write_case(path: Path, content: Mapping[str, Any], options: Mapping[str, Any], units: Sequence[str]) -> None:
    steps = [_but(_tables(_step(path.stem, step, units)), options) for step in content["steps"]]
    _write(path, f'{{"about": {json.dumps(content["about"])}, "steps": [', steps, "]}")


def _write(path: Path, head: str, lines: Sequence[Any], tail: str) -> None:
    dumped = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]
    path.write_text("\n".join([head, ",\n".join(dumped), tail]) + "\n")


def _step(case: str, step: Mapping[str, Any], units: Sequence[str]) -> dict[str, Any]:
    names = ("method", "path", "user", "status", "params", "answer")
    kept = {name: step[name] for name in names if name == "user" or step[name] not in (None, {})}
    for name, header in (("type", "Content-Type"), ("location", "Location")):
        if header in step["headers"]:
            kept[name] = step["headers"][header]
    body = step["body"]
    if isinstance(body, dict) and "__bytes" in body:
        kept["text"], kept["sent_type"] = TEXTS[case, body["__bytes"]]
    elif body is not None:
        kept["body"] = body
        if isinstance(body.get("dataValues", [])[-1:], list) and isinstance((body.get("dataValues") or [0])[-1], str):
            kept["body"] = body | {"dataValues": {"~cells": _cells(body["dataValues"], units)}}
    return kept


def _cells(cut: Sequence[Any], units: Sequence[str]) -> dict[str, Any]:
    """Return all data values of a list that was cut after the second."""
    first, count = cut[0], int(re.search(r"\d+", cut[2])[0])  # type: ignore[index]
    common = {"dataElement": first["dataElement"], "value": first["value"]}
    if count == BIG:
        assigned = [unit for n, unit in enumerate(units[1:14]) if n != 4]
        return common | {"orgUnit": assigned, "period": {"first": first["period"], "days": 770}}
    year = first["period"][:4]
    days = [f"{year}{month:02}{day:02}" for month in (1, 2) for day in range(1, 29)]
    assert len(days) == count
    return common | {"orgUnit": [first["orgUnit"]], "period": days}


def _tables(found: Any) -> Any:
    """Write each list of like objects as a table."""
    if isinstance(found, dict):
        return {name: _tables(value) for name, value in found.items()}
    if not isinstance(found, list):
        return found
    entries = [_tables(entry) for entry in found]
    if len(entries) <= FEW or not all(isinstance(e, dict) and e.keys() == entries[0].keys() for e in entries):
        return entries
    common = {k: v for k, v in entries[0].items() if all(entry[k] == v for entry in entries)}
    columns = [name for name in entries[0] if name not in common]
    return {"~common": common, "~columns": columns, "~rows": [[entry[c] for c in columns] for entry in entries]}


def _but(found: Any, options: Mapping[str, Any]) -> Any:
    """Write import options as what differs from the usual ones."""
    if not isinstance(found, dict):
        return [_but(entry, options) for entry in found] if isinstance(found, list) else found
    if found.keys() == options.keys():
        return {"~but": {name: value for name, value in found.items() if options[name] != value}}
    return {name: _but(value, options) for name, value in found.items()}


if __name__ == "__main__":
    (main if Path(sys.argv[1]).is_dir() else add)(Path(sys.argv[1]), sys.argv[2])
