"""Publish what a job has computed: its features, its output, and the latest values of its dataset."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from eo_pygeoapi.contract.models import ImportOutputs, ImportSummary, LeftOut
from eo_pygeoapi.store import features, job_folder, published
from eo_pygeoapi.store.job_folder import JobFolder


def _utc_now() -> datetime:
    return datetime.now(UTC)


def publish_results(
    folder: JobFolder,
    dataset_id: str,
    *,
    units: Mapping[str, object],
    values: features.Columns,
    summary: ImportSummary,
    left_out: Sequence[LeftOut],
    preview: object,
    org_unit_count: int | None = None,
    source: str = "",
    now: Callable[[], datetime] = _utc_now,
) -> ImportOutputs:
    """Publish the values of a job as features, keep what the job leaves behind and return its output.

    `units` is a FeatureCollection (longitude and latitude; properties `orgUnit`, `name`, `level`); `values` has the
    columns `orgUnit`, `period`, `start`, `end` (ISO dates), `value` and `validFraction` (float64, NaN: null), one row
    per unit and period. `org_unit_count` is how many units were asked for: by default those of `units` and of
    `left_out`. `source` says which data the values are of. Doing it again for the same job changes nothing but what
    the values say. Raises ResultsError.
    """
    known = features.read_units(units)
    table = features.Table.of(values, known)
    moment = _publication_time(folder, now)
    outputs = ImportOutputs(
        org_unit_count=len(known.keys() | {entry.org_unit for entry in left_out} - {""})
        if org_unit_count is None
        else org_unit_count,
        row_count=table.not_null,
        payload_preview_path=folder.key(job_folder.PREVIEW),
        import_summary=summary,
        result_features_path=folder.key(job_folder.FEATURES),
        left_out=list(left_out),
        source=source,
    )
    folder.write_json(job_folder.PREVIEW, preview)
    with folder.new_file(job_folder.FEATURES) as path, path.open("w", encoding="utf-8") as stream:
        stream.writelines(features.feature_collection(table, known, folder.job_id))
    published.add(folder.store, dataset_id, table, known, job_id=folder.job_id, published=moment, written=now())
    folder.write_json(job_folder.RESULT, outputs.to_json())
    return outputs


def _publication_time(folder: JobFolder, now: Callable[[], datetime]) -> datetime:
    """Return when the job was first published: a repetition must not win over what another job said since."""
    if not folder.exists(job_folder.PUBLISHED):
        folder.write_json(job_folder.PUBLISHED, {"published": now().isoformat()})
    return datetime.fromisoformat(folder.read_json(job_folder.PUBLISHED)["published"])
