"""Who may do what: authorities, and how objects and their values are shared."""

from tests.standins.dhis2.answers import Object, no_authority
from tests.standins.dhis2.metadata import DATA_SHARED, Metadata

READ, WRITE, READ_DATA, WRITE_DATA = 0, 1, 2, 3  # places in `rwrw----`
# what lets people change objects that all share
MAKERS = {"dataElements": "F_DATAELEMENT_PUBLIC_ADD", "dataSets": "F_DATASET_PUBLIC_ADD"}


def authorities(user: Object, metadata: Metadata) -> list[str]:
    """Return a user's authorities: those of the roles, or what a test gave the user outright."""
    if "authorities" in user:
        return list(user["authorities"])
    if user.get("superuser"):
        return ["ALL"]
    roles = [metadata.find("userRoles", role["id"]) or {} for role in user.get("userRoles", [])]
    return sorted({name for role in roles for name in role.get("authorities", [])})


def may(user: Object, metadata: Metadata, authority: str) -> bool:
    return bool({"ALL", authority} & set(authorities(user, metadata)))


def is_super(user: Object, metadata: Metadata) -> bool:
    return "ALL" in authorities(user, metadata)


def demand(user: Object, metadata: Metadata, authority: str) -> None:
    """Refuse who has not this authority."""
    if not may(user, metadata, authority):
        raise no_authority(authority)


def shared(user: Object, metadata: Metadata, collection: str, entry: Object, place: int) -> bool:
    """Say whether an object is shared with all, or a group of the user; one that says nothing is, with its values."""
    sharing = entry.get("sharing", {})
    public, groups = str(sharing.get("public", "rwrw----")), sharing.get("userGroups", {})
    rights = [public, *(groups[group]["access"] for group in groups_of(user, metadata) if group in groups)]
    return any(right[place] in "rw" for right in rights) and (place < READ_DATA or collection in DATA_SHARED)


def groups_of(user: Object, metadata: Metadata) -> list[str]:
    """Return the ids of the groups that a user is in."""
    groups = metadata.all("userGroups")
    return [group["id"] for group in groups if user["id"] in {member["id"] for member in group.get("users", [])}]


def sees(user: Object, metadata: Metadata, collection: str, entry: Object, place: int = READ) -> bool:
    """Say whether somebody may read (or what `place` says) an object."""
    access = entry.get("access", {})  # a test may say it outright
    if place == WRITE_DATA and "data" in access:
        return bool(access["data"]["write"])
    return is_super(user, metadata) or shared(user, metadata, collection, entry, place)


def access(user: Object, metadata: Metadata, collection: str, entry: Object) -> Object:
    """Return the member `access` of an object."""
    if "access" in entry:
        return dict(entry["access"])
    changes = is_super(user, metadata) or (
        shared(user, metadata, collection, entry, WRITE) and may(user, metadata, MAKERS.get(collection, "ALL"))
    )
    found: Object = {"read": sees(user, metadata, collection, entry)}
    found |= dict.fromkeys(("manage", "write", "update", "delete"), changes)
    if collection in DATA_SHARED:
        places = {"read": READ_DATA, "write": WRITE_DATA}
        found["data"] = {name: sees(user, metadata, collection, entry, place) for name, place in places.items()}
    return found
