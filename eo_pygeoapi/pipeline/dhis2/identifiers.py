"""What an identifier of the configuration means in DHIS2: a UID, a code, or both.

A code may have eleven letters and digits and so look like a UID; every identifier is therefore looked up as both. From
then on DHIS2 is spoken to in UIDs alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eo_pygeoapi.pipeline.dhis2.client import UID, Dhis2

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """The objects that identifiers mean; those that mean two objects stand in `ambiguous` instead, with words."""

    objects: Mapping[str, Object] = field(default_factory=dict)
    ambiguous: Mapping[str, str] = field(default_factory=dict)


def look_up(dhis2: Dhis2, collection: str, identifiers: Sequence[str], fields: str) -> Found:
    """Ask DHIS2 for the objects with these identifiers; `fields` must have `id`, `code` and `name`."""
    by_uid = {
        str(entry["id"]): entry
        for entry in dhis2.found(collection, [name for name in identifiers if UID.fullmatch(name)], fields)
    }
    by_code = {str(entry.get("code")): entry for entry in dhis2.found(collection, identifiers, fields, by="code")}
    objects: dict[str, Object] = {}
    ambiguous: dict[str, str] = {}
    for name in identifiers:
        found = [entry[name] for entry in (by_uid, by_code) if name in entry]
        if len({entry["id"] for entry in found}) > 1:
            ambiguous[name] = f"{name!r} is the UID of {named(found[0])} and the code of {named(found[1])}"
        elif found:
            objects[name] = found[0]
    return Found(objects, ambiguous)


def named(entry: object) -> str:
    """Return a name that a person finds in DHIS2, with the UID."""
    found = entry if isinstance(entry, dict) else {}
    return f"{found.get('name') or found.get('code') or 'unnamed'} ({found.get('id', 'no UID')})"


def words_with(text: str) -> set[str]:
    """Return the words of a text in which DHIS2 names objects and periods."""
    return set(re.findall(r"[A-Za-z0-9]+", text))
