"""The files that an import reads and writes in its job's folder; `store/job_folder.py` lists them."""

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from operator import itemgetter
from pathlib import Path

from eo_pygeoapi.contract.models import Model, Rejected
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue, Payload, as_row, read_data_values
from eo_pygeoapi.pipeline.dhis2.summary import BatchResult
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder, batch_name
from eo_pygeoapi.store.store import MissingResultError

CHANGE_COLUMNS = ("orgUnit", "period", "value", "stored", "change", "storedBy", "group")
BEGUN, CUT = "begun.csv", "cut"
_always = itemgetter(*CHANGE_COLUMNS[:-1])
Row = dict[str, str]  # a value beside what DHIS2 holds, by CHANGE_COLUMNS


class ImportFiles:
    """Reads and writes the files of one job's import."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder

    def write_payload(self, payload: Payload) -> None:
        """Keep the payload's summary."""
        self.folder.write_json(job_folder.STEP_PAYLOAD, payload.to_json())

    def payload(self) -> Payload:
        """Return the payload's summary."""
        return Payload.model_validate(self.folder.read_json(job_folder.STEP_PAYLOAD))

    @contextmanager
    def data_values(self) -> Iterator[Iterator[DataValue]]:
        """Open the values of the payload, ordered by period; from a copy, for an import may take hours."""
        target = self.payload().target
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "payload.csv")
            self.folder.copy_to(job_folder.PAYLOAD_CSV, path)
            with path.open(encoding="utf-8", newline="") as stream:
                yield read_data_values(stream, target)

    def finished(self, number: int, digest: str) -> BatchResult | None:
        """Return the result of a batch; None if it is not finished, or another batch had this number."""
        try:
            found = BatchResult.model_validate(self.folder.read_json(batch_name(number, "json")))
        except MissingResultError:
            return None
        return found if found.digest == digest else None

    def note_user(self, username: str) -> None:
        """Note as whom the job is about to write to DHIS2."""
        self.folder.write_json(job_folder.WRITTEN_AS, {"username": username})

    def user(self) -> str:
        """Return as whom the job has written to DHIS2; empty where it has not, or that was not noted."""
        return str(self.folder.read_json(job_folder.WRITTEN_AS, default={}).get("username", ""))

    def begin(self, number: int, rows: Sequence[Row]) -> None:
        """Note what a batch is about to change; a job that dies before the batch is finished leaves that."""
        if rows:
            self._write_rows(batch_name(number, BEGUN), rows)

    def begun(self, number: int) -> list[Row]:
        """Return what a batch was about to change; nothing where it never began."""
        try:
            text = self.folder.read_bytes(batch_name(number, BEGUN)).decode()
        except MissingResultError:
            return []
        return list(csv.DictReader(io.StringIO(text), CHANGE_COLUMNS))

    def cut(self, number: int, values: int) -> None:
        """Note how many values a batch holds, before it begins: a repetition cuts alike."""
        self.folder.write_json(batch_name(number, CUT), values)

    def cuts(self) -> list[int]:
        """Return how many values the batches hold that have begun."""
        found: list[int] = []
        while (values := self.folder.read_json(batch_name(len(found), CUT), default=None)) is not None:
            found.append(int(values))
        return found

    def finish(self, number: int, result: BatchResult, changes: Sequence[Row]) -> None:
        """Keep the result of a batch, which is finished from now on."""
        self._write_rows(batch_name(number, "csv"), changes)
        self.folder.write_json(batch_name(number, "json"), result.to_json())

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Keep the first values, each beside the value that DHIS2 held."""
        self.folder.write_json(job_folder.STEP_IMPORT_ROWS, list(rows))

    def rows(self) -> list[dict[str, str]]:
        """Return the first values, each beside the value that DHIS2 held; none without a request to DHIS2."""
        found: list[dict[str, str]] = self.folder.read_json(job_folder.STEP_IMPORT_ROWS, default=[])
        return found

    @contextmanager
    def changes(self) -> Iterator[Iterator[Row]]:
        """Open the rows of what the import found, in the order of its batches, by period within each.

        Of an import that broke off these are the rows of its finished batches, and of those that were under way.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "changes.csv")
            try:
                self.folder.copy_to(job_folder.CHANGES, path)
            except MissingResultError:
                yield self._of_batches()
                return
            with path.open(encoding="utf-8", newline="") as stream:
                yield csv.DictReader(stream)

    def _of_batches(self) -> Iterator[Row]:
        for number in count():
            if self.folder.exists(batch_name(number, "json")):
                text = self.folder.read_bytes(batch_name(number, "csv")).decode()
                yield from csv.DictReader(io.StringIO(text), CHANGE_COLUMNS)
                continue
            if not self.folder.exists(batch_name(number, CUT)):
                return
            yield from self.begun(number)

    def collect(self, count: int) -> None:
        """Write the rejected, kept and changed values of all batches, with one batch at a time in memory."""
        results = (
            BatchResult.model_validate(self.folder.read_json(batch_name(number, "json"))) for number in range(count)
        )
        with self._list(job_folder.REJECTED) as rejected, self._list(job_folder.KEPT) as kept:
            for result in results:
                rejected(result.rejected)
                kept(result.kept)
        with self.folder.new_file(job_folder.CHANGES) as path, path.open("wb") as stream:
            stream.write(f"{','.join(CHANGE_COLUMNS)}\n".encode())
            for number in range(count):
                stream.write(self.folder.read_bytes(batch_name(number, "csv")))

    def _write_rows(self, name: str, rows: Sequence[Row]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((*_always(row), row.get("group", "")) for row in rows)
        self.folder.write_bytes(name, text.getvalue().encode())

    @contextmanager
    def _list(self, name: str) -> Iterator[Callable[[Sequence[Model]], None]]:
        """Open a JSON list that is written entry by entry."""
        with self.folder.new_file(name) as path, path.open("w", encoding="utf-8") as stream:
            before = "["

            def write(entries: Sequence[Model]) -> None:
                nonlocal before
                for entry in entries:
                    stream.write(before + json.dumps(entry.to_json(exclude_defaults=True), ensure_ascii=False))
                    before = ",\n"

            yield write
            stream.write("[]\n" if before == "[" else "]\n")


def digest_of(values: Sequence[DataValue]) -> str:
    """Return a digest of a batch."""
    text = "\n".join("\t".join(value if value.group else value[:3]) for value in values)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rejected_rows(entries: Iterable[Rejected]) -> list[Row]:
    """Return the rows of values that DHIS2 did not take."""
    return [as_row(DataValue(e.org_unit, e.period, e.value, e.group), "rejected") for e in entries]
