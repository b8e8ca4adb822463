"""The command `eo-pygeoapi backfill`: what a long interval takes, and its import in parts."""

import json
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from eo_pygeoapi.commands.process_commands import execute, executions, followed, result_of
from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.contract.backfill import BackfillOutputs
from eo_pygeoapi.contract.status import BACKFILL_ID
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.json_types import JsonMapping, JsonObject


def backfill(
    inputs: JsonMapping, config: Path | None, data_dir: Path | None, out: Console, *, wait: bool, as_json: bool
) -> None:
    """Print what a backfill takes; a real one is made a job, and followed until its end if `wait`."""
    given = {name: value for name, value in inputs.items() if value not in (None, "", [], 0)}
    with executions(config, data_dir) as there:
        job = execute(there, BACKFILL_ID, given)
        if given["dryRun"]:
            result = result_of(there, job, out)
            if as_json:
                out.print_json(json.dumps(result))
            else:
                print_estimate(BackfillOutputs.model_validate(result), out)
            return
        if not as_json:
            out.print(f"job {job.id}", markup=False)
        if wait:
            job = followed(there, job, out)
        shown: JsonObject = {"jobID": job.id, "status": job.status, "message": job.message}
        if job.status == "successful":
            shown["result"] = result_of(there, job, out)
    if as_json:
        out.print_json(json.dumps(shown))
    elif wait:
        out.print(job.message, markup=False)
    if job.status in ("failed", "dismissed"):
        raise EoError(f"job {job.id} is {job.status}: {job.message}")


def print_estimate(found: BackfillOutputs, out: Console) -> None:
    """Print an estimate as a table in words, and below it what speaks against the backfill."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("how much", overflow="fold")
    for what, how_much in in_words(found).items():
        table.add_row(what, how_much)
    print_table(table)
    for finding in found.findings:
        out.print(f"{finding.severity}: {finding.message}", markup=False)
    if found.chunks.total:
        out.print("nothing is imported; `--apply` imports it", markup=False)


def in_words(found: BackfillOutputs) -> dict[str, str]:
    """Return the numbers of an estimate in words."""
    ends = datetime.fromisoformat(found.ends)
    requests = f"{found.provider_requests} requests" if found.provider_requests else "none"
    waits = f", usually {minutes_in_words(found.provider_minutes)}" if found.provider_minutes >= 1 else ""
    return {
        "jobs": f"{found.chunks.total}",
        "values": f"{found.values:,} ({found.periods:,} periods, {found.org_units:,} organisation units)",
        "to download": f"{found.download_mi_b:,.1f} MiB",
        "to keep": f"{found.store_mi_b:,.1f} MiB",
        "of the provider": requests + waits,
        "of DHIS2": minutes_in_words(found.dhis2_minutes),
        "time": minutes_in_words(found.minutes),
        "ends": f"{ends:%Y-%m-%d %H:%M} UTC, begun now",
    }


def minutes_in_words(minutes: float) -> str:
    """Return a time in the unit that people say it in."""
    if minutes < 90:
        return f"about {max(round(minutes), 1)} min"
    return f"about {minutes / 60:.1f} hours" if minutes < 48 * 60 else f"about {minutes / 1440:.1f} days"
