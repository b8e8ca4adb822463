"""The commands `eo-pygeoapi schedules …`: list, pause, resume, run."""

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eo_pygeoapi.commands.options import AsJson, Config, DataDir
from eo_pygeoapi.commands.process_commands import executions
from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.errors import EoError, NoSuchScheduleError

if TYPE_CHECKING:
    from eo_pygeoapi.contract.operations import ScheduleDocument
    from eo_pygeoapi.jobs.schedules import Schedules

app = typer.Typer(help="List, pause, resume and run the schedules of datasets.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Argument(metavar="DATASET/NAME", help="The schedule, as `schedules list` shows it")]
Reason = Annotated[str, typer.Option(help="Why, for those who see it paused")]


@app.command("list")
def list_(config: Config = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the schedules: when each runs next, what paused it, and what came of its last run."""
    from eo_pygeoapi.jobs.schedules import schedule_document

    with _schedules(config, data_dir) as schedules:
        now, last = datetime.now(UTC), {d.id: schedules.last_runs(d) for d in schedules.datasets().values()}
        documents = [
            schedule_document(standing, last[standing.dataset.id].get(standing.schedule.name), now, [])
            for standing in schedules.standings()
        ]
    if as_json:
        shown = [document.to_json() for document in documents]
        typer.echo(json.dumps({"schedules": shown}, ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("schedule", no_wrap=True)  # what people copy
    for title in ("times", "next", "state", "last job"):
        table.add_column(title, overflow="fold")
    for document in documents:
        shown_next = f"{document.next[0]:%Y-%m-%d %H:%M}" if document.active and document.next else "none"
        run = getattr(document, "last_run", None)
        table.add_row(
            *(f"{document.dataset}/{document.name}", f"{document.cron} {document.timezone}", shown_next),
            *(escape(_state(document)), run.status if run else "none"),
        )
    print_table(table)


@app.command()
def pause(name: Name, reason: Reason = "", config: Config = None, data_dir: DataDir = None) -> None:
    """Pause a schedule until a person resumes it, whatever becomes of the configuration file meanwhile."""
    with _schedules(config, data_dir) as schedules:
        try:
            person = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            person = ""
        schedules.pause(*_parts(name), reason, person)
    out.print(f"{name}: paused; `eo-pygeoapi schedules resume {name}` resumes it", markup=False)


@app.command()
def resume(name: Name, config: Config = None, data_dir: DataDir = None) -> None:
    """End the pause of a person (exit status 1 where something else keeps the schedule from running)."""
    with _schedules(config, data_dir) as schedules:
        standing = schedules.resume(*_parts(name))
    if not standing.active:
        raise EoError(f"{name} is not active: {standing.reason}")
    out.print(f"{name}: active", markup=False)


@app.command()
def run(name: Name, config: Config = None, data_dir: DataDir = None) -> None:
    """Make a job of a schedule now, and print its id."""
    with _schedules(config, data_dir) as schedules:
        job = schedules.run(*_parts(name))
    out.print(job.id, markup=False)


@contextmanager
def _schedules(config: Path | None, data_dir: Path | None) -> Iterator["Schedules"]:
    """Yield the schedules of the stack that runs on this data folder, else of PREFECT_API_URL."""
    with executions(config, data_dir) as there:
        yield there.schedules


def _state(document: "ScheduleDocument") -> str:
    if document.active:
        return "active"
    since = getattr(document, "paused_since", None)
    by = f"paused by a person{f' since {since:%Y-%m-%d %H:%M} UTC' if since else ''}"
    words = by if document.paused_by == "person" else "paused" if document.paused_by else "not active"
    reason = getattr(document, "reason", "")
    return f"{words}: {reason}" if reason else words


def _parts(name: str) -> tuple[str, str]:
    dataset, slash, schedule = name.rpartition("/")
    if not slash:
        raise NoSuchScheduleError(
            f"{name!r} is no schedule; allowed: DATASET/NAME, as `eo-pygeoapi schedules list` shows"
        )
    return dataset, schedule
