"""The page of the OpenAPI document: its operations in groups, those of all collections and all processes once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eo_pygeoapi.json_types import JsonMapping

_METHODS = ("get", "post", "put", "patch", "delete")
# the first part of a path: what people call its operations
_GROUPS: Mapping[str, str] = {
    "datasets": "Datasets: until when values are right",
    "schedules": "Datasets: until when values are right",
    "problems": "Datasets: until when values are right",
    "processes": "Processes: what can be executed",
    "jobs": "Jobs: what runs, and what came of it",
    "collections": "Collections: the published values",
}
_OTHERS = "The server itself"
# what stands for the second part of a path, of which there are many
_STANDS_FOR = {"collections": "{collectionId}", "processes": "{processId}"}


@dataclass(frozen=True)
class Operation:
    """An operation as the page shows it; `parameters` have `name`, `in` and `description`."""

    method: str
    path: str
    summary: str
    parameters: Sequence[JsonMapping]


def groups(document: JsonMapping) -> dict[str, list[Operation]]:
    """Return the operations of an OpenAPI document by what people call their group, each once."""
    found: dict[str, dict[tuple[str, str], Operation]] = {name: {} for name in [*_GROUPS.values(), _OTHERS]}
    for path, operations in document["paths"].items():
        parts = path.split("/")
        general = "/".join([*parts[:2], _STANDS_FOR.get(parts[1], *parts[2:3]), *parts[3:]]) if parts[2:] else path
        for method in _METHODS:
            if (described := operations.get(method)) is None:
                continue
            parameters = [
                document["components"]["parameters"].get(name, {})
                if (name := str(parameter.get("$ref", "")).rpartition("/")[2])
                else parameter
                for parameter in described.get("parameters", [])
            ]
            named = [parameter for parameter in parameters if parameter.get("name")]
            operation = Operation(method, general, str(described.get("summary", "")), named)
            found[_GROUPS.get(parts[1], _OTHERS)].setdefault((method, general), operation)
    return {name: list(some.values()) for name, some in found.items() if some}
