"""An import, what DHIS2 holds of it, and back: `eo-reconcile` and `eo-undo` through HTTP, with every part real."""

from typing import Any

from tests.stack import Stack
from tests.standins import dhis2
from tests.standins.dhis2_metadata import BO, IN_TWO_SETS
from tests.worker.farm import until

DATASET = "rain-undone"
DAYS = {"datasetId": DATASET, "start": "2024-01-02", "end": "2024-01-04"}


def held(server: dhis2.StandIn) -> dict[tuple[str, str], str]:
    return {(v["orgUnit"], v["period"]): v["value"] for v in server.values() if v["dataElement"] == IN_TWO_SETS}


def shown(stack: Stack) -> dict[str, float]:
    return {f["id"]: f["properties"]["value"] for f in stack.features(DATASET)}


def outcome(stack: Stack, process: str, **inputs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Execute a companion, wait for success and return its document and its result."""
    job = stack.submit(process, **inputs)
    document = stack.ended(job)
    assert document["status"] == "successful", f"{document}\n{stack.log('worker')}"
    result: dict[str, Any] = stack.get(f"{job}/results?f=json").json()
    return document, result


def history(stack: Stack, count: int) -> list[tuple[str, bool, int, int]]:
    """The imports of the dataset; the line of each is written a moment after its job's end."""

    def all_lines() -> list[dict[str, Any]] | None:
        lines: list[dict[str, Any]] = stack.get(f"/datasets/{DATASET}/history?f=json").json()["imports"]
        return lines if len(lines) >= count else None

    return [(line["process"], line["dryRun"], line["imported"], line["deleted"]) for line in until(all_lines)]


def test_an_import_is_reconciled_and_undone(stack: Stack, dhis2_server: dhis2.StandIn) -> None:
    first = stack.result(**DAYS | {"end": "2024-01-03"}, dryRun=False)
    before, shown_before = held(dhis2_server), shown(stack)
    assert len(before) == len(shown_before) == 26
    correction = {"dataElement": IN_TWO_SETS, "orgUnit": BO, "period": "20240102", "value": "999"}
    dhis2_server.put_values(correction)
    second = stack.result(**DAYS, dryRun=False)
    assert (second["importSummary"]["imported"], second["importSummary"]["keptCount"]) == (13, 1)

    document, result = outcome(stack, "eo-reconcile", **DAYS)
    assert document["message"] == (
        "finished: DHIS2 holds 38 of 39 values of 2024-01-02 to 2024-01-04 as they were sent; 1 changed"
    )
    (difference,) = result["differences"]
    assert difference.items() >= {"orgUnit": BO, "period": "20240102", "held": "999", "storedBy": "somebody"}.items()
    rows = stack.get(f"/jobs/{document['jobID']}/files/differences.csv").text.splitlines()
    assert len(rows) == 2 and rows[1].startswith(f"{BO},20240102,8.12,999,changed,")

    dhis2_server.put_values({**correction, "period": "20240104", "value": "77"})
    document, result = outcome(stack, "eo-undo", jobId=second["jobID"])
    expected = "of 13 values: 12 would be deleted, 1 kept (changed since)"
    assert document["message"] == f"finished: a dry run, nothing is changed; {expected}"
    assert document["importSummary"]["deleted"] == 12 and len(held(dhis2_server)) == len(shown(stack)) == 39

    document, result = outcome(stack, "eo-undo", jobId=second["jobID"], dryRun=False)
    assert document["message"] == "finished: of 13 values: 12 deleted, 1 kept (changed since)"
    (kept,) = result["importSummary"]["kept"]
    assert (kept["orgUnit"], kept["period"], kept["stored"], kept["storedBy"]) == (BO, "20240104", "77", "somebody")
    assert held(dhis2_server) == before | {(BO, "20240102"): "999", (BO, "20240104"): "77"}
    assert shown(stack) == shown_before
    coverage = stack.get(f"/datasets/{DATASET}/coverage?start=2024-01-02&end=2024-01-04&f=json").json()
    column = [unit["id"] for unit in coverage["orgUnits"]].index(BO)
    assert [row[column] for row in coverage["rows"]] == ["K", "V", "K"]
    assert set(coverage["rows"][2]) == {"K", "-"}
    assert stack.get(f"/datasets/{DATASET}?f=json").json()["importedUntil"] == "2024-01-03"

    document, _ = outcome(stack, "eo-undo", jobId=second["jobID"], dryRun=False)
    assert document["message"] == "finished: of 13 values: 12 taken back before, 1 kept (changed since)"

    compared = stack.command_here("reconcile", DATASET, "--start", "2024-01-02", "--end", "2024-01-03")
    assert compared.returncode == 1, compared.stderr
    assert "DHIS2 holds 25 of 26 values of 2024-01-02 to 2024-01-03 as they were sent" in compared.stdout
    assert "it was changed by somebody at 20" in compared.stdout
    undone = stack.command_here("undo", first["jobID"], "--apply")
    assert undone.returncode == 0, undone.stderr
    assert undone.stdout.splitlines()[:3] == [
        f"26 values were changed by {first['jobID']}", "      25 deleted", "       1 kept, for they have changed since"
    ]  # fmt: skip
    assert history(stack, 6) == [
        ("eo-undo", False, 0, 25), ("eo-undo", False, 0, 0), ("eo-undo", False, 0, 12), ("eo-undo", True, 0, 12),
        ("", False, 13, 0), ("", False, 26, 0),
    ]  # fmt: skip
    refused = stack.command_here("undo", "no-job")
    assert (refused.returncode, refused.stderr) == (1, "error: input jobId: there is no job 'no-job'\n")
    assert held(dhis2_server) == {(BO, "20240102"): "999", (BO, "20240104"): "77"}
    assert shown(stack) == {}


def test_what_cannot_be_undone_is_refused_with_the_reason(stack: Stack) -> None:
    dry = stack.result(**DAYS)["jobID"]
    undo = outcome(stack, "eo-reconcile", **DAYS)[0]["jobID"]
    for inputs, words in (
        ({"jobId": dry}, f"input jobId: job {dry} was a dry run, which changes nothing in DHIS2"),
        ({"jobId": undo}, "is one of eo-reconcile; allowed: jobs of eo-aggregate-import, eo-backfill"),
        ({"jobId": "0" * 8}, "there is no job '00000000'"),
        ({}, "input jobId: is required"),
        ({"jobId": dry, "dryrun": False}, "input dryrun: is not known here"),
        ({"jobId": ["a", "b"]}, "input jobId"),
    ):
        answer = stack.execute({"inputs": inputs}, "eo-undo")
        assert answer.status_code == 400 and words in answer.json()["detail"], answer.text
    for inputs, words in (
        ({"datasetId": DATASET}, "input start: is required"),
        ({**DAYS, "datasetId": "nothing"}, "unknown dataset 'nothing'"),
        ({**DAYS, "datasetId": "sample-temperature"}, "names no dhis2.dataElement"),
        ({**DAYS, "start": "tomorrow"}, "is no date"),
    ):
        answer = stack.execute({"inputs": inputs}, "eo-reconcile")
        assert answer.status_code == 400 and words in answer.json()["detail"], answer.text


def test_a_backfill_is_undone_with_all_its_jobs(stack: Stack, dhis2_server: dhis2.StandIn) -> None:
    before = held(dhis2_server)
    days = {"datasetId": DATASET, "start": "2024-01-06", "end": "2024-01-07"}
    backfill, result = outcome(stack, "eo-backfill", **days, dryRun=False)
    assert (result["chunks"]["done"], len(held(dhis2_server))) == (1, len(before) + 26)
    document, result = outcome(stack, "eo-undo", jobId=backfill["jobID"], dryRun=False)
    assert document["message"] == "finished: of 26 values: 26 deleted"
    assert result["undone"] == backfill["childJobs"]
    assert held(dhis2_server) == before
