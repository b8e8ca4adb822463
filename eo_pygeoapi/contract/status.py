"""The words for a job's state and its steps', and the names of our processes."""

from typing import Literal

PROCESS_ID = "eo-aggregate-import"
BACKFILL_ID, UNDO_ID, RECONCILE_ID = "eo-backfill", "eo-undo", "eo-reconcile"
# the processes that come along wherever the configuration file names the import
COMPANIONS = (BACKFILL_ID, UNDO_ID, RECONCILE_ID)

JobStatus = Literal["accepted", "running", "successful", "failed", "dismissed"]
FINAL: frozenset[JobStatus] = frozenset({"successful", "failed", "dismissed"})

StepStatus = Literal["waiting", "running", "successful", "failed", "dismissed"]
