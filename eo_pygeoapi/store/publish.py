"""Publish what a job has computed: its features, its output, and the latest values of its dataset."""

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime

from eo_pygeoapi.contract.models import ImportOutputs, ImportSummary, LeftOut
from eo_pygeoapi.store import features, job_folder, published
from eo_pygeoapi.store.boundaries import note_boundaries
from eo_pygeoapi.store.job_features import write_features
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.taken_back import keep_replaced

_OVERRIDDEN = "the request sets {}, and the collection shows the values of the dataset's own settings"
_TRIED = "this job imported nothing, and the collection shows what was imported"


@dataclass(frozen=True)
class JobResults:
    """The results of a job, and the answer of DHIS2.

    `units` are those of the values, by their ids; `values` has the columns `orgUnit`, `period`, `start`, `end` (ISO
    dates), `value` and `validFraction` (float64, NaN: null), one row per unit and period. `source` says which data the
    values are of. `overridden` names the inputs of the request that replaced the dataset's own settings. `all_units`:
    these are all of the dataset's units, and not a part of them.
    """

    units: Mapping[str, features.Unit]
    values: features.Columns
    summary: ImportSummary
    left_out: Sequence[LeftOut]
    preview: Mapping[str, Sized]
    source: str = ""
    overridden: Sequence[str] = ()
    all_units: bool = False


def publish_results(
    folder: JobFolder, dataset_id: str, results: JobResults, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> ImportOutputs:
    """Write the features and documents of a job, publish its values in the dataset's collection, return its output.

    The output says why the collection does not show the values, where it does not. A repetition for the same job
    changes nothing but what the values say. Raises ResultsError.
    """
    table = features.Table.of(results.values, results.units)
    write_features(folder, table, results.units)
    with published.all_or_none(folder.store) as keys:  # also where the documents cannot be written any more
        not_published = _publish_in_collection(folder, dataset_id, results, table, keys, now)
        outputs = _write_documents(folder, results, table, not_published)
    published.tidy(folder.store, dataset_id)
    if results.all_units and not not_published:
        left_out = {entry.org_unit for entry in results.left_out}
        note_boundaries(folder.store, dataset_id, results.units, now().date(), left_out)
    return outputs


def _write_documents(
    folder: JobFolder, results: JobResults, table: features.Table, not_published: str
) -> ImportOutputs:
    """Write the documents of a job, its output last, and return the output."""
    outputs = ImportOutputs(
        org_unit_count=len(results.units.keys() | {entry.org_unit for entry in results.left_out} - {""}),
        row_count=table.not_null,
        payload_preview_path=folder.key(job_folder.PREVIEW),
        import_summary=results.summary,
        result_features_path=folder.key(job_folder.FEATURES),
        left_out=list(results.left_out),
        source=results.source,
        not_published=not_published,
    )
    folder.write_json(job_folder.PREVIEW, results.preview)
    counts = dict.fromkeys((job_folder.FEATURES, job_folder.VALUES_CSV, job_folder.CHAP_CSV), len(table))
    counts |= dict.fromkeys((job_folder.PAYLOAD_JSON, job_folder.PAYLOAD_CSV), len(results.preview["dataValues"]))
    counts |= {job_folder.REJECTED: results.summary.rejected_count, job_folder.KEPT: results.summary.kept_count}
    empty = [name for name, count in counts.items() if not count]  # the job does not link these
    summary = outputs.to_json()["importSummary"]
    doubts = next((entry.reason for entry in results.left_out if entry.is_doubt), "")
    folder.write_json(job_folder.SUMMARY, {"importSummary": summary, "empty": empty, "doubts": doubts})
    folder.write_json(job_folder.RESULT, outputs.to_json())
    return outputs


def _publish_in_collection(
    folder: JobFolder,
    dataset_id: str,
    results: JobResults,
    table: features.Table,
    keys: list[str],
    now: Callable[[], datetime],
) -> str:
    """Publish the values of a job in its dataset's collection; returns why the collection does not show them, if so."""
    if results.overridden:
        return _OVERRIDDEN.format(", ".join(results.overridden))
    if not folder.exists(job_folder.PUBLISHED):  # a repetition keeps its first time, so as not to win over later jobs
        folder.write_json(job_folder.PUBLISHED, {"published": now().isoformat()})
    imported = not results.summary.dry_run and results.summary.status in ("SUCCESS", "WARNING")
    if imported:
        keep_replaced(folder, dataset_id, table)
    shown = published.add(
        folder.store,
        dataset_id,
        table,
        results.units,
        keys,
        job_id=folder.job_id,
        imported=imported,
        published=datetime.fromisoformat(folder.read_json(job_folder.PUBLISHED)["published"]),
        written=now(),
    )
    return "" if shown else _TRIED
