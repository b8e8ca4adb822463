"""The command `eo-pygeoapi backfill`: what a long interval takes, and its import in parts."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from eo_pygeoapi.commands.options import Config, DataDir
from eo_pygeoapi.commands.process_commands import execute, executions, followed, result_of
from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.contract.status import BACKFILL_ID
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.wording import estimated

if TYPE_CHECKING:
    from eo_pygeoapi.contract.backfill import BackfillOutputs

Dataset = Annotated[str, typer.Argument(help="Id of a dataset, as `eo-pygeoapi datasets` shows it")]
Date = "YYYY, YYYY-MM, YYYY-MM-DD or a duration such as -P30D"
out = Console(highlight=False, soft_wrap=True)


def backfill(
    dataset: Dataset,
    start: Annotated[str, typer.Option(help=f"First period: {Date}")],
    end: Annotated[str, typer.Option(help=f"Last period: {Date}")],
    level: Annotated[list[int] | None, typer.Option(help="Units of this level; several times for several")] = None,
    parent: Annotated[str, typer.Option(help="Only units below this one (UID)")] = "",
    org_unit: Annotated[list[str] | None, typer.Option(help="This unit (UID); several times for several")] = None,
    only: Annotated[Literal["missing", "all"], typer.Option(help="What DHIS2 does not hold yet, or all")] = "missing",
    units: Annotated[Literal["all", "changed"], typer.Option(help="Only units with new boundaries, or all")] = "all",
    window: Annotated[str, typer.Option(help="When jobs may start, such as 20:00-05:00")] = "",
    max_values_per_minute: Annotated[int, typer.Option(min=0, help="How many DHIS2 is sent; 0: no limit")] = 0,
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Import the values, or only say what it takes")] = (
        False
    ),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job until its end")] = True,
    config: Config = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of words")] = False,
) -> None:
    """Say what the import of a long interval takes, or import it: a job a month or year, the newest first."""
    asked = {
        "datasetId": dataset,
        "start": start,
        "end": end,
        "orgUnitLevel": level,
        "parentOrgUnit": parent,
        "orgUnitIds": org_unit,
        "only": only,
        "units": units,
        "window": window,
        "maxValuesPerMinute": max_values_per_minute,
    }
    inputs = {name: value for name, value in asked.items() if value} | {"dryRun": not apply}
    with executions(config, data_dir) as there:
        job = execute(there, BACKFILL_ID, inputs)
        if not apply:
            _estimated(result_of(there, job, out), as_json)
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


def _estimated(result: JsonObject, as_json: bool) -> None:
    """Print an estimate as JSON, or as a table in words and below it what speaks against the backfill."""
    if as_json:
        out.print_json(json.dumps(result))
        return
    from eo_pygeoapi.contract.backfill import BackfillOutputs

    found = BackfillOutputs.model_validate(result)
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


def in_words(found: "BackfillOutputs") -> dict[str, str]:
    """Return the numbers of an estimate in words."""
    ends = datetime.fromisoformat(found.ends)
    requests = f"{found.provider_requests} requests" if found.provider_requests else "none"
    waits = f", usually {estimated(found.provider_minutes)}" if found.provider_minutes >= 1 else ""
    return {
        "jobs": f"{found.chunks.total}",
        "values": f"{found.values:,} ({found.periods:,} periods, {found.org_units:,} organisation units)",
        "to download": f"{found.download_mi_b:,.1f} MiB",
        "to keep": f"{found.store_mi_b:,.1f} MiB",
        "of the provider": requests + waits,
        "of DHIS2": estimated(found.dhis2_minutes),
        "time": estimated(found.minutes),
        "ends": f"{ends:%Y-%m-%d %H:%M} UTC, begun now",
    }
