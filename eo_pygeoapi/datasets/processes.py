"""The processes of the configuration file, and those that come along with the import."""

from collections.abc import Iterable, Mapping

from eo_pygeoapi.contract.status import BACKFILL_ID, COMPANIONS, PROCESS_ID, RECONCILE_ID, UNDO_ID
from eo_pygeoapi.json_types import JsonMapping, JsonObject

_PROCESSORS: Mapping[str, str] = {
    BACKFILL_ID: "eo_pygeoapi.process.BackfillProcessor",
    UNDO_ID: "eo_pygeoapi.process.UndoProcessor",
    RECONCILE_ID: "eo_pygeoapi.process.ReconcileProcessor",
}


def processes_in(resources: Iterable[tuple[str, JsonMapping]]) -> JsonObject:
    """Return the processes among resources of the file, with those that come along."""
    return with_companions({id_: resource for id_, resource in resources if resource.get("type") == "process"})


def with_companions(processes: JsonMapping) -> JsonObject:
    """Return the process resources with those that come along where the import is one of them.

    So a configuration file of an earlier version offers them too; one that names them itself is left as it is.
    """
    if PROCESS_ID not in processes:
        return dict(processes)
    more = {id_: {"type": "process", "processor": {"name": _PROCESSORS[id_]}} for id_ in COMPANIONS}
    return {**processes, **{id_: resource for id_, resource in more.items() if id_ not in processes}}
