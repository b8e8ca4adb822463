"""The promises of the whole, through HTTP, with every part real but the outside world."""

import json
import re
import time
from typing import Any

import pyproj  # noqa: F401
import pytest
import requests

from tests.stack import PROCESS, RAINY_MONTH, SHARED, Stack
from tests.standins import dhis2
from tests.worker.farm import until

SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-31"}

needs_shared_data = pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not beside this checkout")


def exact(raster: Any, statistic: str) -> dict[str, float]:
    """What exactextract alone gives, by district; in double precision, as it computes."""
    import geopandas
    from exactextract import exact_extract

    districts = geopandas.read_file(SHARED / "sierra-leone-districts.geojson")[["id", "geometry"]]
    districts = districts.rename(columns={"id": "ou"})
    found = exact_extract(raster, districts, [statistic], include_cols=["ou"], output="pandas")
    return dict(zip(found["ou"], found[statistic], strict=True))


# Numbers


@needs_shared_data
def test_worldpop_sums_equal_exactextract_alone(stack: Stack) -> None:
    result = stack.result(datasetId="worldpop-2026", start="2026", end="2026")
    assert (result["orgUnitCount"], result["rowCount"], result["leftOut"]) == (13, 13, [])
    features = stack.features("worldpop-2026")
    expected = exact(str(SHARED / "worldpop-sierra-leone-2026-1km.tif"), "sum")
    assert {f["properties"]["orgUnit"]: f["properties"]["value"] for f in features} == pytest.approx(expected, rel=1e-9)
    assert {f["properties"]["period"] for f in features} == {"2026"}
    assert {(f["properties"]["start"], f["properties"]["end"]) for f in features} == {("2026-01-01", "2026-12-31")}


@needs_shared_data
def test_era5_land_daily_means_equal_exactextract_alone(stack: Stack) -> None:
    import xarray

    result = stack.result(datasetId="era5-land-t2m-july", datetime="2025-07-01/2025-07-31")
    assert (result["orgUnitCount"], result["rowCount"], result["leftOut"]) == (13, 13 * 31, [])
    values = {f["id"]: f["properties"]["value"] for f in stack.features("era5-land-t2m-july")}
    file = xarray.open_dataset(SHARED / "era5-land-t2m-daily-sierra-leone-2025-07.nc")
    for step in (0, 15, 30):
        grid = file["t2m"].isel(valid_time=step).drop_vars("number", errors="ignore").astype("float64")
        grid = grid.rename(latitude="y", longitude="x").rio.write_crs("EPSG:4326")
        expected = {f"{unit}-202507{step + 1:02d}": v - 273.15 for unit, v in exact(grid, "mean").items()}
        assert {key: values[key] for key in expected} == pytest.approx(expected, rel=1e-9)


def test_a_month_of_rain_reaches_dhis2_once(stack: Stack, dhis2_server: dhis2.StandIn) -> None:
    month = f"{RAINY_MONTH[0]}-{RAINY_MONTH[1]:02d}"
    result = stack.result(datasetId="rain", start=month, end=month, dryRun=False)
    summary = result["importSummary"]
    assert (summary["status"], summary["dryRun"]) == ("SUCCESS", False)
    rows = {
        (f["properties"]["orgUnit"], f["properties"]["period"]): f["properties"]["value"]
        for f in stack.features("rain")
        if f["properties"]["value"] is not None
    }
    stored = {(v["orgUnit"], v["period"]): float(v["value"]) for v in dhis2_server.values()}
    assert len(rows) == result["rowCount"] == summary["imported"] > 0
    assert stored == rows

    audit = dhis2_server.audit()
    repeated = stack.result(datasetId="rain", start=month, end=month, dryRun=False)
    again = repeated["importSummary"]
    assert (again["imported"], again["updated"], again["deleted"]) == (0, 0, 0)
    assert again["unchanged"] == len(rows)
    assert {(v["orgUnit"], v["period"]): float(v["value"]) for v in dhis2_server.values()} == stored
    assert dhis2_server.audit() == audit

    second, first = (noted(stack, "rain", job["jobID"]) for job in (repeated, result))
    assert (first["imported"], second["unchanged"]) == (len(rows), len(rows))
    expected = {"start": f"{month}-01", "end": f"{month}-31", "dryRun": False, "status": "successful"}
    expected |= {"connection": "national", "dataElement": "CHIRPS_PRECIPITATION", "importStatus": "SUCCESS"}
    assert expected.items() <= first.items() and first["started"] <= first["finished"] <= second["started"]


