"""Publish what a job has computed: its features, its output, and the latest values of its dataset."""

from collections.abc import Callable, Mapping, Sequence, Sized
from datetime import UTC, datetime

from eo_pygeoapi.contract.models import ImportOutputs, ImportSummary, LeftOut
from eo_pygeoapi.store import features, job_folder, published
from eo_pygeoapi.store.job_features import write_features
from eo_pygeoapi.store.job_folder import JobFolder

_OVERRIDDEN = "the request sets {}, and the collection shows the values of the dataset's own settings"
_TRIED = "this job imported nothing, and the collection shows what was imported"


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
    preview: Mapping[str, Sized],
    org_unit_count: int | None = None,
    source: str = "",
    overridden: Sequence[str] = (),
    now: Callable[[], datetime] = _utc_now,
) -> ImportOutputs:
    """Publish the values of a job as features, keep what the job leaves behind and return its output.

    `units` is a FeatureCollection (longitude and latitude; properties `orgUnit`, `name`, `level`); `values` has the
    columns `orgUnit`, `period`, `start`, `end` (ISO dates), `value` and `validFraction` (float64, NaN: null), one row
    per unit and period. `org_unit_count` is how many units were asked for: by default those of `units` and of
    `left_out`. `source` says which data the values are of. `overridden` names the inputs by which the values are
    other than those of the dataset's own settings. The output says where the dataset's collection does not show them.
    Doing it again for the same job changes nothing but what the values say. Raises ResultsError.
    """
    known = features.read_units(units)
    table = features.Table.of(values, known)
    write_features(folder, table, known)
    shown = overridden or published.add(
        folder.store,
        dataset_id,
        table,
        known,
        job_id=folder.job_id,
        imported=not summary.dry_run and summary.status in ("SUCCESS", "WARNING"),
        published=_publication_time(folder, now),
        written=now(),
    )
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
        not_published=_OVERRIDDEN.format(", ".join(overridden)) if overridden else "" if shown else _TRIED,
    )
    folder.write_json(job_folder.PREVIEW, preview)
    kept = {"importSummary": outputs.to_json()["importSummary"], "empty": _empty_files(table, preview, summary)}
    folder.write_json(job_folder.SUMMARY, kept)
    folder.write_json(job_folder.RESULT, outputs.to_json())
    return outputs


def _empty_files(table: features.Table, preview: Mapping[str, Sized], summary: ImportSummary) -> list[str]:
    """Return the names of the files that say nothing, for these are not linked."""
    counts = {
        job_folder.FEATURES: len(table),
        job_folder.VALUES_CSV: len(table),
        job_folder.CHAP_CSV: len(table),
        job_folder.PAYLOAD_JSON: len(preview["dataValues"]),
        job_folder.PAYLOAD_CSV: len(preview["dataValues"]),
        job_folder.REJECTED: summary.rejected_count,
        job_folder.KEPT: summary.kept_count,
    }
    return [name for name, count in counts.items() if not count]


def _publication_time(folder: JobFolder, now: Callable[[], datetime]) -> datetime:
    """Return when the job was first published: a repetition must not win over what another job said since."""
    if not folder.exists(job_folder.PUBLISHED):
        folder.write_json(job_folder.PUBLISHED, {"published": now().isoformat()})
    return datetime.fromisoformat(folder.read_json(job_folder.PUBLISHED)["published"])
