"""`eo-pygeoapi undo` and `reconcile`: execute the process, follow its job, and print what came of it."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from eo_pygeoapi.commands.process_commands import execute, executions, result_of
from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.contract.status import RECONCILE_ID, UNDO_ID
from eo_pygeoapi.json_types import JsonMapping, JsonObject

SHOWN = 20


def run_undo(job_id: str, apply: bool, config: Path | None, data_dir: Path | None, out: Console, as_json: bool) -> bool:
    """Take back what a job changed in DHIS2, or say what that would do; returns whether nothing was refused."""
    result = _result(UNDO_ID, {"jobId": job_id, "dryRun": not apply}, config, data_dir, out)
    summary = result["importSummary"]
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        _print_undo(result, out)
    return summary["status"] in ("SUCCESS", "WARNING") and not summary["rejectedCount"]


def run_reconcile(inputs: JsonMapping, config: Path | None, data_dir: Path | None, out: Console, as_json: bool) -> bool:
    """Compare what DHIS2 holds of a dataset with what it was sent; returns whether there is no difference."""
    result = _result(RECONCILE_ID, inputs, config, data_dir, out)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        days = f"{result['start']} to {result['end']}"
        out.print(f"DHIS2 holds {result['equal']} of {result['sent']} values of {days} as they were sent", markup=False)
        _print_rows(result["differences"], ("orgUnit", "period", "sent", "held", "reason"))
    return not result["different"]


def _result(
    process_id: str, inputs: JsonMapping, config: Path | None, data_dir: Path | None, out: Console
) -> JsonObject:
    with executions(config, data_dir) as there:
        job = execute(there, process_id, inputs)
        return result_of(there, job, out)


def _print_undo(result: JsonMapping, out: Console) -> None:
    summary = result["importSummary"]
    would = "would be " if summary["dryRun"] else ""
    lines = (
        (summary["deleted"], f"{would}deleted"),
        (summary["updated"], f"{would}given their old value"),
        (summary["unchanged"], "taken back before"),
        (summary.get("keptCount", 0), "kept, for they have changed since"),
        (summary["rejectedCount"], "refused by DHIS2"),
    )
    out.print(f"{result['cellCount']} values were changed by {', '.join(result['undone'])}", markup=False)
    for count, words in lines:
        if count:
            out.print(f"{count:>8} {words}", markup=False)
    _print_rows(summary.get("kept", ()), ("orgUnit", "period", "value", "stored", "storedBy"))
    _print_rows(summary["rejected"], ("orgUnit", "period", "value", "reason"))
    for text in (summary.get("reason", ""), *summary.get("notes", ())):
        if text:
            out.print(f"note: {text}", markup=False)
    if summary["dryRun"] and summary["status"] != "ERROR":
        out.print("Nothing is changed yet; with --apply it is.", markup=False)


def _print_rows(rows: list[JsonObject], columns: tuple[str, ...]) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows[:SHOWN]:
        table.add_row(*(str(row.get(name, "")) for name in columns))
    print_table(table)
    if len(rows) > SHOWN:
        print(f"… and {len(rows) - SHOWN} more; --json prints the first 100, and the job's file has all")
