"""`eo-pygeoapi demo`: run the local stack, execute the sample once and show its results."""

import time
from collections.abc import MutableMapping
from http import HTTPStatus

import requests
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from eo_pygeoapi.commands.running import Running
from eo_pygeoapi.commands.up.local import print_addresses, run_stack
from eo_pygeoapi.contract.status import FINAL, PROCESS_ID
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.wording import counted

POLL_SECONDS = 0.3
PATIENCE_SECONDS = 60.0  # with a server that is busy, as all are on a slow machine while they start


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
        print_addresses(out, running, {"this job": job, "its results": f"{job}/results?f=json"})

    run_stack(settings, port, prefect_port, environ, out, show)


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
