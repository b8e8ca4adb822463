"""The objects that DHIS2 has already, by the identifiers that we look for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from eo_pygeoapi.pipeline.dhis2.client import UID, Dhis2
from eo_pygeoapi.pipeline.dhis2.identifiers import Object, named
from eo_pygeoapi.pipeline.dhis2.metadata.uids import uid_of

# whole objects, as an import of metadata takes them back; a data element does not say of itself which sets it is in
OWNED = ":owner"
IN_SETS = f"{OWNED},dataSetElements[dataSet[id,code,name,periodType]]"
# what only others own, and of a user what until 2.41 is a second form of what it has already
_NOT_BACK = (("dataElements", "dataSetElements"), ("users", "userCredentials"))


@dataclass(frozen=True)
class Held:
    """Objects as DHIS2 has them, by collection and identifier; `ambiguous` says which identifiers mean two of them."""

    objects: Mapping[tuple[str, str], Object] = field(default_factory=dict)
    ambiguous: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def get(self, collection: str, identifier: str) -> Object | None:
        """Return an object by the code or UID that we look for it by; None where DHIS2 has none."""
        return self.objects.get((collection, identifier))

    def by_uid(self, collection: str, uid: str) -> Object | None:
        """Return an object by its UID, as an import of metadata takes it back; None where DHIS2 has none."""
        for (kind, _), found in self.objects.items():
            if kind == collection and found["id"] == uid:
                return {name: value for name, value in found.items() if (kind, name) not in _NOT_BACK}
        return None

    def id_of(self, collection: str, code: str) -> str:
        """Return the UID that an object has, or that it will have."""
        found = self.get(collection, code)
        return str(found["id"]) if found else uid_of(collection, code)

    def with_(self, more: "Held") -> Self:
        """Return these objects and others."""
        return type(self)({**self.objects, **more.objects}, {**self.ambiguous, **more.ambiguous})


def read_held(dhis2: Dhis2, wanted: Iterable[tuple[str, str]]) -> Held:
    """Ask DHIS2 for objects by collection and identifier: a code, a UID, or the code that our UID was made from."""
    objects: dict[tuple[str, str], Object] = {}
    ambiguous: dict[tuple[str, str], str] = {}
    identifiers: dict[str, list[str]] = {}
    for collection, identifier in dict.fromkeys(wanted):
        identifiers.setdefault(collection, []).append(identifier)
    for collection, names in identifiers.items():
        by_code, by_uid = _looked_up(dhis2, collection, names)
        for name in names:
            code, uid = by_code.get(name), by_uid.get(name)
            if code and uid and code["id"] != uid["id"]:
                ambiguous[collection, name] = f"{name!r} is the UID of {named(uid)} and the code of {named(code)}"
            elif found := code or uid or by_uid.get(uid_of(collection, name)):
                objects[collection, name] = found
    return Held(objects, ambiguous)


def _looked_up(dhis2: Dhis2, collection: str, names: list[str]) -> tuple[dict[str, Object], dict[str, Object]]:
    """Return objects by their codes, and by their UIDs."""
    fields = IN_SETS if collection == "dataElements" else OWNED
    uids = [uid_of(collection, name) for name in names] + [name for name in names if UID.fullmatch(name)]
    by_code = dhis2.found(collection, names, fields, by="code", as_is=True)
    by_uid = dhis2.found(collection, uids, fields, as_is=True)
    return {str(found.get("code")): found for found in by_code}, {str(found["id"]): found for found in by_uid}
