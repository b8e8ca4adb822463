"""The words for a job's state and its steps', and the name of our process."""

from typing import Literal

PROCESS_ID = "eo-aggregate-import"

JobStatus = Literal["accepted", "running", "successful", "failed", "dismissed"]
FINAL: frozenset[JobStatus] = frozenset({"successful", "failed", "dismissed"})

StepStatus = Literal["waiting", "running", "successful", "failed", "dismissed"]
