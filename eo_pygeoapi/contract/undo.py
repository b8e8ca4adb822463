"""What the process `eo-undo` takes and gives."""

from pydantic import Field

from eo_pygeoapi.contract.models import GivenIdentifier, ImportSummary, Model, shown_summary
from eo_pygeoapi.json_types import JsonObject


class UndoInputs(Model):
    """Inputs of the process `eo-undo`."""

    job_id: GivenIdentifier = Field(
        title="Job", description="an import or a backfill that has ended, and was no dry run"
    )
    dry_run: bool = Field(
        True, title="Dry run", description="true: say what would be taken back; false: take it back in DHIS2"
    )


class UndoOutputs(Model):
    """The one output, `result`, of the process `eo-undo`.

    In `importSummary`, `deleted` counts the values that were new with the job, `updated` those that have their old
    value again, `unchanged` those that were taken back before, and `kept` those that changed after the job.
    """

    dataset_id: str
    undone: list[str] = Field(description="the jobs that were looked at, the last one first")
    cell_count: int = Field(description="values that these jobs had changed in DHIS2")
    payload_preview_path: str = Field(description="key in the results store")
    import_summary: ImportSummary

    def to_json(self, **kwargs: object) -> JsonObject:
        """Return what a client sees; members of the summary that do not apply are absent."""
        answer = super().to_json(**kwargs)
        return answer | {"importSummary": shown_summary(answer["importSummary"])}
