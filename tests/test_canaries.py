"""No secret stands in anything that the system writes: not when all goes well, and not in what it says of failures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from eo_pygeoapi.gateway.credentials import Dhis2Connection
from tests import canaries
from tests.servers import patient
from tests.stack import RAINY_MONTH, Stack
from tests.standins import dhis2

DAY = {"start": f"{RAINY_MONTH[0]}-{RAINY_MONTH[1]:02}-05", "end": f"{RAINY_MONTH[0]}-{RAINY_MONTH[1]:02}-05"}
ECHO = {"path": "/api/dataValueSets", "method": "POST", "echo": True}


@pytest.fixture(scope="module")
def jobs(stack: Stack, dhis2_server: dhis2.StandIn) -> Iterator[list[str]]:
    """Run a job by each way to log in, and jobs that fail in ways which tempt to tell too much; returns their paths."""
    dhis2_server.reset()  # a value that is there already would not be sent
    with temporary_settings({PREFECT_API_URL: stack.prefect_api}):
        Dhis2Connection(url=dhis2_server.url, token=SecretStr(canaries.BLOCK_TOKEN)).save("vault", overwrite=True)
    done = []

    def run(status: str, **inputs: Any) -> str:
        job = stack.submit(datasetId="rain", **DAY, **inputs)
        ended = stack.ended(job, 240)
        assert ended["status"] == status, f"{ended}\n{stack.log('worker')}"
        done.append(job)
        return str(ended["message"])

    for connection in ("national", "basic", "vault"):
        run("successful", dhis2={"connection": connection})
    said = run("failed", dhis2={"connection": "wrong"})
    assert "401" in said and "Unauthorized" in said
    try:
        for connection, status in (("basic", 400), ("vault", 403)):
            dhis2_server.faults(ECHO | {"status": status})
            said = run("failed", dhis2={"connection": connection}, dryRun=False, orgUnitIds=["O6uvpzGd5pu"])
            assert "Authorization" in said and "****" in said
    finally:
        dhis2_server.faults()
    yield done


def leaks(where: str, content: bytes) -> list[str]:
    return [f"{secret} in {where}" for form, secret in canaries.forms().items() if form in content]


def test_the_search_finds_what_is_there() -> None:
    for form in canaries.forms():
        assert leaks("here", b"before " + form + b" after")


def test_the_secrets_were_used(stack: Stack, jobs: list[str], dhis2_server: dhis2.StandIn) -> None:
    users = {entry.get("user") for entry in dhis2_server.log(path="/api/me")}
    assert {"admin", "block"} <= users
    summary = stack.get(f"{jobs[2]}/results?f=json").json()["importSummary"]
    assert summary["status"] == "SUCCESS" or summary["unchanged"]


def test_nothing_on_the_disk(stack: Stack, jobs: list[str]) -> None:
    files = [path for path in stack.folder.parent.rglob("*") if path.is_file() and path != stack.config]
    assert {"prefect.db", "worker.log", "web.log", "prefect-server.log"} <= {path.name for path in files}
    assert any("payload-preview.json" in path.name for path in files)
    found = [leak for path in files for leak in leaks(str(path), _content(path))]
    assert not found


def test_nothing_in_the_answers_of_the_api(stack: Stack, jobs: list[str]) -> None:
    pages = ["/", "/jobs", "/processes/eo-aggregate-import", "/collections", "/collections/rain/items", "/openapi"]
    pages += [path for job in jobs for path in (job, f"{job}/results")]
    found = []
    for page in pages:
        for form in ("json", "html"):
            answer = stack.get(page, params={"f": form})
            found += leaks(f"{page} as {form}", answer.content + str(answer.headers).encode())
    bad = stack.execute({"inputs": {"datasetId": "rain", **DAY, "dhis2": {"connection": canaries.TOKEN, "x": 1}}})
    assert bad.status_code == 400
    assert not found


def test_nothing_in_prefect(stack: Stack, jobs: list[str]) -> None:
    found = []
    asked = ["logs", "artifacts", "flow_runs", "task_runs", "deployments", "events", "v2/concurrency_limits"]
    for kind in asked:
        body: dict[str, Any] = {"limit": 200, "offset": 0} if kind != "events" else {"limit": 50}
        while True:
            answer = patient().post(f"{stack.prefect_api}/{kind}/filter", json=body, timeout=30)
            assert answer.ok, f"{kind}: {answer.text}"
            found += leaks(f"Prefect's {kind}", answer.content)
            if kind == "events" or len(answer.json()) < 200:
                break
            body["offset"] += 200
    blocks = patient().post(f"{stack.prefect_api}/block_documents/filter", json={}, timeout=30)
    assert "vault" in blocks.text
    assert not found + leaks("Prefect's blocks", blocks.content)


def test_nothing_in_what_commands_print(stack: Stack, jobs: list[str], tmp_path: Path) -> None:
    for arguments in (["check", "--config", str(stack.config)], ["datasets", "--config", str(stack.config)]):
        done = stack.command_here(*arguments)
        assert not leaks(" ".join(arguments), (done.stdout + done.stderr).encode())


def _content(path: Path) -> bytes:
    """Return the file as it is and, where it is JSON, also without its escapes; nothing of one that has just gone."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    if path.suffix == ".json":
        content += json.dumps(json.loads(content), ensure_ascii=False).encode()
    return content
