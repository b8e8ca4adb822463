"""What the pages of an import's job show beside its document: names, and what became of each value."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from eo_pygeoapi.api.pages.job_title import title_of, what_to_do
from eo_pygeoapi.api.pages.process_form import query_of
from eo_pygeoapi.api.pages.result_page import named_periods
from eo_pygeoapi.contract.status import BACKFILL_ID, FINAL, PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.backfills import Backfill
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.job_features import JobFeatures
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import MissingResultError, ResultStore

SAME = "unchanged"


@dataclass(frozen=True)
class ValuePage:
    """A page of the values beside what DHIS2 holds, and how many there are of each change."""

    rows: list[dict[str, str]]
    matched: int
    counts: dict[str, int]


def job_page(store: ResultStore, job: Job, datasets: Mapping[str, Dataset]) -> dict[str, Any]:
    """Return the title, what to do where the job failed, and the first values that are not as the job would have them.

    With them come the names of their units and periods.
    """
    shown: dict[str, Any] = {"title": title_of(job, datasets)}
    if job.process_id == PROCESS_ID and job.status in FINAL:
        shown["again"] = query_of(job.visible_inputs())
    folder = JobFolder(store, job.id)
    if job.process_id == BACKFILL_ID and (backfill := Backfill.of(folder)):
        shown["parts"] = backfill.parts
    if job.status == "failed":
        return shown | {"what_to_do": what_to_do(job, folder.read_json(job_folder.ERROR, default={}))}
    if not job.is_ours or job.status != "successful":
        return shown
    shown["period_name"] = named_periods(datasets.get(job.dataset))
    result = folder.read_json(job_folder.RESULT, default={})
    summary = result.get("importSummary") or {}
    lists = {"rejected": by_reason(summary.get("rejected", [])), "kept": summary.get("kept", [])}
    lists |= {name: result.get(name, []) for name in ("differences", "different")}
    return shown | lists | {"names": names_of(folder, job.dataset) if any(lists.values()) else {}}


def by_reason(rejected: Sequence[JsonMapping]) -> list[JsonObject]:
    """Return rejected values with one row for those of a unit that have the same reason; DHIS2 often refuses all alike.

    A row has `orgUnit`, `code`, `reason`, `count`, the `value` of the first, and the periods of the `first` and `last`.
    """
    rows: dict[tuple[object, ...], JsonObject] = {}
    for entry in rejected:
        key = tuple(entry.get(name, "") for name in ("orgUnit", "code", "reason"))
        period = entry.get("period", "")
        row = rows.setdefault(key, {**entry, "first": period, "count": 0})
        row |= {"last": period, "count": row["count"] + 1}
    return list(rows.values())


def names_of(folder: JobFolder, dataset_id: str) -> dict[str, str]:
    """Return the names of a job's units by id; those of its dataset where it has left none itself."""
    if not folder.exists(job_folder.UNITS):
        return {unit.id: unit.name for unit in CoverageTable(folder.store, dataset_id).units()}
    try:
        with closing(JobFeatures(folder)) as features:
            return {id_: unit.name or id_ for id_, unit in features.units.items()}
    except MissingResultError:
        return {}


def values_page(folder: JobFolder, preview: Mapping[str, Any], differing: bool, limit: int, offset: int) -> ValuePage:
    """Return the values of a job from `offset` on, only those that differ from DHIS2's where this is asked for."""
    rows, counts, matched = list[dict[str, str]](), dict[str, int](), 0
    for row in _changes(folder, preview):
        change = row.get("change", "")
        counts[change] = counts.get(change, 0) + 1
        if differing and change == SAME:
            continue
        if offset <= matched < offset + limit:
            rows.append(row)
        matched += 1
    return ValuePage(rows, matched, counts)


def _changes(folder: JobFolder, preview: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield every value beside what DHIS2 held; the first ones of the preview where it was not asked."""
    if not folder.exists(job_folder.CHANGES):
        yield from preview.get("rows", [])
        return
    with folder.store.open(folder.key(job_folder.CHANGES)) as stream:
        yield from csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8", newline=""))
