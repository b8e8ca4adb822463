"""The user that imports, its role and its group."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eo_pygeoapi.datasets.convention import IMPORTER_GROUP, IMPORTER_ROLE
from eo_pygeoapi.pipeline.dhis2.analytics import AUTHORITY as STARTS_ANALYTICS
from eo_pygeoapi.pipeline.dhis2.metadata.held import Held
from eo_pygeoapi.pipeline.dhis2.metadata.members import ALL, Authorities, Includes
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Importer, Needs, roots_of
from eo_pygeoapi.pipeline.dhis2.metadata.objects import Wanted
from eo_pygeoapi.pipeline.dhis2.metadata.sharing import SEEN_BY_ALL

ADDS_VALUES = "F_DATAVALUE_ADD"
GROUP_NAME, ROLE_NAME = "EO importers", "EO importer"
# who may change the group or the role could give themselves the rights of the importer
_SHARED = {"sharing": {"public": SEEN_BY_ALL, "users": {}, "userGroups": {}}}


@dataclass(frozen=True)
class Roles:
    """The roles of a user, which has some of the authorities already."""

    role: str
    needed: Collection[str]
    has: Collection[str]
    name: str = "userRoles"

    def made(self) -> Any:  # noqa: D102
        return [{"id": self.role}]

    def described(self) -> str:  # noqa: D102
        return f"role {ROLE_NAME}"

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        there = self.role in {role["id"] for role in held or []}
        return [] if there or ALL in self.has or set(self.needed) <= set(self.has) else [f"role {ROLE_NAME}"]

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        return [*(held or []), *(self.made() if self.lacks(held) else [])]


@dataclass(frozen=True)
class Reaches:
    """The units of a user, who reaches all units below them; `paths` are those of the units that should be reached.

    `roots` are the units to give, their names by their UIDs. Where a user has no units for reading, those for writing
    stand in.
    """

    name: str
    roots: Mapping[str, str]
    paths: Collection[str]
    what: str
    optional: bool = False

    def made(self) -> Any:  # noqa: D102
        return [{"id": uid} for uid in self.roots]

    def described(self) -> str:  # noqa: D102
        return "" if self.optional or not self.roots else f"{self.what} {', '.join(self.roots.values())}"

    def lacks(self, held: Any) -> list[str]:  # noqa: D102
        there = {unit["id"] for unit in held or []}
        if self.optional and not there:
            return []
        beyond = [path for path in self.paths if not there & set(path.split("/"))]
        return [f"{self.what} {', '.join(self.roots.values())}"] if beyond else []

    def differs(self, held: Any) -> list[str]:  # noqa: D102
        return []

    def mended(self, held: Any, change: bool) -> Any:  # noqa: D102
        there = {unit["id"] for unit in held or []}
        more = [{"id": uid} for uid in self.roots if uid not in there]
        return [*(held or []), *(more if self.lacks(held) else [])]


def authorities_of(needs: Needs) -> list[str]:
    """Return the authorities that the imports need, and no other."""
    starts = any(then.analytics for need in needs.datasets for then in need.dataset.after)
    return [ADDS_VALUES, *([STARTS_ANALYTICS] if starts else [])]


def wanted_people(needs: Needs, held: Held) -> Iterator[Wanted]:
    """Yield the role, the user and the group."""
    needed, importer = authorities_of(needs), needs.importer
    role = held.id_of("userRoles", IMPORTER_ROLE)
    yield Wanted("userRoles", role, IMPORTER_ROLE, ROLE_NAME, "", (Authorities(needed),), _SHARED)
    members = {}
    if importer:
        members = {held.id_of("users", importer.username): importer.username}
        yield _user(importer, needs, role, next(iter(members)))
    if importer and ALL in importer.authorities:
        members = {}  # it may do everything as it is
    group = held.id_of("userGroups", IMPORTER_GROUP)
    yield Wanted("userGroups", group, IMPORTER_GROUP, GROUP_NAME, "", (Includes("users", members, "user"),), _SHARED)


def _user(importer: Importer, needs: Needs, role: str, uid: str) -> Wanted:
    units = list(needs.units.values())
    roots = {uid: str(needs.units.get(uid, {}).get("name", uid)) for uid in roots_of(units)}
    paths = [str(unit.get("path", "")) for unit in units]
    made_with = {"username": importer.username, "password": importer.password, "firstName": "EO", "surname": "importer"}
    members = (
        Roles(role, authorities_of(needs), importer.authorities),
        Reaches("organisationUnits", roots, paths, "data capture units"),
        Reaches("dataViewOrganisationUnits", roots, paths, "data view units", optional=True),
    )
    return Wanted("users", uid, "", importer.username, "", members, made_with)
