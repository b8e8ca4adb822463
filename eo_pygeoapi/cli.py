"""The command line: `eo-pygeoapi`. Exit status 0, 1 (failed) or 2 (usage).

Each command imports what it works with when it is called: so `--help` is there at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eo_pygeoapi.commands.backfill_command import backfill
from eo_pygeoapi.commands.backup_commands import backup, restore
from eo_pygeoapi.commands.cache_commands import app as cache_app
from eo_pygeoapi.commands.dhis2.commands import app as dhis2_app
from eo_pygeoapi.commands.looking_after import coverage, history, prune, reconcile, status, undo
from eo_pygeoapi.commands.options import Config, placed_settings
from eo_pygeoapi.commands.schedule_commands import app as schedules_app
from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.commands.token_commands import app as token_app
from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.redaction import redact

if TYPE_CHECKING:
    from eo_pygeoapi.settings import Settings

# the parts of `--help`
EDITING, RUNNING, LOOKING_AFTER = "The configuration file", "What runs", "Looking after it"
app = typer.Typer(
    name="eo-pygeoapi",
    help="Climate and population data for DHIS2: OGC API - Processes on pygeoapi, run by Prefect.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cache_app, name="cache", rich_help_panel=LOOKING_AFTER)
app.add_typer(dhis2_app, name="dhis2", rich_help_panel=LOOKING_AFTER)
app.add_typer(schedules_app, name="schedules", rich_help_panel=LOOKING_AFTER)
app.add_typer(token_app, name="token", rich_help_panel=LOOKING_AFTER)
for command in (backfill, backup, restore, status, coverage, prune, history, undo, reconcile):
    app.command(rich_help_panel=LOOKING_AFTER)(command)
notify_app = typer.Typer(help="The channels of eo.notify.", no_args_is_help=True)
app.add_typer(notify_app, name="notify", rich_help_panel=LOOKING_AFTER)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        out.print(f"eo-pygeoapi {importlib.metadata.version('eo-pygeoapi')}", markup=False)
        raise typer.Exit


OwnDataDir = Annotated[
    Path | None, typer.Option(help="Folder for results, cache, logs and Prefect [default: .eo-pygeoapi]")
]
Port = Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one [default: the file's, 5000]")]
PrefectPort = Annotated[int | None, typer.Option(help="Port of Prefect; 0 takes a free one [default: 4200]")]


@app.callback()
def of_every_command(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command(rich_help_panel=EDITING)
def init(
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one")] = False,
) -> None:
    """Write a configuration file to edit, with a block for each dataset and what it means."""
    from eo_pygeoapi.commands.configuration.packaged import write_packaged

    target = placed_settings(config).config
    write_packaged(target, force)
    out.print(f"wrote {target}; edit it, then `eo-pygeoapi check`, then `eo-pygeoapi up`", markup=False)


@app.command(rich_help_panel=RUNNING)
def up(config: Config = None, port: Port = None, prefect_port: PrefectPort = None, data_dir: OwnDataDir = None) -> None:
    """Run everything on this machine: Prefect server, worker and API, until Ctrl-C."""
    _keep_compiled_code()
    _need_worker()
    from eo_pygeoapi.commands.up.local import run_up

    run_up(_runnable(placed_settings(config, data_dir)), port, prefect_port, os.environ, out)


@app.command(rich_help_panel=RUNNING)
def demo(
    config: Config = None, port: Port = None, prefect_port: PrefectPort = None, data_dir: OwnDataDir = None
) -> None:
    """Run everything on this machine, execute the sample once and show its results."""
    _keep_compiled_code()
    _need_worker()
    from eo_pygeoapi.commands.up.demo import run_demo

    run_demo(_runnable(placed_settings(config, data_dir)), port, prefect_port, os.environ, out)


@app.command(rich_help_panel=EDITING)
def check(
    config: Config = None,
    data_dir: OwnDataDir = None,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask each DHIS2 and provider whether it answers")
    ] = False,
) -> None:
    """Say everything that is wrong with the configuration file and the installation."""
    from eo_pygeoapi.commands.blocks import with_known_blocks
    from eo_pygeoapi.commands.configuration.checks import check as check_file

    given = placed_settings(config, data_dir)
    os.environ["EO_DATA_DIR"] = str(given.data_dir.absolute())  # the file may name it
    settings, remarks = with_known_blocks(given)
    report = check_file(settings.config, settings)
    if local := {id_: dataset for id_, dataset in report.datasets.items() if dataset.names_local_files}:
        from eo_pygeoapi.commands.configuration.near import near_findings

        found, left_out = near_findings(local, Path(settings.cache), settings.data_dir.absolute() / "sample")
        report.problems += found
        report.remarks += left_out
    if online:
        from eo_pygeoapi.commands.configuration.online import unanswered

        report.problems += unanswered(report.datasets, settings)
    if settings.prefect_api_url:
        from eo_pygeoapi.commands.versions import other_releases

        report.remarks += other_releases(settings)
    for remark in (*remarks, *report.remarks):
        out.print(f"note: {escape(remark)}")
    if report.problems:
        raise ConfigError(report.problems)
    out.print(f"{settings.config}: no mistakes; {len(report.datasets)} datasets enabled")


@app.command(rich_help_panel=EDITING)
def datasets(config: Config = None) -> None:
    """List the enabled datasets."""
    from eo_pygeoapi.datasets.read import load_datasets

    table = Table(box=None, pad_edge=False)
    table.add_column("dataset", no_wrap=True)  # what people copy
    for title in ("source", "periods", "in space", "in time", "schedules", "title"):
        table.add_column(title, overflow="fold")
    for id_, dataset in load_datasets(placed_settings(config).config).items():
        how = dataset.aggregation
        schedules = ", ".join(f"{s.cron} {s.timezone}{'' if s.active else ' (off)'}" for s in dataset.schedules)
        table.add_row(id_, dataset.source, dataset.period_type, how.spatial, how.temporal, schedules, dataset.title)
    print_table(table)


@app.command(rich_help_panel=RUNNING)
def watch(config: Config = None, data_dir: OwnDataDir = None) -> None:
    """Look after the feeds: see every minute what is wrong, and tell the channels of `eo.notify`, until Ctrl-C."""
    from eo_pygeoapi.commands.watching import run_watch

    run_watch(placed_settings(config, data_dir))


@notify_app.command("test")
def notify_test(
    name: Annotated[str, typer.Argument(help="Name of a channel of eo.notify")], config: Config = None
) -> None:
    """Send one message to a channel, and say whether it was taken."""
    from eo_pygeoapi.commands.watching import send_test

    send_test(placed_settings(config), name)
    out.print(f"{name}: taken", markup=False)


@app.command(rich_help_panel=EDITING)
def apply(config: Config = None, data_dir: OwnDataDir = None) -> None:
    """After an edit of the configuration file: check it, and bring Prefect and the API in step with it."""
    from eo_pygeoapi.commands.configuration.applying import apply as apply_file
    from eo_pygeoapi.commands.configuration.applying import print_outcome

    settings = placed_settings(config, data_dir)
    os.environ["EO_DATA_DIR"] = str(settings.data_dir.absolute())  # the file may name it
    outcome = apply_file(settings)
    print_outcome(outcome, out, err)


@app.command(rich_help_panel=RUNNING)
def worker(
    name: Annotated[str | None, typer.Option(help="Name of this worker in the Prefect UI")] = None,
    config: Config = None,
    data_dir: OwnDataDir = None,
) -> None:
    """Run a worker: it takes jobs from Prefect (PREFECT_API_URL) and executes them, until Ctrl-C."""
    _need_worker()
    settings = placed_settings(config, data_dir)
    os.environ["PYGEOAPI_CONFIG"] = str(settings.config.absolute())
    os.environ["EO_DATA_DIR"] = str(settings.data_dir.absolute())
    from eo_pygeoapi.commands.up.used_sample import make_used_sample
    from eo_pygeoapi.worker.environment import set_environment

    make_used_sample(settings)
    set_environment(settings, os.environ)  # before Prefect reads it
    from eo_pygeoapi.worker.working import run_worker

    run_worker(settings, name, os.environ, os.environb)


@app.command(rich_help_panel=RUNNING)
def prefect_server(
    host: Annotated[str, typer.Option(help="Address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at")] = 4200,
) -> None:
    """Run Prefect's server, as `prefect server start` does; on SQLite its writers wait for each other."""
    from eo_pygeoapi.commands.up.prefect_server import serve

    serve(host, port)


