"""What people see of a run in the Prefect UI: the payload's first values and the import summary."""

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from eo_pygeoapi.models import ImportSummary
from eo_pygeoapi.pipeline.data_values import Payload

ROWS = 100


def show_payload(payload: Payload) -> None:
    """Show the first values of the payload as a table."""
    values = payload.data_value_set["dataValues"]
    create_table_artifact(
        key="payload-preview",
        table=values[:ROWS],
        description=f"The first {min(ROWS, len(values))} of {len(values)} data values",
        _sync=True,  # type: ignore[call-arg]
    )


def show_summary(summary: ImportSummary) -> None:
    """Show the import summary."""
    counts = ("imported", "updated", "ignored", "deleted", "unchanged")
    rows = "\n".join(f"| {name} | {getattr(summary, name)} |" for name in counts)
    reason = f"\n\n{summary.reason}" if summary.reason else ""
    create_markdown_artifact(
        key="import-summary",
        markdown=f"**{summary.status}**{' (dry run)' if summary.dry_run else ''}{reason}\n\n"
        f"| | values |\n|---|--:|\n{rows}\n| rejected | {summary.rejected_count} |\n",
        description="What DHIS2 did, or in a dry run would do, with the values",
        _sync=True,  # type: ignore[call-arg]
    )
