"""The files of one job in the results store; no other module knows their keys.

| `jobs/{jobID}/…` | what |
|---|---|
| `result.json` | the output of `eo-aggregate-import`; it comes last, so where it is, the rest is |
| `output.json`, `output-{n}.…` | the outputs of any other process: what each is, and its value beside |
| `error.json` | why the job failed: `{status, code, detail}` |
| `summary.json` | the import summary of a successful import, without the long lists of its output |
| `published.json` | when the job was first published |
| `payload-preview.json` | what DHIS2 was, or would have been, sent: the first values |
| `values.parquet`, `units.parquet` | the values, and each unit once; the API makes `features.geojson` of them |
| `values.csv`, `chap.csv` | the values, for other programs |
| `payload.json`, `payload.csv` | the whole payload, as DHIS2 imports it |
| `rejected.json`, `kept.json` | all values that DHIS2 did not take, and all of other people that were kept |
| `written-as.json` | the user that a job wrote to DHIS2 as; where it is, the job may have changed something there |
| `changes.csv` | every value beside what DHIS2 held, and what that made of it: new, changed, unchanged, kept … |
| `replaced.parquet` | what the collection showed, before the job, of the units and periods that it has published |
| `children.json` | the ids of the jobs that a backfill has started, in the order that it started them in |
| `differences.csv` | every value that DHIS2 does not hold as it was sent |
| `after.json` | what is done after an import, and what came of it |
| `backfill.json` | how far a backfill is |
| `steps/…` | what one step hands to the next, and Prefect's task results; deleted when the job has ended well |
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from eo_pygeoapi.store.store import ResultStore

RESULT = "result.json"
OUTPUTS = "output.json"
ERROR = "error.json"
SUMMARY = "summary.json"
PUBLISHED = "published.json"
PREVIEW = "payload-preview.json"
FEATURES = "features.geojson"
VALUES = "values.parquet"
UNITS = "units.parquet"
VALUES_CSV = "values.csv"
CHAP_CSV = "chap.csv"
PAYLOAD_JSON = "payload.json"
PAYLOAD_CSV = "payload.csv"
REJECTED = "rejected.json"
KEPT = "kept.json"
CHANGES = "changes.csv"
WRITTEN_AS = "written-as.json"
AFTER = "after.json"
BACKFILL = "backfill.json"
REPLACED = "replaced.parquet"
CHILDREN = "children.json"
DIFFERENCES = "differences.csv"

_STEPS = "steps"
STEP_UNITS = f"{_STEPS}/org-units.parquet"
STEP_VALUES = f"{_STEPS}/values.parquet"
STEP_PAYLOAD = f"{_STEPS}/payload.json"
STEP_RESULTS = f"{_STEPS}/results"  # a folder: Prefect keeps the results of tasks there
STEP_IMPORT_ROWS = f"{_STEPS}/import-rows.json"


class JobFolder:
    """Reads, writes and deletes the files of the job `job_id`, by their names. Every method raises ResultsError."""

    def __init__(self, store: ResultStore, job_id: str) -> None:
        self.store = store
        self.job_id = job_id

    def key(self, name: str) -> str:
        """Return the key of a file in the results store."""
        return f"jobs/{self.job_id}/{name}"

    def sizes(self) -> dict[str, int]:
        """Return the job's files without those of steps, name and bytes, in one listing."""
        return self.store.sizes(f"jobs/{self.job_id}")

    def exists(self, name: str) -> bool:
        """Tell whether there is a file of this name."""
        return self.store.exists(self.key(name))

    def read_bytes(self, name: str) -> bytes:
        """Return the content of a file; MissingResultError where there is none."""
        return self.store.read_bytes(self.key(name))

    def read_json(self, name: str, default: Any = ...) -> Any:
        """Return the JSON value of a file; where there is none, `default`, or MissingResultError without one."""
        return self.store.read_json(self.key(name), default)

    def copy_to(self, name: str, path: Path) -> None:
        """Copy a file to a local path, which gets it whole or not at all; MissingResultError where there is none."""
        self.store.copy_to(self.key(name), path)

    def local_path(self, name: str) -> Path | None:
        """Return the local path of a file, or None where the store is elsewhere."""
        return self.store.local_path(self.key(name))

    def write_bytes(self, name: str, value: bytes) -> None:
        """Write a file, in place of what was there."""
        self.store.write_bytes(self.key(name), value)

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON value; ResultsError for what JSON does not know, such as NaN."""
        self.store.write_json(self.key(name), value)

    def new_file(self, name: str) -> AbstractContextManager[Path]:
        """Yield a local path to write to; the file gets its name when the block ends without an error."""
        return self.store.new_file(self.key(name))

    def delete_steps(self) -> None:
        """Delete what one step handed to the next; from then on the job cannot be resumed."""
        self.store.delete(self.key(_STEPS))

    def delete(self) -> None:
        """Delete all files of the job."""
        self.store.delete(f"jobs/{self.job_id}")


def batch_name(number: int, suffix: str) -> str:
    """Return the name of what an import keeps of one finished batch, as `json` or `csv`."""
    return f"{_STEPS}/import/{number:06}.{suffix}"


def output_name(number: int, suffix: str) -> str:
    """Return the name of the value of one output, as `json` or `bin`."""
    return f"output-{number}.{suffix}"