def test_a_dry_run_is_the_default_and_changes_nothing(stack: Stack, dhis2_server: dhis2.StandIn) -> None:
    before = dhis2_server.values()
    result = stack.result(datasetId="rain", start="2024-01-01", end="2024-01-02", orgUnitLevel=2)
    assert result["importSummary"]["dryRun"] is True
    assert dhis2_server.values() == before


def test_without_a_connection_only_the_import_is_skipped(stack: Stack) -> None:
    result = stack.result(**SAMPLE)
    assert result["importSummary"]["status"] == "SKIPPED" and "reason" in result["importSummary"]
    assert (result["orgUnitCount"], result["rowCount"]) == (6, 6 * 31)
    job = result["jobID"]
    assert result["payloadPreviewPath"] == f"jobs/{job}/payload-preview.json"
    assert result["resultFeaturesPath"] == f"jobs/{job}/features.geojson"
    assert json.loads((stack.folder / "results" / result["payloadPreviewPath"]).read_text())
    assert len(stack.get(f"/jobs/{job}/files/features.geojson").json()["features"]) == 6 * 31
    folder = stack.folder / "results" / "jobs" / job
    until(lambda: not (folder / "steps").exists())  # they are deleted once the job is successful, which is seen before
    left = {path.name for path in folder.iterdir()}
    assert {"values.parquet", "units.parquet", "result.json"} <= left and "steps" not in left
    assert {f["properties"]["jobID"] for f in stack.features("sample-temperature")} == {job}


def test_units_can_be_given_in_the_request(stack: Stack) -> None:
    square = {"type": "Polygon", "coordinates": [[[-0.4, -0.4], [0.4, -0.4], [0.4, 0.4], [-0.4, 0.4], [-0.4, -0.4]]]}
    feature = {"type": "Feature", "id": "mySquare", "properties": {"name": "My square"}, "geometry": square}
    inputs = {**SAMPLE, "end": "2025-07-01", "features": {"type": "FeatureCollection", "features": [feature]}}
    result = stack.result(**inputs)
    assert (result["orgUnitCount"], result["rowCount"]) == (1, 1)
    assert "the request sets features" in result["notPublished"]
    assert stack.features("sample-temperature", orgUnit="mySquare") == []
    # larger than what Prefect takes as a parameter: it goes through the results store
    ring = [[-0.4 + 0.8 * i / 20000, -0.4] for i in range(20000)]
    square["coordinates"] = [[*ring, [0.4, -0.4], [0.4, 0.4], [-0.4, 0.4], ring[0]]]
    assert stack.result(**inputs)["rowCount"] == 1


def test_a_part_of_the_dataset_s_units_is_published_and_other_units_are_not(stack: Stack) -> None:
    day = {"start": "2025-07-01", "end": "2025-07-01"}
    stack.result(**SAMPLE | day)
    unit = str(stack.features("sample-temperature")[0]["properties"]["orgUnit"])
    part = stack.result(**SAMPLE | day, orgUnitIds=[unit])
    assert (part["orgUnitCount"], part.get("notPublished")) == (1, None)
    shown = stack.features("sample-temperature", datetime="2025-07-01")
    assert [f["properties"]["orgUnit"] for f in shown if f["properties"]["jobID"] == part["jobID"]] == [unit]

    others = stack.result(
        datasetId="rain", start="2024-01-01", end="2024-01-01", orgUnitIds=["O6uvpzGd5pu", "YuQRtpLP10I"]
    )
    assert "orgUnitIds to units that are not the dataset's (YuQRtpLP10I)" in others["notPublished"]


# Jobs


def test_a_job_from_the_execution_to_its_results(stack: Stack) -> None:
    description = stack.get(f"/processes/{PROCESS}?f=json").json()
    answer = stack.execute(description["example"])
    assert answer.status_code == 201
    job = answer.headers["Location"]
    assert job == f"{stack.url}/jobs/{answer.json()['jobID']}"
    assert answer.json()["type"] == "process" and answer.json()["status"] == "accepted"
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["status"] not in ("successful", "failed"):
        seen.append(requests.get(f"{job}?f=json", timeout=30).json())
        time.sleep(0.1)
    # a job may be too quick for every status and every step to be seen
    last, order = seen[-1], ["accepted", "running", "successful"]
    assert last["status"] == "successful", last
    statuses, progress = [order.index(s["status"]) for s in seen], [s["progress"] for s in seen]
    assert statuses == sorted(statuses)
    assert progress == sorted(progress) and progress[-1] == 100
    words = {s["message"] for s in seen if s["status"] == "running"}
    assert all(re.fullmatch(r"starting|running|finished|\w+ \(step [1-7] of 7\).*", each) for each in words), words
    assert [step["status"] for step in last["steps"]] == ["successful"] * 7
    assert last["created"] <= last["started"] <= last["finished"]
    assert set(requests.get(f"{job}/results", timeout=30).json()) == {
        "orgUnitCount",
        "rowCount",
        "payloadPreviewPath",
        "importSummary",
        "resultFeaturesPath",
        "leftOut",
    }


