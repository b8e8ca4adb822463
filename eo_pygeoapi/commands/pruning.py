"""`eo-pygeoapi prune`: what `eo.retention` does not keep, removed now or only named."""

import json
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from eo_pygeoapi.commands.running import in_stack, running_stack
from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.read import inspect_operations, read_datasets
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.housekeeping import Housekeeping


def prune(settings: Settings, out: Console, *, dry_run: bool, as_json: bool) -> None:
    """Remove what is too old, or with `dry_run` say what would go, and how many bytes it takes."""
    config = read_config(settings.config)
    operations, problems = inspect_operations(config)
    if problems:
        raise ConfigError(problems)
    datasets = read_datasets(config, settings.config.absolute().parent)
    if running := running_stack(settings.data_dir):
        settings = in_stack(settings, running)
    gateway = PrefectGateway(settings.prefect_api_url, secrets=settings.secrets(), read_timeout=30.0)
    try:
        keeper = Housekeeping(settings, gateway, ResultStore(settings.results))
        removed = keeper.run(datasets, operations.retention, datetime.now(UTC), dry_run=dry_run)
        remarks = keeper.remarks()
    finally:
        gateway.close()
    if as_json:
        found = {one.what: {"count": one.count, "bytes": one.size} for one in removed}
        typer.echo(json.dumps({"dryRun": dry_run, "removed": found, "remarks": remarks}, indent=2))
        return
    for remark in remarks:
        out.print(f"note: {remark}", markup=False)
    if not operations.retention.model_fields_set:
        out.print("eo.retention is not set: everything is kept for ever")
        return
    table = Table("what", "would go" if dry_run else "removed", "size", box=None, pad_edge=False)
    for one in removed:
        table.add_row(one.what, str(one.count), decimal(one.size))
    print_table(table)
    word = "would free" if dry_run else "freed"
    out.print(f"{word} {decimal(sum(one.size for one in removed))}, and what Prefect keeps of these jobs")
