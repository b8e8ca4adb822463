"""The commands that look after what runs: status, coverage, prune, history, undo, reconcile."""

from typing import Annotated

import typer
from rich.console import Console

from eo_pygeoapi.commands.options import AsJson, Config, DataDir, placed_settings

out = Console(highlight=False, soft_wrap=True)


def status(config: Config = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say for each dataset until when its values are right, and which problems are open (exit status 1 if any is)."""
    from eo_pygeoapi.commands.feeds import print_status

    if not print_status(placed_settings(config, data_dir), out, as_json):
        raise typer.Exit(1)


def coverage(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Id of a dataset")],
    start: Annotated[str | None, typer.Option(help="First day [default: that of the last 60 periods]")] = None,
    end: Annotated[str | None, typer.Option(help="Last day [default: the last of which something is known]")] = None,
    level: Annotated[int | None, typer.Option(min=1, help="Only units of this level")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the codes as CSV")] = False,
    reasons: Annotated[bool, typer.Option("--reasons", help="Print why values are not there, as CSV")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show for each unit and period what there is, and why not, from what the jobs have left."""
    from eo_pygeoapi.commands.coverage_command import Form, print_coverage

    if as_csv + reasons + as_json > 1:
        raise typer.BadParameter("--csv, --reasons and --json exclude each other")
    settings, days = placed_settings(config, data_dir), (start, end)
    form: Form = "csv" if as_csv else "reasons" if reasons else "json" if as_json else "table"
    print_coverage(settings, dataset, days, level, form, out)


def prune(
    config: Config = None,
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, and how many bytes")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what `eo.retention` does not keep: old jobs, results, logs and downloads; the watch does it daily."""
    from eo_pygeoapi.commands.pruning import prune as prune_old

    prune_old(placed_settings(config, data_dir), out, dry_run=dry_run, as_json=as_json)


def history(
    dataset: Annotated[str | None, typer.Argument(help="Id of a dataset [default: all that have one]")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest imports")] = 20,
    config: Config = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say who sent what to DHIS2 and when, also of jobs that are removed."""
    from eo_pygeoapi.commands.past_imports import print_history

    print_history(placed_settings(config, data_dir), dataset, limit, out, as_json)


def undo(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Id of an import or a backfill, as `/jobs` shows it")],
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Take it back, or only say what that would do")
    ] = False,
    config: Config = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take back what a job changed in DHIS2, where that still holds what it sent (exit status 1 if some is refused)."""
    from eo_pygeoapi.commands.undoing import run_undo

    if not run_undo(job, apply, config, data_dir, out, as_json):
        raise typer.Exit(1)


def reconcile(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Id of a dataset")],
    start: Annotated[str, typer.Option(help="First period: YYYY, YYYY-MM, YYYY-MM-DD or a duration such as -P30D")],
    end: Annotated[str, typer.Option(help="Last period, included")],
    config: Config = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare what DHIS2 holds with what it was sent, and list each difference (exit status 1 where there is one)."""
    from eo_pygeoapi.commands.undoing import run_reconcile

    inputs = {"datasetId": dataset, "start": start, "end": end}
    if not run_reconcile(inputs, config, data_dir, out, as_json):
        raise typer.Exit(1)