def test_results_as_a_document(stack: Stack) -> None:
    answer = stack.execute({"inputs": SAMPLE, "response": "document"})
    job = f"/jobs/{answer.json()['jobID']}"
    assert stack.ended(job)["status"] == "successful"
    document = stack.get(f"{job}/results", headers={"Accept": "*/*"})
    assert document.headers["Content-Type"].startswith("application/json")
    assert set(document.json()) == {"result"} and document.json()["result"]["value"]["orgUnitCount"] == 6


def test_the_newest_job_is_first_and_pages_are_whole(stack: Stack) -> None:
    newest = stack.submit(**SAMPLE)
    jobs = stack.jobs()
    assert jobs[0]["jobID"] == newest.rsplit("/", 1)[-1]
    pages = [stack.get(f"/jobs?f=json&limit=2&offset={offset}").json()["jobs"] for offset in (0, 2)]
    assert [j["jobID"] for page in pages for j in page] == [j["jobID"] for j in jobs[:4]]
    assert stack.get("/jobs?f=html").status_code == 200
    assert stack.get(f"{newest}?f=html").status_code == 200
    stack.ended(newest)


@pytest.mark.requirement("dismiss/job-dismiss-op", "dismiss/job-dismiss-status", "dismissed-stays-dismissed")
def test_a_waiting_job_that_is_dismissed_never_starts_and_a_running_one_stops(stack: Stack) -> None:
    job = stack.submit(**SAMPLE)
    assert requests.delete(stack.url + job, timeout=30).status_code == 200
    assert stack.ended(job, 30)["status"] == "dismissed"
    # a year that the stand-in of the provider does not hold: it downloads for long enough to be caught
    job = stack.submit(datasetId="rain", start="2023-01", end="2023-12")
    while stack.get(f"{job}?f=json").json()["status"] == "accepted":
        time.sleep(0.1)
    assert requests.delete(stack.url + job, timeout=30).status_code == 200
    assert stack.ended(job, 30)["status"] == "dismissed"
    time.sleep(2)
    assert stack.get(f"{job}?f=json").json()["status"] == "dismissed"
    assert job.rsplit("/", 1)[-1] in [j["jobID"] for j in stack.jobs()]
    assert stack.get(f"{job}/results").status_code == 404
    # an ended one is forgotten
    assert requests.delete(stack.url + job, timeout=30).status_code == 200
    assert stack.get(f"{job}?f=json").status_code == 404


def test_any_other_process_runs_on_prefect_too(stack: Stack) -> None:
    answer = stack.execute({"inputs": {"name": "Ministry"}}, "hello-world")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"id": "echo", "value": "Hello Ministry!"}
    assert "hello-world" in {job["processID"] for job in stack.jobs()}
    asynchronous = stack.execute({"inputs": {"name": "World"}}, "hello-world", Prefer="respond-async")
    assert asynchronous.status_code == 201
    job = f"/jobs/{asynchronous.json()['jobID']}"
    assert stack.ended(job)["status"] == "successful"
    assert stack.get(f"{job}/results?f=json").json()["value"] == "Hello World!"
    failed = stack.execute({"inputs": {}}, "hello-world")
    assert failed.status_code == 400 and "name" in failed.text


# Bad input


BAD = [
    ({"inputs": {**SAMPLE, "datasetId": "nope"}}, ["datasetId", "'nope'", "sample-temperature"]),
    ({"inputs": {"datasetId": "sample-temperature"}}, ["input start: is required", "input end: is required"]),
    ({"inputs": {**SAMPLE, "end": "2025-06-30"}}, ["2025-06-30", "is before the start"]),
    ({"inputs": {**SAMPLE, "start": 2025}}, ["input start: 2025", "string"]),
    ({"inputs": {**SAMPLE, "dryRun": "yes"}}, ["input dryRun: 'yes'", "boolean"]),
    ({"inputs": {**SAMPLE, "colour": "red"}}, ["input colour: is not known", "datasetId"]),
    ({"inputs": {**SAMPLE, "aggregation": {"spatial": "avg"}}}, ["aggregation.spatial", "'avg'", "mean, sum"]),
    ({"inputs": {**SAMPLE, "parameters": {"href": "/etc/passwd"}}}, ["parameters.href"]),
    ({"inputs": {**SAMPLE, "dryRun": False}}, ["dhis2.dataElement"]),
    ({"inputs": [1]}, ["inputs"]),
    ({"inputs": SAMPLE, "response": "nonsense"}, ["'nonsense'", "raw, document"]),
    ({"inputs": SAMPLE, "outputs": {"nope": {}}}, ["outputs.nope", "result"]),
    ({"inputs": SAMPLE, "outputs": "x"}, ["outputs"]),
]


