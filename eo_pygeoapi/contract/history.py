"""The import history: who sent what to DHIS2, and when; one line for each import and undo, kept beyond the job."""

from datetime import date, datetime

from pydantic import Field

from eo_pygeoapi.contract.documents import ABSENT, Document
from eo_pygeoapi.contract.status import JobStatus


class ImportRecord(Document):
    """What one job did for its dataset; what is not known is left out."""

    job_id: str = Field(alias="jobID")
    dataset: str
    process: str = Field("", description="`eo-undo` where the job took another one's values back")
    tenant: str = ""
    connection: str = Field("", description="name of the DHIS2 connection")
    data_element: str = Field("", description="as the configuration or the request names it: a UID or a code")
    start: date = Field(ABSENT, description="first day that the job was asked for")
    end: date = Field(ABSENT, description="last day that the job was asked for")
    dry_run: bool
    status: JobStatus = Field(description="how the job ended")
    import_status: str = Field("", description="status of the import summary; empty where the job did not come so far")
    imported: int = 0
    updated: int = 0
    deleted: int = 0
    ignored: int = 0
    unchanged: int = 0
    rejected: int = 0
    kept: int = Field(0, description="values of others in DHIS2 that were not overwritten")
    by: str = Field("", description="`schedule NAME`, `token NAME`, `Prefect` for a run made there, else empty")
    message: str = ""
    started: datetime = ABSENT
    finished: datetime


class ImportHistory(Document):
    """Lines of the history of a dataset, the latest first."""

    dataset: str
    number_matched: int
    number_returned: int
    imports: list[ImportRecord]


class ImportTotals(Document):
    """What the history of a dataset adds up to."""

    jobs: dict[JobStatus, int]
    values: int = Field(0, description="values that imports, not dry runs, have made or changed in DHIS2")
