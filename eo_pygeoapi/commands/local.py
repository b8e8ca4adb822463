"""`eo-pygeoapi up` and `eo-pygeoapi demo`: run the local stack in a terminal."""

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from pathlib import Path

import requests
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from eo_pygeoapi.commands.blocks import with_known_blocks
from eo_pygeoapi.commands.checks import check
from eo_pygeoapi.commands.effective_config import CONFIG
from eo_pygeoapi.commands.given_up import tell_of_the_end
from eo_pygeoapi.commands.interrupts import INTERRUPTED, ignore_interrupts, raise_interrupts
from eo_pygeoapi.commands.running import Running
from eo_pygeoapi.commands.stack import NAMES, ChildDiedError, LocalStack
from eo_pygeoapi.contract.status import FINAL, PROCESS_ID
from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.wording import counted

POLL_SECONDS = 0.3
PATIENCE_SECONDS = 60.0  # with a server that is busy, as all are on a slow machine while they start
_LOG = logging.getLogger(__name__)


def run_up(
    settings: Settings, port: int | None, prefect_port: int | None, environ: MutableMapping[str, str], out: Console
) -> None:
    """Run the stack until Ctrl-C or SIGTERM."""
    _run(settings, port, prefect_port, environ, out, lambda running: _print_addresses(out, running, {}))


def run_demo(
    settings: Settings, port: int | None, prefect_port: int | None, environ: MutableMapping[str, str], out: Console
) -> None:
    """Run the stack, execute the process description's example, show its results, go on until Ctrl-C."""
    if settings.api_tokens_file is not None:
        raise EoError("the demo sends no token; unset EO_API_TOKENS_FILE for it, or run `eo-pygeoapi up`")
    begun = time.monotonic()

    def show(running: Running) -> None:
        job = _execute_example(running, out)
        result = get(f"{job}/results?f=json")
        _print_results(out, running, job, result)
        out.print(f"\nFirst result after {time.monotonic() - begun:.0f} s.")
        _print_addresses(out, running, {"this job": job, "its results": f"{job}/results?f=json"})

    _run(settings, port, prefect_port, environ, out, show)


def _run(
    settings: Settings,
    port: int | None,
    prefect_port: int | None,
    environ: MutableMapping[str, str],
    out: Console,
    show: Callable[[Running], None],
) -> None:
    """Check the file, start the stack, call `show`, and stop the stack at Ctrl-C or an error.

    Exits with the status of an interrupted command where Ctrl-C comes before the stack is up.
    """
    environ["EO_DATA_DIR"] = str(settings.data_dir.absolute())  # the file may name it
    report = check(settings.config, settings)
    if report.problems:
        raise ConfigError(report.problems)
    if report.remarks:  # a newcomer has no connection yet: one line, and where to read on
        out.print(f"note: `eo-pygeoapi check` has {len(report.remarks)} remarks, such as on schedules that are paused")
    stack = LocalStack(
        settings.config, settings.data_dir, port, prefect_port, environ, lambda text: out.print(text, markup=False)
    )

    def prepare() -> Callable[[Running, Path], None]:
        from eo_pygeoapi.commands.applying import apply_to_prefect  # with Prefect's client, while its server starts

        def apply(running: Running, effective: Path) -> None:
            apply_to_prefect(effective, settings.model_copy(update={"prefect_api_url": running.prefect_api_url}))

        return apply

    try:
        raise_interrupts()
        with out.status("starting Prefect, the worker and the API"):
            running = stack.start(prepare)
        show(running)
        out.print("\nRunning; Ctrl-C stops everything.")
        stack.watch()
    except KeyboardInterrupt:
        out.print()
        if not stack.is_up:
            sys.exit(INTERRUPTED)
    except ChildDiedError as error:
        if stack.is_up:
            _give_up(stack, settings, error)
        raise
    finally:
        ignore_interrupts()
        stack.stop()


