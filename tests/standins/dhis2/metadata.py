"""The metadata that the stand-in holds: objects by collection and id, which all DHIS2 have something of."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from tests.standins.dhis2.answers import Object
from tests.standins.dhis2_metadata import DEFAULT_CATEGORY_COMBO, DEFAULT_COMBO

# by collection: the class of its objects, as DHIS2 names it in reports
KLASSES = {
    "organisationUnits": "organisationunit.OrganisationUnit",
    "organisationUnitGroups": "organisationunit.OrganisationUnitGroup",
    "organisationUnitLevels": "organisationunit.OrganisationUnitLevel",
    "categoryOptions": "category.CategoryOption",
    "categories": "category.Category",
    "categoryCombos": "category.CategoryCombo",
    "categoryOptionCombos": "category.CategoryOptionCombo",
    "dataElements": "dataelement.DataElement",
    "dataElementGroups": "dataelement.DataElementGroup",
    "dataSets": "dataset.DataSet",
    "userRoles": "user.UserRole",
    "userGroups": "user.UserGroup",
    "users": "user.User",
}
DATA_SHARED = ("dataSets", "categoryOptions")  # also the values are shared, not only the metadata
OF_ALL: Mapping[str, list[Object]] = {
    "categoryCombos": [{"id": DEFAULT_CATEGORY_COMBO, "code": "default", "name": "default"}],
    "categoryOptionCombos": [{"id": DEFAULT_COMBO, "code": "default", "name": "default"}],
}


class Metadata:
    """Metadata by collection and id, with the groups that a unit is in."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.system_info: Object = dict(content.get("systemInfo", {}))
        self._objects = {name: list(content.get(name, [])) for name in KLASSES}
        self._index: dict[tuple[str, str], dict[str, Object]] = {}
        for collection, objects in OF_ALL.items():
            self._objects[collection] += [o | {} for o in objects if not self.find(collection, o["id"])]
        self._index.clear()
        self._note_groups()

    def all(self, collection: str) -> list[Object]:
        return self._objects[collection]

    def find(self, collection: str, identifier: str | None, scheme: str = "UID") -> Object | None:
        name = {"UID": "id", "CODE": "code", "NAME": "name", "SHORTNAME": "shortName"}[scheme.upper()]
        if (collection, name) not in self._index:
            found = self._objects[collection]
            self._index[collection, name] = {str(entry[name]): entry for entry in reversed(found) if name in entry}
        return self._index[collection, name].get(identifier or "")

    def put(self, collection: str, entry: Object) -> None:
        """Store an object, instead of the one that has its id, and what follows from it in others."""
        if held := self.find(collection, entry["id"]):
            held.clear()
            held.update(entry)
        else:
            self._objects[collection].append(entry)
        self._index.clear()
        if collection == "dataSets":
            self._note_members(entry)
        self._note_groups()

    def remove(self, collection: str, uid: str) -> None:
        self._objects[collection] = [entry for entry in self._objects[collection] if entry["id"] != uid]
        self._index.clear()

    def combos_of(self, category_combo: str) -> list[Object]:
        """Return the option combinations of a category combination; those of none are the default's."""
        every = self._objects["categoryOptionCombos"]
        return [entry for entry in every if category_combo_of(entry) == category_combo]

    def data_sets_of(self, element: Object) -> list[Object]:
        found = (self.find("dataSets", member["dataSet"]["id"]) for member in element.get("dataSetElements", []))
        return [data_set for data_set in found if data_set]

    def _note_members(self, data_set: Object) -> None:
        mine = {member["dataElement"]["id"] for member in data_set["dataSetElements"]}
        for element in self._objects["dataElements"]:
            others = [m for m in element.get("dataSetElements", []) if m["dataSet"]["id"] != data_set["id"]]
            own = {"dataSet": {"id": data_set["id"]}, "dataElement": {"id": element["id"]}}
            element["dataSetElements"] = [*others, *([own] if element["id"] in mine else [])]

    def _note_groups(self) -> None:
        groups = self._objects["organisationUnitGroups"]
        for unit in self._objects["organisationUnits"] if groups else []:
            members = [group for group in groups if {"id": unit["id"]} in group["organisationUnits"]]
            unit["organisationUnitGroups"] = [{"id": group["id"], "name": group["name"]} for group in members]


def category_combo_of(entry: Object) -> str:
    """Return the category combination of a data element, a data set or an option combination."""
    return str(entry.get("categoryCombo", {}).get("id", DEFAULT_CATEGORY_COMBO))


def is_below(unit: Object, roots: Any) -> bool:
    """Say whether a unit is one of these, or lies below one."""
    return bool({root["id"] for root in roots} & set(str(unit.get("path", "")).split("/")))


def is_operating(unit: Object, day: date) -> bool:
    opened, closed = (str(unit.get(name) or "")[:10] for name in ("openingDate", "closedDate"))
    return (not opened or opened <= day.isoformat()) and (not closed or day.isoformat() <= closed)
