"""What the pages of an import's job show beside its document: a title, names, and what became of each value."""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

from eo_pygeoapi.contract.status import BACKFILL_ID, PROCESS_ID, RECONCILE_ID, UNDO_ID
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_features import JobFeatures
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import MissingResultError, ResultStore

_WHAT = {PROCESS_ID: "import", BACKFILL_ID: "backfill", UNDO_ID: "undo", RECONCILE_ID: "compared with DHIS2"}
SAME = "unchanged"


@dataclass(frozen=True)
class ValuePage:
    """A page of the values beside what DHIS2 holds, and how many there are of each change."""

    rows: list[dict[str, str]]
    matched: int
    counts: dict[str, int]


def title_of(job: Job) -> str:
    """Return what a job is called by people: the dataset, its dates, and whether it changes DHIS2."""
    if not job.is_ours:
        return job.process_id
    given, what = job.inputs, _WHAT[job.process_id]
    if job.process_id == UNDO_ID:
        what = f"{what} of job {str(given.get('jobId', ''))[:8]}"
    start, _, end = str(given.get("datetime") or "").partition("/")
    start, end = str(given.get("start") or start), str(given.get("end") or end or start)
    first, last = _day(start), _day(end)
    day, _, month = first.partition(" ")
    if month and month == last.partition(" ")[2]:
        first = first if first == last else day
    dates = first if first == last else f"{first} to {last}"
    if given.get("dryRun") is not False and job.process_id != RECONCILE_ID:
        what = "dry run" if job.process_id == PROCESS_ID else f"dry run of {what}"
    return ", ".join(part for part in (job.dataset, dates, what) if part)


def job_page(store: ResultStore, job: Job) -> dict[str, Any]:
    """Return the title, and the first values that are not as the job would have them, with the names of their units."""
    shown: dict[str, Any] = {"title": title_of(job)}
    if not job.is_ours or job.status != "successful":
        return shown
    folder = JobFolder(store, job.id)
    result = folder.read_json(job_folder.RESULT, default={})
    summary = result.get("importSummary") or {}
    lists = {name: summary.get(name, []) for name in ("rejected", "kept")} | {
        name: result.get(name, []) for name in ("differences", "different")
    }
    return shown | lists | {"names": names_of(folder, job.dataset) if any(lists.values()) else {}}


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


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text  # a month, a year, or counted from when a schedule falls due
    return f"{day.day} {day:%B %Y}"
