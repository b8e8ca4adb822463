"""What the progress artifacts of runs say: percent, words, and the steps of an import."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.client.schemas.objects import Artifact

from eo_pygeoapi.gateway.job import Progress
from eo_pygeoapi.gateway.steps import from_metadata

NO_PROGRESS = Progress()


def progress_of(run_ids: Sequence[UUID]) -> ArtifactFilter:
    """Return the filter for the progress artifacts of these runs, of which each has one at most."""
    return ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=list(run_ids)), type=ArtifactFilterType(any_=["progress"])
    )


def read_progress(
    call: Callable[[Callable[[SyncPrefectClient], Any]], Any], run_ids: Sequence[UUID], page: int
) -> dict[UUID, Progress]:
    """Return the progress of those of these runs that have said any, by id; one call reads `page` of them."""
    found: dict[UUID, Progress] = {}
    for start in range(0, len(run_ids), page):
        where = progress_of(run_ids[start : start + page])
        artifacts: Sequence[Artifact] = call(
            partial(SyncPrefectClient.read_artifacts, artifact_filter=where, limit=page)
        )
        for artifact in artifacts:
            if artifact.flow_run_id and isinstance(artifact.data, int | float):
                steps = from_metadata(artifact.metadata_)
                found[artifact.flow_run_id] = Progress(int(artifact.data), artifact.description or "", steps)
    return found
