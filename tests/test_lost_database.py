"""Prefect's database is lost: what was imported is still known, and all goes on with a new one."""

import json
import shutil
from pathlib import Path

import pytest

from tests.stack import Stack, base_config, up
from tests.worker.farm import until

SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-31"}


def jobs_known(stack: Stack) -> tuple[list[str], list[str]]:
    """The jobs that the command and the API have in the history."""
    said = stack.command("history", "sample-temperature", "--json")
    assert said.returncode == 0, said.stderr
    over_http = stack.get("/datasets/sample-temperature/history?f=json").json()["imports"]
    return [line["jobID"] for line in json.loads(said.stdout)], [line["jobID"] for line in over_http]


@pytest.mark.slow
def test_the_history_and_the_values_outlive_prefects_database(tmp_path: Path) -> None:
    with up(tmp_path, base_config(), {}) as stack:
        first = stack.result(**SAMPLE)["jobID"]
    shutil.rmtree(tmp_path / "data" / "prefect")
    with up(tmp_path, base_config(), {}) as stack:
        assert stack.jobs() == []
        assert jobs_known(stack) == ([first], [first])
        assert {feature["properties"]["jobID"] for feature in stack.features("sample-temperature")} == {first}
        assert stack.get(f"/jobs/{first}?f=json").status_code == 404
        second = stack.result(**SAMPLE)["jobID"]
        until(lambda: jobs_known(stack) == ([second, first], [second, first]))  # written a moment after the job's end
