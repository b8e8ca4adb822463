"""What a dataset gets from the others of its file: the connections of its tenant, and the box of a shared block."""

from collections.abc import Mapping

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Operations

LARGEST_SHARED = 1000.0  # square degrees: a large country, but not the whole earth for a few districts


def with_others(
    datasets: Mapping[str, Dataset], operations: Operations, resources: Mapping[str, Mapping[str, object]]
) -> dict[str, Dataset]:
    """Return the datasets with what the rest of the file gives them."""
    found, boxes = {}, dict[str, list[float]]()
    # the extent of each dataset that others extend, where it is not too large to be fetched for all
    extended = {_described_by(id_, resources) for id_ in datasets if "extends" in _block(id_, resources)}
    for id_ in extended & set(datasets):
        if len(bbox := datasets[id_].bbox) in (4, 6):
            west, south, east, north = bbox if len(bbox) == 4 else [*bbox[:2], *bbox[3:5]]
            if west < east and (east - west) * (north - south) <= LARGEST_SHARED:
                boxes[id_] = [west, south, east, north]
    for id_, dataset in datasets.items():
        connections, tenant = None, dataset.tenant
        if operations.tenants:
            listed = operations.tenants[tenant].connections if tenant in operations.tenants else []
            named = (other.dhis2.connection for other in datasets.values() if other.tenant == tenant)
            connections = listed or list(dict.fromkeys(named))
        given = {"connections": connections, "shared_bbox": boxes.get(_described_by(id_, resources), [])}
        found[id_] = dataset.model_copy(update=given)
    return found


def _described_by(id_: str, resources: Mapping[str, Mapping[str, object]]) -> str:
    """Return the dataset whose block this one takes over in the end; itself where it takes over none."""
    while isinstance(base := _block(id_, resources).get("extends"), str):
        id_ = base
    return id_


def _block(id_: str, resources: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
    block = resources.get(id_, {}).get("eo")
    return block if isinstance(block, Mapping) else {}
