"""`eo-pygeoapi apply`: bring Prefect and the API in step with the configuration file."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from eo_pygeoapi.commands.configuration.checks import channels_without_address, check, paused_remarks
from eo_pygeoapi.commands.configuration.effective_config import write_effective, write_openapi
from eo_pygeoapi.commands.configuration.packaged import packaged_config
from eo_pygeoapi.commands.running import Running, in_stack, running_stack
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.processes import processes_in
from eo_pygeoapi.datasets.read import load_configuration
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.gateway.apply import Applied, apply_deployments
from eo_pygeoapi.gateway.credentials import read_blocks, register
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import DEFAULT_CONFIG, Settings
from eo_pygeoapi.store.pauses import Pauses, in_words
from eo_pygeoapi.store.store import ResultStore

WEB_PID = "web.pid"


@dataclass(frozen=True)
class Outcome:
    """The changes in Prefect, whether a web process was told, and the running stack whose environment counted.

    `remarks` are on what Prefect has nothing of, such as channels without an address.
    """

    deployments: Applied
    web_told: bool
    running: Running | None
    remarks: Sequence[str] = ()


def apply(settings: Settings) -> Outcome:
    """Check the file, bring Prefect in step, write the OpenAPI document, and have the web process take it up.

    Raises ConfigError before anything is changed when the file has mistakes, EngineUnavailableError when Prefect is
    away.
    """
    running = running_stack(settings.data_dir)
    edited = edited_file(settings.config, Path(running.edited)) if running else settings.config
    if running:
        settings = in_stack(settings, running)
    report = check(edited, settings)
    if report.problems:
        raise ConfigError(report.problems)
    deployments = apply_to_prefect(edited, settings)
    if running:
        write_effective(edited, settings.data_dir.absolute(), running.port)
    elif settings.openapi:
        write_openapi(edited, settings.openapi)
    told = tell_web(settings.web_pid or settings.data_dir / WEB_PID)
    operations, known = load_configuration(edited)[1], settings.with_blocks(read_blocks(settings.prefect_api_url))
    return Outcome(deployments, told, running, list(channels_without_address(operations, known)))


def print_outcome(outcome: Outcome, out: Console, err: Console) -> None:
    """Print by name what was done and what is paused; a warning for a schedule that ran until now."""
    done = outcome.deployments
    updated = [name for name in done.updated if name not in done.taken_up]
    for word, names in (
        ("created", done.created), ("taken up", done.taken_up), ("updated", updated), ("unchanged", done.unchanged),
        ("retired", done.retired),
    ):  # fmt: skip
        if names:
            out.print(f"{word}: {', '.join(names)}", markup=False)
    for name in done.otherwise:
        out.print(
            f"note: {name} computes its values otherwise from now on; those of days that no schedule asks for stay as "
            f"they are, here and in DHIS2, until `eo-pygeoapi backfill {name}` computes them anew",
            markup=False,
        )
    for name, changed in done.mended.items():
        out.print(f"mended {name}, for in Prefect somebody had changed {', '.join(changed)}", markup=False)
    before, now = done.lost_after
    if before != now:
        out.print(f"note: a machine counts as lost after {now} s without a sign of life, and no more after {before} s")
    for name, pause in done.held.items():
        how = f"`eo-pygeoapi schedules resume {name}` resumes it"
        out.print(f"note: schedule {name} {in_words(pause)}; {how}", markup=False)
    for name in done.resumed:
        out.print(f"note: schedule {name} was resumed by a person in Prefect", markup=False)
    for name in done.stopped:
        err.print(
            f"[yellow]warning:[/yellow] schedule {name} was active, and is paused now: {escape(done.paused[name])}"
        )
    for remark in paused_remarks((name, why) for name, why in done.paused.items() if name not in done.stopped):
        out.print(f"note: {escape(remark)}")
    for remark in outcome.remarks:
        out.print(f"note: {escape(remark)}")
    if outcome.running and (done.paused or outcome.remarks):
        pid = outcome.running.pid
        out.print(f"note: what counts is the environment of the running `eo-pygeoapi up` (process {pid}) when it began")
    out.print(
        "The running API takes it up now."
        if outcome.web_told
        else "No running API was found here; restart it to take this up."
    )


def edited_file(config: Path, started_with: Path) -> Path:
    """Return the file that people edit: `config` where they name one, else the one that `up` was started with.

    The packaged file, with which `up` runs where there was none, gives way to the one that `init` has written since.
    """
    if config != DEFAULT_CONFIG or (started_with == packaged_config() and config.exists()):
        return config
    return started_with


def apply_to_prefect(config: Path, settings: Settings) -> Applied:
    """Bring the deployments in Prefect in step with the configuration file."""
    resources = read_config(config)["resources"]
    processes = processes_in(resources.items())
    gateway = PrefectGateway(settings.prefect_api_url, secrets=settings.secrets(), read_timeout=30.0)
    try:
        gateway.ping()  # it says within seconds that Prefect is away
        register(settings.prefect_api_url)
        settings = settings.with_blocks(read_blocks(settings.prefect_api_url))
        lost_after = agree_on_lost_runs(gateway, settings)
        datasets, operations = load_configuration(config)
        pauses = Pauses(ResultStore(settings.results))
        done = apply_deployments(gateway, datasets, processes, settings, pauses, operations.tenants)
        return replace(done, lost_after=lost_after)
    finally:
        gateway.close()


def agree_on_lost_runs(gateway: PrefectGateway, settings: Settings) -> tuple[int, int]:
    """Set after how many silent seconds a machine counts as lost; returns what that was, and what it is now.

    What the installation has stays where this environment says nothing of it.
    """
    wanted = settings.lost_after_seconds
    before = gateway.ensure_lost_runs(wanted)
    now = wanted if settings.says_lost_after else before
    gateway.put_lost_runs(now)  # also where an earlier release has set the same number
    return before, now


def tell_web(file: Path) -> bool:
    """Have the web process start workers with the new configuration; the old ones finish their requests first."""
    try:
        pid = int(file.read_text())
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True
