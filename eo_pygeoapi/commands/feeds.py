"""`eo-pygeoapi status`: the feeds in a terminal."""

import json
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.table import Table

from eo_pygeoapi.commands.running import in_stack, running_stack
from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.contract.operations import DatasetStatus
from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch import freshness
from eo_pygeoapi.watch.problems import Book, KeptProblem
from eo_pygeoapi.watch.survey import survey_or_store


def print_status(settings: Settings, out: Console, as_json: bool) -> bool:
    """Print each dataset with the worst first, then the open problems; returns whether there is none."""
    documents, problems = _documents(settings)
    if as_json:
        found = {"datasets": [d.to_json() for d in documents], "problems": [p.shown().to_json() for p in problems]}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return not problems
    table = Table(box=None, pad_edge=False)
    table.add_column("dataset", no_wrap=True)
    for title in ("state", "until when", "last job"):
        table.add_column(title, overflow="fold")
    for document in documents:
        run = getattr(document, "last_run", None)
        unknown = "not known" if document.prefect_away else "none"
        table.add_row(document.id, document.state, document.summary, run.status if run else unknown)
    print_table(table)
    if any(document.prefect_away for document in documents):
        out.print("\nThe Prefect server does not answer, so what came of the last jobs is not known.")
    for problem in problems:
        out.print(f"\n{problem.event} since {problem.since:%Y-%m-%d %H:%M} UTC: {problem.message}", markup=False)
        if problem.what_to_do:
            out.print(f"  {problem.what_to_do}", markup=False)
    if not problems:
        out.print("\nNo open problems.")
    return not problems


def _documents(settings: Settings) -> tuple[list[DatasetStatus], list[KeptProblem]]:
    datasets, store = load_datasets(settings.config), ResultStore(settings.results)
    if running := running_stack(settings.data_dir):
        settings = in_stack(settings, running)
    gateway = PrefectGateway(settings.prefect_api_url, secrets=settings.secrets(), read_timeout=10.0)
    problems, today = Book(store).open(), datetime.now(UTC).date()
    try:
        facts = survey_or_store(gateway, store, list(datasets.values()), problems)
    finally:
        gateway.close()
    documents = [
        freshness.status(one, today, [p.id for p in problems if one.dataset.id in p.datasets]) for one in facts
    ]
    return freshness.worst_first(documents), problems
