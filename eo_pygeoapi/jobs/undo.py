"""Undo a job: take back what it changed in DHIS2, have the collection follow, and keep what came of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.contract.undo import UndoOutputs
from eo_pygeoapi.datasets.block import Dataset, DatasetTarget
from eo_pygeoapi.errors import InputError, ResultNotAvailableError
from eo_pygeoapi.pipeline.dhis2.batching import Report, Turn
from eo_pygeoapi.pipeline.dhis2.changes import Change, Changes, changes_in
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.pipeline.dhis2.data_values import PREVIEW_ROWS, Payload, preview
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.undoing import undo_in_dhis2
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.taken_back import take_back
from eo_pygeoapi.wording import counted


@dataclass(frozen=True)
class Undo:
    """One undo: the folder of its own job, and the job that it takes back.

    `connection` returns what opens the DHIS2 connection of a name, or None where there is none of this name.
    """

    folder: JobFolder
    job_id: str
    dataset: Dataset
    dry_run: bool
    connection: Callable[[str], Connect | None]

    def changes(self) -> Changes:
        """Return what the job has changed, or a backfill's jobs, the last first.

        Raises InputError where they wrote to several data elements, and ResultNotAvailableError where what they changed
        is not kept any more.
        """
        targets = {id_: self._target_of(id_) for id_ in self.jobs()}
        several = {(t.connection, t.data_element, t.category_option_combo) for t in targets.values() if t}
        if len(several) > 1:
            raise InputError(
                f"input jobId: the jobs of {self.job_id} wrote to {len(several)} data elements or connections; "
                f"undo them one by one: {', '.join(targets)}"
            )
        target = next((t for t in targets.values() if t), DatasetTarget())
        folders = [self._folder_of(id_) for id_, wrote_to in targets.items() if wrote_to]
        users = {ImportFiles(folder).user() for folder in folders} - {""}
        return Changes.of(target, {folder.job_id: partial(_changes, folder) for folder in folders}, users)

    def jobs(self) -> list[str]:
        """Return the imports that are taken back, the last first."""
        children: Sequence[str] = self._folder_of(self.job_id).read_json(job_folder.CHILDREN, default=())
        return list(reversed(children)) or [self.job_id]

    def in_dhis2(self, changes: Changes, turn: Turn, report: Report) -> ImportSummary:
        """Take the changes back in DHIS2."""
        files, connect = ImportFiles(self.folder), self.connection(changes.target.connection)
        return undo_in_dhis2(files, changes, self.dataset, self.dry_run, connect, turn=turn, report=report)

    def publish(self, changes: Changes, summary: ImportSummary, now: datetime) -> UndoOutputs:
        """Have the collection follow, keep the documents of the job, and return its output."""
        if not self.dry_run:
            take_back(self.folder, self.jobs(), self.dataset.model_copy(update={"dhis2": changes.target}), now)
        notes = [*summary.notes, *_imported_again(self.dataset)]
        outputs = UndoOutputs(
            dataset_id=self.dataset.id,
            undone=self.jobs(),
            cell_count=changes.count,
            payload_preview_path=self.folder.key(job_folder.PREVIEW),
            import_summary=summary.model_copy(update={"notes": notes}),
        )
        rows = ImportFiles(self.folder).rows()[:PREVIEW_ROWS]
        payload = Payload(target=changes.target, count=changes.count)
        self.folder.write_json(job_folder.PREVIEW, preview(payload, [], rows))
        empty = [
            name
            for name, count in (
                (job_folder.REJECTED, summary.rejected_count),
                (job_folder.KEPT, summary.kept_count),
                (job_folder.CHANGES, changes.count),
            )
            if not count
        ]
        shown = outputs.to_json()
        self.folder.write_json(job_folder.SUMMARY, {"importSummary": shown["importSummary"], "empty": empty})
        self.folder.write_json(job_folder.RESULT, shown)
        return outputs

    def _target_of(self, job_id: str) -> DatasetTarget | None:
        """Return where a job wrote to; None where it ended before it sent anything."""
        folder = self._folder_of(job_id)
        for name in (job_folder.PREVIEW, job_folder.STEP_PAYLOAD):
            if (kept := folder.read_json(name, default=None)) is not None:
                return DatasetTarget.model_validate(kept["target"])
        has_sent = folder.exists(job_folder.WRITTEN_AS) or folder.exists(job_folder.SUMMARY)
        # a job is in the history when its files, or itself, are removed
        if has_sent or job_id in History(folder.store, self.dataset.id).job_ids():
            raise ResultNotAvailableError(f"what job {job_id} has changed in DHIS2 is not kept any more")
        return None

    def _folder_of(self, job_id: str) -> JobFolder:
        return JobFolder(self.folder.store, job_id)


def in_words(outputs: UndoOutputs) -> str:
    """Return in one sentence what an undo has done, or would do."""
    summary = outputs.import_summary
    if summary.status == "ERROR":
        return f"an undo would fail: {summary.reason}" if summary.dry_run else summary.reason
    would = "would be " if summary.dry_run else ""
    counts = {
        f"{would}deleted": summary.deleted,
        f"{would}given their old value": summary.updated,
        "taken back before": summary.unchanged,
        "kept (changed since)": summary.kept_count,
        "refused by DHIS2": summary.rejected_count,
    }
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing to do"
    begin = "a dry run, nothing is changed; of" if summary.dry_run else "of"
    return f"{begin} {counted(outputs.cell_count, 'value')}: {listed}"


@contextmanager
def _changes(folder: JobFolder) -> Iterator[Iterator[Change]]:
    with ImportFiles(folder).changes() as rows:
        yield changes_in(rows)


def _imported_again(dataset: Dataset) -> list[str]:
    """Say which schedules will import the values again."""
    active = [schedule.name for schedule in dataset.schedules if schedule.active]
    if not active:
        return []
    names = ", ".join(f"{dataset.id}/{name}" for name in active)
    return [f"what lies in the days of a schedule is imported again when that runs; pause it to prevent that: {names}"]
