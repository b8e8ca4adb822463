"""The commands `eo-pygeoapi dhis2 …`: setup, check."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from eo_pygeoapi.commands.options import Config, DataDir
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.redaction import redact, redact_json

if TYPE_CHECKING:
    from eo_pygeoapi.commands.dhis2.setup import Outcome
    from eo_pygeoapi.datasets.block import Dataset
    from eo_pygeoapi.settings import Dhis2Connection, Settings

app = typer.Typer(help="What DHIS2 needs for imports: make it, and check it.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)
ACTIONS = {"make": "make   ", "add": "add to ", "change": "differs"}

Ids = Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="Ids; all without any")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines")]


@app.command()
def setup(
    datasets: Ids = None,
    apply: Annotated[bool, typer.Option("--apply", help="Make what DHIS2 lacks")] = False,
    change: Annotated[bool, typer.Option("--change", help="With --apply: also change what differs")] = False,
    readers: Annotated[
        list[str] | None, typer.Option("--readers", metavar="GROUP", help="A user group that may read the values")
    ] = None,
    admin: Annotated[str, typer.Option(help="Who makes it; the password is asked for", metavar="NAME")] = "",
    config: Config = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Plan what DHIS2 lacks for the datasets: data elements, data sets, the importer's user, role and group."""
    if change and not apply:
        raise typer.BadParameter("--change changes nothing without --apply")
    from pydantic import SecretStr

    from eo_pygeoapi.commands.dhis2.setup import Wishes, set_up

    settings, chosen = _chosen(config, data_dir, datasets or [])
    wishes, outcomes = Wishes(apply, change, readers or []), []
    password = SecretStr(typer.prompt(f"Password of {admin}", hide_input=True, err=True)) if admin else None
    for name, connection, of_connection in _by_connection(settings, chosen):
        maker = settings.dhis2_admin(name)
        if admin:
            login = {"token": None, "username": admin, "password": password}
            maker = connection.model_copy(update=login)
        outcomes.append(set_up(name, connection, maker, of_connection, wishes))
    secrets = [*settings.secrets(), *([password.get_secret_value()] if password else [])]
    if as_json:
        shown = [redact_json(outcome.to_json(), secrets) for outcome in outcomes]
        typer.echo(json.dumps({"connections": shown}, ensure_ascii=False, indent=2))
    else:
        for outcome in outcomes:
            for line in _words(outcome, wishes.apply, change):
                out.print(redact(line, secrets), markup=False)
    if any(outcome.problems for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def check(datasets: Ids = None, config: Config = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say whether imports would work: each DHIS2, its user, and each dataset (exit status 1 where one would not)."""
    from eo_pygeoapi.commands.dhis2.check import look

    settings, chosen = _chosen(config, data_dir, datasets or [])
    lines = [
        line
        for name, connection, of_connection in _by_connection(settings, chosen)
        for line in look(name, connection, of_connection)
    ]
    if as_json:
        shown = redact_json([line.to_json(exclude_defaults=True) for line in lines], settings.secrets())
        typer.echo(json.dumps({"lines": shown}, ensure_ascii=False, indent=2))
    else:
        for line in lines:
            words = f"{line.state:7} {line.dataset or line.connection}: {line.subject}: {line.message}"
            out.print(redact(words, settings.secrets()), markup=False)
    if any(line.state == "error" for line in lines):
        raise typer.Exit(1)


def _chosen(config: Path | None, data_dir: Path | None, ids: Sequence[str]) -> tuple["Settings", list["Dataset"]]:
    """Return the settings, and the datasets of these ids, or all that name a place in DHIS2."""
    from eo_pygeoapi.commands.blocks import with_known_blocks
    from eo_pygeoapi.datasets.read import load_datasets
    from eo_pygeoapi.settings import process_settings

    named = process_settings().placed(config, data_dir)
    enabled = load_datasets(named.config)
    if unknown := [id_ for id_ in ids if id_ not in enabled]:
        raise typer.BadParameter(f"unknown dataset {', '.join(unknown)} (enabled: {', '.join(enabled) or 'none'})")
    chosen = [enabled[id_] for id_ in ids] if ids else list(enabled.values())
    nowhere = [dataset.id for dataset in chosen if not dataset.dhis2.data_element]
    if (nowhere and len(nowhere) == len(chosen)) or (ids and nowhere):
        raise EoError(
            f"{', '.join(nowhere)}: nothing says to which DHIS2 the values go; set dhis2.connection in the eo: block, "
            "or in eo.defaults"
        )
    settings, remarks = with_known_blocks(named)
    for remark in remarks:
        typer.echo(f"note: {remark}", err=True)
    return settings, [dataset for dataset in chosen if dataset.dhis2.data_element]


def _by_connection(
    settings: "Settings", datasets: Sequence["Dataset"]
) -> Iterator[tuple[str, "Dhis2Connection", list["Dataset"]]]:
    """Yield the connections that the datasets name, with their datasets."""
    from eo_pygeoapi.settings import how_to_connect

    names = dict.fromkeys(dataset.dhis2.connection for dataset in datasets)
    if absent := [name for name in names if settings.dhis2_connection(name) is None]:
        raise EoError("; ".join(f"there is no DHIS2 connection {name!r}: {how_to_connect(name)}" for name in absent))
    for name in names:
        if connection := settings.dhis2_connection(name):
            yield name, connection, [dataset for dataset in datasets if dataset.dhis2.connection == name]


def _words(outcome: "Outcome", apply: bool, change: bool) -> Iterator[str]:
    """Yield the lines that people read of one connection."""
    if outcome.version:
        by = f", imports by {outcome.importer}" if outcome.importer else ""
        yield f"{outcome.connection}: DHIS2 {outcome.version} at {outcome.address}, as {outcome.user}{by}"
    for step in outcome.steps:
        yield f"  {ACTIONS[step.action]} {step.in_words()}"
    yield from (f"  note: {remark}" for remark in outcome.remarks)
    yield from (f"  error: {outcome.connection}: {problem}" for problem in outcome.problems)
    differing = [step for step in outcome.steps if step.action == "change"]
    if outcome.made:
        yield f"  done: {len(outcome.made)} of {len(outcome.steps)} steps"
    elif outcome.version and len(differing) < len(outcome.steps) and not apply:
        yield "  nothing was changed; with --apply all but what differs is made"
    elif outcome.version and not outcome.steps:
        yield "  DHIS2 has all of it"
    if differing and not (apply and change):
        yield "  what differs stays as it is; with --apply --change it is changed"