def main() -> None:
    """Run the command line; errors of ours and of the system are printed as sentences, one a line."""
    try:
        app(standalone_mode=True)
    except ConfigError as error:
        _fail(error.problems)
    except EoError as error:
        _fail([str(error)])
    except OSError as error:  # a folder that nobody can write to, a disk that is full
        _fail([f"{error.filename or 'the file system'}: {error.strerror or error}"])


def _keep_compiled_code() -> None:
    """Have this process and those it starts share what Python compiles, also where the environment says not to.

    uv installs sources only: without it each of the five processes would compile all libraries, at every start.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _need_worker() -> None:
    from eo_pygeoapi.commands.extras import need_worker

    need_worker()


def _runnable(settings: "Settings") -> "Settings":
    """Return the settings with a file that exists: the packaged one where nobody has named or written one."""
    from eo_pygeoapi.commands.configuration.packaged import edited_or_packaged

    found = edited_or_packaged(settings.config)
    if found != settings.config:
        out.print(f"note: without {settings.config} here, the packaged one is used; `eo-pygeoapi init` writes it")
    return settings.model_copy(update={"config": found})


def _fail(problems: list[str]) -> NoReturn:
    from eo_pygeoapi.settings import secrets_of

    secrets = secrets_of()
    for problem in problems:
        err.print(f"[red]error:[/red] {escape(redact(problem, secrets))}")
    sys.exit(1)
