"""The steps of an import, and how its progress artifact keeps them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from eo_pygeoapi.contract.status import StepStatus

# the tasks of the import flow, in their order
IMPORT_STEPS = (
    "validate_inputs",
    "load_org_units",
    "extract_source_data",
    "aggregate_to_org_units",
    "build_dhis2_payload",
    "import_to_dhis2",
    "publish_results",
)
_STATUSES: Mapping[str, StepStatus] = {status: status for status in get_args(StepStatus)}


@dataclass(frozen=True)
class Step:
    """One of the steps of an import."""

    name: str
    status: StepStatus = "waiting"
    started: datetime | None = None
    finished: datetime | None = None


def to_metadata(steps: Iterable[Step]) -> dict[str, str]:
    """Return the metadata of an artifact for steps that have begun: by name `status started [finished]`."""
    return {
        step.name: " ".join([step.status, *(moment.isoformat() for moment in (step.started, step.finished) if moment)])
        for step in steps
    }


def from_metadata(metadata: Mapping[str, str] | None) -> Sequence[Step]:
    """Return all steps in their order, waiting ones too; none where an earlier release, or somebody else, wrote it."""
    kept = {name: metadata[name] for name in IMPORT_STEPS if name in metadata} if metadata else {}
    try:
        return [_read(name, kept[name]) if name in kept else Step(name) for name in IMPORT_STEPS] if kept else ()
    except (KeyError, ValueError):
        return ()


def _read(name: str, text: str) -> Step:
    status, *moments = text.split()
    started, finished = [*map(datetime.fromisoformat, moments), None, None][:2]
    return Step(name, _STATUSES[status], started, finished)