def _give_up(stack: LocalStack, settings: Settings, error: ChildDiedError) -> None:
    """Stop the stack and tell the channels; while it runs, Prefect may still know their addresses."""
    there = settings.placed(stack.data_dir / CONFIG)
    settings, _ = with_known_blocks(there.model_copy(update={"prefect_api_url": stack.running.prefect_api_url}))
    ignore_interrupts()
    stack.stop()
    try:
        tell_of_the_end(settings, NAMES[error.child], str(stack.log_file(error.child)))
    except EoError as failed:
        _LOG.warning("no channel could be told: %s", failed)


def _execute_example(running: Running, out: Console) -> str:
    """Execute the example of the process description and wait for the job; returns the job's address."""
    process = f"{running.web_url}/processes/{PROCESS_ID}"
    example = get(f"{process}?f=json")["example"]
    out.print(f"\nPOST {process}/execution\n{example}\n", markup=False)
    answer = requests.post(f"{process}/execution", json=example, timeout=30)
    if answer.status_code != 201:
        raise EoError(f"the execution was answered with {answer.status_code}: {answer.text}")
    job = answer.headers["Location"]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as bar:
        task, said, status = bar.add_task("accepted", total=100), "", get(f"{job}?f=json")
        while True:
            # the end of a long message would take the bar's place; the table says it again
            words = status["message"].partition(";")[0]
            bar.update(task, completed=status["progress"], description=words)
            if not out.is_terminal and status["message"] != said:
                said = status["message"]
                out.print(f"{status['progress']:3d} % {said}", markup=False)
            if status["status"] in FINAL:
                break
            time.sleep(POLL_SECONDS)
            status = get(f"{job}?f=json")
    if status["status"] != "successful":
        raise EoError(f"the job {job} {status['status']}: {status['message']}")
    return job


def _print_results(out: Console, running: Running, job: str, result: JsonObject) -> None:
    dataset = get(f"{running.web_url}/processes/{PROCESS_ID}?f=json")["example"]["inputs"]["datasetId"]
    items = get(f"{running.web_url}/collections/{dataset}/items?f=json&limit=10000&skipGeometry=true")
    values: dict[str, list[float]] = {}
    for feature in items["features"]:
        if feature["properties"]["value"] is not None:
            values.setdefault(feature["properties"]["name"], []).append(feature["properties"]["value"])
    table = Table("organisation unit", "values", "lowest", "mean", "highest", title=f"{dataset} (synthetic sample)")
    for name, found in sorted(values.items()):
        table.add_row(name, str(len(found)), *(f"{v:.1f}" for v in (min(found), sum(found) / len(found), max(found))))
    out.print(table)
    summary = result["importSummary"]
    out.print(
        f"{counted(result['orgUnitCount'], 'organisation unit')}, {counted(result['rowCount'], 'value')}; "
        f"import into DHIS2: {summary['status']}{' - ' + summary['reason'] if summary.get('reason') else ''}",
        markup=False,
    )


def _print_addresses(out: Console, running: Running, job: dict[str, str]) -> None:
    addresses = {
        "the API": running.web_url,
        "the process": f"{running.web_url}/processes/{PROCESS_ID}",
        "all jobs": f"{running.web_url}/jobs",
        **job,
        "published values": f"{running.web_url}/collections",
        "Prefect": running.prefect_api_url.removesuffix("/api"),
    }
    for name, address in addresses.items():
        out.print(f"\n{name}\n  {address}", markup=False, soft_wrap=True)


def get(url: str, seconds: float = PATIENCE_SECONDS) -> JsonObject:
    """Return a JSON document of the API; asked again for so long where it says that it is too busy to answer."""
    until = time.monotonic() + seconds
    while True:
        answer = requests.get(url, headers={"Accept": "application/json"}, timeout=30)
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
            break
        time.sleep(POLL_SECONDS)
    if not answer.ok:
        raise EoError(f"GET {url} was answered with {answer.status_code}: {answer.text[:500]}")
    body: JsonObject = answer.json()
    return body
