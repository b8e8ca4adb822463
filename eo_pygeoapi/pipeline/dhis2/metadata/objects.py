"""An object that should be in DHIS2, and what people call its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eo_pygeoapi.pipeline.dhis2.metadata.members import Member

LONGEST, SHORTEST = 230, 50  # characters of a name, and of a short name, at most
# by collection: what people call one of its objects
KINDS: Mapping[str, str] = {
    "categoryOptions": "category option",
    "categories": "category",
    "categoryCombos": "category combination",
    "dataElements": "data element",
    "dataSets": "data set",
    "userRoles": "user role",
    "users": "user",
    "userGroups": "user group",
}


@dataclass(frozen=True)
class Wanted:
    """One object: what it is called, the members that matter, and others that only a new object is given.

    Names are not compared with what DHIS2 has, for people may call a thing as they like. Without a code the object is
    one that the configuration names by its UID.
    """

    collection: str
    id: str
    code: str
    name: str
    short_name: str
    members: Sequence[Member] = ()
    made_with: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of a user also the password

    def made(self) -> dict[str, Any]:
        """Return the whole object, for an import of metadata."""
        names = {"code": self.code, "name": self.name, "shortName": self.short_name}
        own = {member.name: member.made() for member in self.members}
        return {"id": self.id, **{key: text for key, text in names.items() if text}, **self.made_with, **own}

    def described(self) -> list[str]:
        """Say what a new object is like."""
        return [words for member in self.members if (words := member.described())]

    def lacks(self, held: Mapping[str, Any]) -> list[str]:
        """Say what the object that DHIS2 has lacks."""
        return [words for member in self.members for words in member.lacks(held.get(member.name))]

    def differs(self, held: Mapping[str, Any]) -> list[str]:
        """Say how the object that DHIS2 has differs."""
        there = held.get("code")
        code = [f"code is {there or 'not set'}, not {self.code}"] if self.code and there != self.code else []
        return code + [words for member in self.members for words in member.differs(held.get(member.name))]

    def mended(self, held: Mapping[str, Any], change: bool) -> dict[str, Any]:
        """Return the object that DHIS2 has with what it lacks; with `change` also with what differs put right."""
        code = {"code": self.code} if self.code and change else {}
        own = {member.name: member.mended(held.get(member.name), change) for member in self.members}
        return {**held, **code, **own}


def short(name: str) -> str:
    """Return a name as a short name."""
    return name[:SHORTEST].rstrip()
