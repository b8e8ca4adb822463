"""Reconcile a dataset with DHIS2, and keep what came of it."""

import csv
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from eo_pygeoapi.contract.intervals import resolve_interval
from eo_pygeoapi.contract.models import Difference
from eo_pygeoapi.contract.reconcile import ReconcileInputs, ReconcileOutputs
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.batching import Report
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.pipeline.dhis2.reconciling import reconcile
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.wording import counted

SHOWN = 100
COLUMNS = ("orgUnit", "period", "sent", "held", "likely", "reason", "storedBy", "storedAt", "group")


def reconcile_dataset(
    folder: JobFolder,
    inputs: ReconcileInputs,
    dataset: Dataset,
    connect: Connect | None,
    now: datetime,
    report: Report,
) -> ReconcileOutputs:
    """Compare what DHIS2 holds of a dataset with what it was sent; keeps the differences and the output of the job."""
    interval = resolve_interval(inputs, now.astimezone(ZoneInfo(dataset.time_zone)).date())
    shown: list[Difference] = []
    with folder.new_file(job_folder.DIFFERENCES) as path, path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        rows.writeheader()

        def keep(differences: Sequence[Difference]) -> None:
            rows.writerows(difference.to_json() for difference in differences)
            shown.extend(differences[: SHOWN - len(shown)])

        found = reconcile(folder.store, dataset, interval, connect, keep, report=report)
    outputs = ReconcileOutputs(
        dataset_id=dataset.id,
        start=interval.start.isoformat(),
        end=interval.end.isoformat(),
        sent=found.sent,
        equal=found.equal,
        different=found.sent - found.equal,
        by_reason={reason: count for reason, count in found.by_reason.items()},
        differences=shown,
    )
    empty = [] if outputs.different else [job_folder.DIFFERENCES]
    folder.write_json(job_folder.SUMMARY, {"importSummary": None, "empty": empty})
    folder.write_json(job_folder.RESULT, outputs.to_json())
    return outputs


def in_words(outputs: ReconcileOutputs) -> str:
    """Return in one sentence how many values are as they were sent."""
    days = f"{outputs.start} to {outputs.end}"
    if not outputs.sent:
        return f"nothing was sent for {days}"
    listed = ", ".join(f"{count} {reason}" for reason, count in outputs.by_reason.items())
    were = "it was" if outputs.sent == 1 else "they were"
    return f"DHIS2 holds {outputs.equal} of {counted(outputs.sent, 'value')} of {days} as {were} sent" + (
        f"; {listed}" if listed else ""
    )
