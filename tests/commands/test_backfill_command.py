"""`eo-pygeoapi backfill`, as people call it, beside a stack."""

import json

import pytest

from tests.stack import Stack

SAMPLE = ("backfill", "sample-temperature", "--start", "2025-07-01", "--end", "2025-07-31")


def test_it_says_what_it_takes_in_words(stack: Stack) -> None:
    said = stack.command_here(*SAMPLE)
    assert said.returncode == 0, said.stderr
    words = {line[:17].strip(): line[17:].strip() for line in said.stdout.splitlines()}
    assert words["values"].endswith("(31 periods, 6 organisation units)"), said.stdout
    assert words["to download"] == "0.0 MiB" and words["jobs"] == "1"
    assert words["ends"].endswith("UTC, begun now")
    # the sample has no data element: that speaks against an import
    assert "error: dataset 'sample-temperature' names no dhis2.dataElement" in said.stdout


def test_it_says_so_as_json(stack: Stack) -> None:
    said = stack.command_here(*SAMPLE, "--json", "--window", "20:00-05:00", "--only", "all")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["dryRun"] and found["values"] == 31 * 6 and found["chunks"]["total"] == 1


def test_a_mistake_is_a_sentence(stack: Stack) -> None:
    for more, words in (
        (("--window", "nights"), "input window"),
        (("--apply",), "input dhis2.dataElement: is required to import"),
    ):
        said = stack.command_here(*SAMPLE, *more)
        assert said.returncode == 1 and words in said.stderr and "Traceback" not in said.stderr, said.stderr


@pytest.mark.slow
def test_a_real_one_prints_its_job_and_what_came_of_it(stack: Stack) -> None:
    asked = ("backfill", "rain", "--start", "2024-01-01", "--end", "2024-01-02", "--apply", "--only", "all")
    said = stack.command_here(*asked)
    assert said.returncode == 0, said.stderr + said.stdout
    first, last = said.stdout.splitlines()
    assert first.startswith("job ") and last.startswith("finished: 1 of 1 year done, "), said.stdout
    document = stack.get(f"/jobs/{first.removeprefix('job ')}?f=json").json()
    assert document["chunks"] == {"total": 1, "done": 1, "failed": 0}
    (child,) = document["childJobs"]
    assert stack.get(f"/jobs/{child}?f=json").json()["parentJobID"] == document["jobID"]
    page = stack.get(f"/jobs/{document['jobID']}?f=html")
    assert page.status_code == 200
    later = stack.command_here(*asked[:-2], "--no-wait", "--json")
    assert json.loads(later.stdout)["status"] == "accepted", later.stdout + later.stderr
