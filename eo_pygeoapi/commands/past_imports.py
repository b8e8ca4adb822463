"""`eo-pygeoapi history`: the import history in a terminal; it needs neither Prefect nor the API."""

import json

import typer
from rich.console import Console
from rich.table import Table

from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.contract.status import UNDO_ID
from eo_pygeoapi.errors import NoSuchDatasetError
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.history import History, histories
from eo_pygeoapi.store.store import ResultStore


def print_history(settings: Settings, dataset: str | None, limit: int, out: Console, as_json: bool) -> None:
    """Print the latest imports of a dataset, or of all; NoSuchDatasetError where there are none of this one."""
    store = ResultStore(settings.results)
    known = histories(store)
    if dataset is not None and dataset not in known:
        raise NoSuchDatasetError(f"no imports of {dataset!r} are known (there are of: {', '.join(known) or 'none'})")
    found = [record for id_ in ([dataset] if dataset else known) for record in History(store, id_).page(limit)[0]]
    latest = sorted(found, key=lambda record: record.finished, reverse=True)[:limit]
    if as_json:
        document = [record.model_dump(mode="json", by_alias=True, exclude_none=True) for record in latest]
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    if not latest:
        out.print("No imports yet.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("ended (UTC)", "dataset", "days", "status", "new", "changed", "deleted", "rejected", "to", "by"):
        table.add_column(title, overflow="fold")
    for record in latest:
        days = f"{record.start} to {record.end}" if record.start else ""
        status = f"{record.status}, dry run" if record.dry_run else record.status
        status = f"undo, {status}" if record.process == UNDO_ID else status
        counts = (str(count) for count in (record.imported, record.updated, record.deleted, record.rejected))
        target = f"{record.connection} {record.data_element}".strip()
        ended = f"{record.finished:%Y-%m-%d %H:%M}"
        table.add_row(ended, record.dataset, days, status, *counts, target, record.by)
    print_table(table)