@pytest.mark.parametrize(("body", "said"), BAD)
def test_bad_input_is_refused_before_a_run_exists(stack: Stack, body: dict[str, Any], said: list[str]) -> None:
    before = len(stack.jobs())
    answer = stack.execute(body)
    assert answer.status_code == 400, answer.text
    description = answer.json()["detail"]
    assert all(words in description for words in said), description
    assert len(stack.jobs()) == before


@pytest.mark.parametrize("text", ["{not json", "", "\x00"])
def test_malformed_json_is_refused(stack: Stack, text: str) -> None:
    url = f"{stack.url}/processes/{PROCESS}/execution"
    answer = requests.post(url, data=text, headers={"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code == 400 and "Traceback" not in answer.text


def test_what_only_the_worker_can_know_fails_with_what_to_do(stack: Stack) -> None:
    level = stack.failure(datasetId="rain", start="2024-01", end="2024-01", orgUnitLevel=9)
    assert "9" in level and "level" in level
    raster = stack.failure(datasetId="no-raster", start="2026", end="2026")
    assert "no-raster.tif" in raster
    outside = stack.failure(**{**SAMPLE, "start": "1999-01-01", "end": "1999-01-31"})
    assert "1999" in outside
    for message in (level, raster, outside):
        assert "Traceback" not in message and "unexpected" not in message


def noted(stack: Stack, dataset: str, job: str) -> dict[str, Any]:
    """Return the line of a job in the import history, which is written a moment after the job's end."""

    def line() -> dict[str, Any] | None:
        lines = stack.get(f"/datasets/{dataset}/history?limit=10").json()["imports"]
        return next((dict(line) for line in lines if line["jobID"] == job), None)

    return until(line)


def test_an_import_that_could_not_be_made_is_a_failed_job_with_its_documents(stack: Stack) -> None:
    wrong: dict[str, Any] = {"datasetId": "rain", "start": "2024-01-01", "end": "2024-01-02"}
    wrong["dhis2"] = {"dataElement": "NO_SUCH_ELEMENT"}
    real = stack.ended(stack.submit(**wrong, dryRun=False))
    assert real["status"] == "failed" and "there is no data element 'NO_SUCH_ELEMENT'" in real["message"]
    assert (real["importSummary"]["status"], real["importSummary"]["imported"]) == ("ERROR", 0)
    assert {"preview", "items", "enclosure"} <= {link["rel"] for link in real["links"]}
    line = noted(stack, "rain", real["jobID"])
    known = (line["status"], line["importStatus"], line["dataElement"])
    assert known == ("failed", "ERROR", "NO_SUCH_ELEMENT") and "no data element" in line["message"]
    history = stack.folder / "results/history/rain"
    newest = max(path.stat().st_mtime_ns for path in history.glob("*.parquet"))
    # it is counted before anybody asks; the watch does once a minute
    until(lambda: any(path.stat().st_mtime_ns > newest for path in history.glob("totals.json")), seconds=10)
    asked = stack.ended(stack.submit(**wrong))
    assert asked["status"] == "successful"
    assert asked["message"].startswith("finished: an import would fail: there is no data element 'NO_SUCH_ELEMENT'")


def test_an_import_without_a_connection_is_a_failed_job_and_its_dry_run_is_not(stack: Stack) -> None:
    wanted: dict[str, Any] = {**SAMPLE, "dhis2": {"connection": "nowhere", "dataElement": "TEMPERATURE"}}
    real = stack.ended(stack.submit(**wanted, dryRun=False))
    assert (real["status"], real["importSummary"]["status"]) == ("failed", "SKIPPED")
    assert "186 values; nothing was sent to DHIS2: there is no DHIS2 connection 'nowhere'" in real["message"]
    assert stack.ended(stack.submit(**wanted))["status"] == "successful"


def test_unknown_jobs_and_processes_are_not_found(stack: Stack) -> None:
    for path in ("/jobs/nope", "/jobs/00000000-0000-0000-0000-000000000000", "/jobs/nope/results", "/processes/nope"):
        assert stack.get(f"{path}?f=json").status_code == 404
    assert requests.delete(f"{stack.url}/jobs/nope", timeout=30).status_code == 404
    assert stack.execute({"inputs": {}}, "nope").status_code == 404
