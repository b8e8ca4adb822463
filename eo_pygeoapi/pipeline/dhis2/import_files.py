"""What an import reads from and leaves in the results store, under `jobs/{jobID}/`.

| key | what |
|---|---|
| `payload.json`, `payload.csv` | the whole payload, as DHIS2 imports it |
| `rejected.json`, `kept.json` | all values that were not taken, and all that others changed and that were kept |
| `changes.csv` | every value beside what DHIS2 held, and what that made of it: new, changed, unchanged, kept … |
| `steps/payload.json` | what is known of the payload without its values |
| `steps/import/{number}.json`, `….csv` | the batches that are finished: what came of each |
"""

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue, Payload, read_data_values
from eo_pygeoapi.pipeline.dhis2.summary import BatchResult
from eo_pygeoapi.store.store import MissingResultError, ResultStore

CHANGE_COLUMNS = ("orgUnit", "period", "value", "stored", "change")


class ImportFiles:
    """The files of the job `job_id`."""

    def __init__(self, store: ResultStore, job_id: str) -> None:
        self.store = store
        self._folder = f"jobs/{job_id}"

    def key(self, name: str) -> str:
        """Return the key of one of the job's files."""
        return f"{self._folder}/{name}"

    def write_payload(self, payload: Payload) -> None:
        """Keep what is known of the payload."""
        self.store.write_json(self.key("steps/payload.json"), payload.to_json())

    def payload(self) -> Payload:
        """Return what is known of the payload."""
        return Payload.model_validate(self.store.read_json(self.key("steps/payload.json")))

    @contextmanager
    def data_values(self) -> Iterator[Iterator[DataValue]]:
        """Open the values of the payload, ordered by period; from a copy, for an import may take hours."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "payload.csv")
            self.store.copy_to(self.key("payload.csv"), path)
            with path.open(encoding="utf-8", newline="") as stream:
                yield read_data_values(stream)

    def finished(self, number: int, digest: str) -> BatchResult | None:
        """Return what came of a batch, or None where it is not finished, or another one was by this number."""
        try:
            found = BatchResult.model_validate(self.store.read_json(self._batch(number)))
        except MissingResultError:
            return None
        return found if found.digest == digest else None

    def finish(self, number: int, result: BatchResult, changes: Sequence[dict[str, str]]) -> None:
        """Keep what came of a batch; from now on it is finished."""
        text = io.StringIO()
        csv.DictWriter(text, CHANGE_COLUMNS, lineterminator="\n").writerows(changes)
        self.store.write_text(f"{self.key('steps/import')}/{number:06}.csv", text.getvalue())
        self.store.write_json(self._batch(number), result.to_json())

    def collect(self, count: int) -> None:
        """Write what all batches rejected, kept and changed; one batch at a time is in memory."""
        results = (BatchResult.model_validate(self.store.read_json(self._batch(number))) for number in range(count))
        with self._list("rejected.json") as rejected, self._list("kept.json") as kept:
            for result in results:
                rejected(result.rejected)
                kept(result.kept)
        with self.store.new_file(self.key("changes.csv")) as path, path.open("wb") as stream:
            stream.write(f"{','.join(CHANGE_COLUMNS)}\n".encode())
            for number in range(count):
                stream.write(self.store.read_bytes(f"{self.key('steps/import')}/{number:06}.csv"))

    @contextmanager
    def _list(self, name: str) -> Iterator[Callable[[Sequence[Model]], None]]:
        """Open a JSON list that is written entry by entry."""
        with self.store.new_file(self.key(name)) as path, path.open("w", encoding="utf-8") as stream:
            before = "["

            def write(entries: Sequence[Model]) -> None:
                nonlocal before
                for entry in entries:
                    stream.write(before + json.dumps(entry.to_json(exclude_defaults=True), ensure_ascii=False))
                    before = ",\n"

            yield write
            stream.write("[]\n" if before == "[" else "]\n")

    def _batch(self, number: int) -> str:
        return f"{self.key('steps/import')}/{number:06}.json"


def digest_of(values: Sequence[DataValue]) -> str:
    """Return what tells one batch from another."""
    text = "\n".join("\t".join(value) for value in values)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
