"""`eo-pygeoapi coverage`: what there is for each unit and period, in a terminal, without Prefect and the API."""

import json
from datetime import date
from typing import Literal

import typer
from rich.console import Console
from rich.table import Table

from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.contract.operations import Coverage
from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.datasets.validate import named_dataset
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.coverage_csv import matrix_csv, reasons_csv
from eo_pygeoapi.store.coverage_reasons import causes_of
from eo_pygeoapi.store.store import ResultStore

Form = Literal["table", "json", "csv", "reasons"]
_NAME = 30  # characters of a unit's name


def print_coverage(
    settings: Settings,
    dataset_id: str,
    days: tuple[str | None, str | None],
    level: int | None,
    form: Form,
    out: Console,
) -> None:
    """Print the coverage of a dataset; NoSuchDatasetError and QueryError where it is asked for something else."""
    dataset = named_dataset(dataset_id, load_datasets(settings.config))
    start, end = (_day(name, text) for name, text in zip(("--start", "--end"), days, strict=True))
    table = CoverageTable.of(ResultStore(settings.results), dataset)
    coverage = table.matrix(table.periods(dataset.period_type, start, end), level)
    if form == "json":
        typer.echo(json.dumps(coverage.to_json(), ensure_ascii=False, indent=2))
    elif form in ("csv", "reasons"):
        typer.echo(matrix_csv(coverage) if form == "csv" else reasons_csv(coverage), nl=False)
    elif not coverage.periods or not coverage.org_units:
        out.print("No job has looked at any period of it yet.")
    else:
        _print_lines(coverage)


def _print_lines(coverage: Coverage) -> None:
    """Print a line for each unit, a character for each period, then what the characters mean, and the reasons."""
    first, last = coverage.periods[0], coverage.periods[-1]
    typer.echo(f"{first} to {last}: {len(coverage.periods)} periods, a character each\n")
    width = max(len(unit.name[:_NAME]) for unit in coverage.org_units)
    for column, unit in enumerate(coverage.org_units):
        typer.echo(f"{unit.name[:_NAME]:{width}}  {''.join(row[column] for row in coverage.rows)}")
    used = set("".join(coverage.rows))
    typer.echo("\n" + ", ".join(f"{code} {meaning}" for code, meaning in coverage.legend.items() if code in used))
    if coverage.reasons:
        typer.echo()
        print_table(_reasons(coverage))


def _reasons(coverage: Coverage) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("what", "why", "units", "periods"):
        table.add_column(title, overflow="fold")
    for cause in sorted(causes_of(coverage), key=lambda cause: -cause.spans):
        periods = cause.first if cause.first == cause.last else f"{cause.first} to {cause.last}"
        table.add_row(coverage.legend[cause.code], cause.reason, str(cause.units), periods)
    return table


def _day(name: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise QueryError(f"{name}: {text!r} is not allowed; allowed: a date such as 2025-07-01") from error
