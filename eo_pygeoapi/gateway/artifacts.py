"""What people see of a run in the Prefect UI: the payload's first values and the import summary."""

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.wording import counted


def show_payload(preview: JsonMapping) -> None:
    """Show the first values of the payload as a table, beside what DHIS2 held."""
    rows = preview["rows"]
    create_table_artifact(
        key="payload-preview",
        table=rows,
        description=f"The first {len(rows)} of {counted(preview['count'], 'data value')}",
        _sync=True,  # type: ignore[call-arg]
    )


def show_summary(summary: ImportSummary) -> None:
    """Show the import summary."""
    counts = ("imported", "updated", "ignored", "deleted", "unchanged")
    rows = "\n".join(f"| {name} | {getattr(summary, name)} |" for name in counts)
    found = [f"{finding.severity}: {finding.message}" for finding in summary.findings]
    words = [summary.reason, *found, *summary.notes]
    reason = "".join(f"\n\n{text}" for text in words if text)
    create_markdown_artifact(
        key="import-summary",
        markdown=f"**{summary.status}**{' (dry run)' if summary.dry_run else ''}{reason}\n\n"
        f"| | values |\n|---|--:|\n{rows}\n| rejected | {summary.rejected_count} |\n"
        f"| kept, for others stored them | {summary.kept_count} |\n",
        description="What DHIS2 did, or in a dry run would do, with the values",
        _sync=True,  # type: ignore[call-arg]
    )
