"""The flow in a process of its own beside a real Prefect server, and what a second attempt takes from the first."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.commands.up.sample import make_sample
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.old_files import remove_lost_errors
from tests.stack import base_config, collection

# runs the flow run that argv names, or a new one; says its id, its state and how often the configuration was opened
PROCESS = """
import json, os, sys

opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)

from prefect import get_client
from prefect.flow_engine import run_flow
from prefect.states import Pending
from flows.eo_aggregate_import import eo_aggregate_import_v1 as flow

parameters, run_id = json.loads(sys.argv[1]), sys.argv[2]
with get_client(sync_client=True) as client:
    if not run_id:
        run_id = client.create_flow_run(flow, parameters=parameters, state=Pending()).id
    else:
        client.set_flow_run_state(run_id, Pending(), force=True)
    run = client.read_flow_run(run_id)
state = run_flow(flow, flow_run=run, parameters=parameters, return_type="state")
reads = opened.count(os.environ["PYGEOAPI_CONFIG"])
print("\\n" + json.dumps({"id": str(run.id), "state": state.name, "message": state.message, "reads": reads}))
"""
MARK = "a mark in the features"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration file, data and a request's features in the results store."""
    make_sample(tmp_path)
    config = base_config()
    del config["eo"]["defaults"]["orgUnits"]  # units are the request's, and what they have is published
    config["resources"]["sample"] = collection(
        "sample",
        source="file",
        options={"href": "temperature.nc", "variable": "t2m"},
        units={"from": "K", "to": "degC"},
    )
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    square = [[-0.4, -0.4], [0.4, -0.4], [0.4, 0.4], [-0.4, 0.4], [-0.4, -0.4]]
    geometry = {"type": "Polygon", "coordinates": [square]}
    feature = {"type": "Feature", "id": "mySquare", "properties": {"name": "My square", "note": MARK}}
    (tmp_path / "results/requests/1").mkdir(parents=True)
    features = {"type": "FeatureCollection", "features": [{**feature, "geometry": geometry}]}
    (tmp_path / "results/requests/1/features.json").write_text(json.dumps(features))
    return tmp_path


def attempt(folder: Path, prefect_api: str, run_id: str = "") -> dict[str, Any]:
    inputs = {"datasetId": "sample", "start": "2025-07-01", "end": "2025-07-31"}
    parameters = {"inputs": inputs, "request": {"featuresKey": "requests/1/features.json"}}
    environment = {
        "PREFECT_API_URL": prefect_api,
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(folder / "results"),
        "EO_KEEP_STEPS": "true",
        "PYGEOAPI_CONFIG": str(folder / "config.yml"),
        "EO_DATA_DIR": str(folder),
    }
    ended = subprocess.run(
        [sys.executable, "-c", PROCESS, json.dumps(parameters), run_id],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said


@pytest.mark.slow
def test_a_second_attempt_takes_finished_steps_from_their_results(folder: Path, prefect_api: str) -> None:
    in_the_way = folder / "results/published"
    in_the_way.write_text("where a folder should be")
    first = attempt(folder, prefect_api)
    assert first["state"] == "Failed" and "published" in first["message"], first
    assert first["reads"] == 1
    assert json.loads((folder / "results/history/sample/totals.json").read_text())["jobs"] == {"failed": 1}
    results = folder / "results/jobs" / first["id"] / "steps/results"
    kept = [file.read_text() for file in results.iterdir()]
    assert [text for text in kept if "eo_pygeoapi.datasets.validate.Execution" in text]
    assert not [text for text in kept if MARK in text]
    assert len(kept) == 6 and not (folder / "results/prefect").exists()
    # of the step that failed Prefect keeps the error where nobody looks for it; housekeeping finds it
    assert remove_lost_errors(ResultStore(str(folder / "results")), dry_run=False).count == 1
    assert [path.name for path in (folder / "results").iterdir() if path.is_file()] == ["published"]
    steps = sorted(path for path in results.parent.iterdir() if path.is_file())
    made = {path: path.stat().st_mtime_ns for path in steps}
    assert {"org-units.parquet", "values.parquet", "payload.json"} <= {path.name for path in steps}

    in_the_way.unlink()
    (folder / "config.yml").unlink()
    (folder / "results/requests/1/features.json").unlink()
    (folder / "temperature.nc").unlink()
    second = attempt(folder, prefect_api, first["id"])
    # the import history alone looks for the file, and does without it
    assert (second["id"], second["state"], second["reads"]) == (first["id"], "Completed", 1), second
    assert second["message"].startswith("finished: 31 values; nothing was sent to DHIS2")
    assert {path: path.stat().st_mtime_ns for path in steps} == made
    result = json.loads((folder / "results/jobs" / first["id"] / "result.json").read_text())
    assert (result["orgUnitCount"], result["rowCount"], result["leftOut"]) == (1, 31, [])
