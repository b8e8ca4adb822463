"""The documents that other programs rely on, as models: they feed the JSON Schemas in docs/ and the OpenAPI document.

A change here changes `docs/schemas/` (`python -m eo_pygeoapi.contract.documents`), and is a line in the changelog.
"""

import json
import sys
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from eo_pygeoapi.contract.backfill import Chunks, FailedPart
from eo_pygeoapi.contract.models import ImportInputs, ImportOutputs, ImportSummary
from eo_pygeoapi.contract.status import JobStatus, StepStatus
from eo_pygeoapi.json_types import Json, JsonObject

ABSENT: Any = None  # in documents: a member that is not known is left out


class Document(BaseModel):
    """Base of the documents: camelCase, and open to members that come later."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    def to_json(self) -> JsonObject:
        """Return what a client sees; a member that is not known is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Link(Document):
    """A link."""

    href: str
    rel: str
    type: str = ABSENT
    title: str = ABSENT


class StepDocument(Document):
    """One of the steps of an import."""

    name: str
    status: StepStatus
    started: datetime = ABSENT
    finished: datetime = ABSENT


class AfterLink(Document):
    """One thing that is done after an import, and what came of it; what it is, one of the first four members says."""

    dataset: str = Field(ABSENT, description="the dataset that is imported")
    analytics: bool = Field(ABSENT, description="true: DHIS2's analytics tables")
    webhook: str = Field(ABSENT, description="the channel that gets the job's document")
    process: str = Field(ABSENT, description="the process that is executed")
    status: StepStatus
    message: str = Field(ABSENT, description="what it waits for, or why it failed")
    job_id: str = Field(ABSENT, alias="jobID", description="the job that was started, whose status this is")
    started: datetime = ABSENT
    finished: datetime = Field(ABSENT, description="of analytics: since when the values are seen in DHIS2")


class JobDocument(Document):
    """A job: the statusInfo of OGC API - Processes, and more. What is not known is left out."""

    job_id: str = Field(alias="jobID", description="the id of the Prefect flow run")
    id: str = Field(ABSENT, description="the same, as the draft of OGC API - Processes 2.0 calls it")
    type: Literal["process"]
    processing_entity_type: Literal["ogc-api-processes"] = ABSENT
    process_id: str = Field(alias="processID")
    status: JobStatus
    message: str = Field(description="what the job does, or why it failed")
    progress: int = Field(ge=0, le=100)
    attempts: int = Field(
        1,
        ge=1,
        description="which attempt this is; the first may have died, or found its provider away",
    )
    created: datetime
    started: datetime = ABSENT
    finished: datetime = ABSENT
    updated: datetime
    flow_name: str = Field(ABSENT, description="the Prefect flow")
    prefect_state: str = Field(ABSENT, description="the name of the flow run's state in Prefect")
    dataset: str = Field(ABSENT, description="of an import: the dataset, which is also the Prefect deployment")
    inputs: JsonObject = Field(ABSENT, description="of an import: what was asked for, redacted")
    steps: list[StepDocument] = Field(ABSENT, description="of an import that has begun: its steps in their order")
    import_summary: ImportSummary = Field(ABSENT, description="of a successful import")
    after: list[AfterLink] = Field(ABSENT, description="what is done after the import, and what came of it")
    parent_job_id: str = Field(ABSENT, alias="parentJobID", description="the job that started this one")
    child_jobs: list[str] = Field(ABSENT, description="the jobs that this one has started")
    chunks: Chunks = Field(ABSENT, description="of a backfill: its parts, each a job of its own")
    failed_parts: list[FailedPart] = Field(ABSENT, description="of a backfill: the parts that failed for good")
    rate: str = Field(ABSENT, description="of a backfill: how many parts are done in a time, such as 3.1 a minute")
    ends: datetime = Field(ABSENT, description="of a backfill: when it ends at this rate")
    links: list[Link]


class JobList(Document):
    """A page of jobs, newest first."""

    jobs: list[JobDocument]
    number_matched: int = Field(description="all jobs that match the filters")
    number_returned: int
    links: list[Link]


class FeatureProperties(Document):
    """A published value."""

    org_unit: str = Field(description="UID of the organisation unit")
    name: str
    level: int | None
    period: str = Field(description="DHIS2 period id, such as 20250701 or 2026")
    start: date
    end: date
    value: float | None = Field(description="null where there are no data")
    valid_fraction: float | None = Field(description="share of the unit's area that has data")
    job_id: str = Field(alias="jobID", description="the job that published the value")


class ValueFeature(Document):
    """A feature of a dataset's collection, and of the file `features.geojson` of a job."""

    type: Literal["Feature"]
    id: str = Field(description="orgUnit-period")
    geometry: JsonObject | None
    properties: FeatureProperties


class ProblemDocument(Document):
    """An error (RFC 7807)."""

    type: str = Field(description="URI of the kind of error")
    title: str
    status: int
    detail: str
    retry_after: int = Field(ABSENT, description="seconds after which to try again, as the header Retry-After says")


# file in docs/schemas -> model
SCHEMAS: Mapping[str, type[BaseModel]] = {
    "execute-inputs": ImportInputs,
    "job": JobDocument,
    "job-list": JobList,
    "result": ImportOutputs,
    "feature": ValueFeature,
    "problem": ProblemDocument,
}


def json_schema(name: str) -> dict[str, Json]:
    """Return the JSON Schema of a contract."""
    mode: Literal["validation"] = "validation"
    schema = _without_null_defaults(SCHEMAS[name].model_json_schema(by_alias=True, mode=mode))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_schemas(folder: Path) -> None:
    """Write the JSON Schemas of all contracts into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        text = json.dumps(json_schema(name), indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def _without_null_defaults(value: object) -> Any:
    if isinstance(value, list):
        return [_without_null_defaults(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {k: _without_null_defaults(v) for k, v in value.items() if not (k == "default" and v is None)}


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/schemas"))
