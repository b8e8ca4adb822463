"""`eo-pygeoapi prefect-server` on SQLite: what many write at once is all taken, each at the first time."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

WRITERS, EACH = 8, 15


def test_no_writer_is_refused_because_of_another(prefect_api: str) -> None:
    with httpx.Client(base_url=prefect_api, timeout=60) as client:
        flow = client.post("/flows/", json={"name": f"flow-{uuid4()}"}).json()["id"]
        deployment = client.post("/deployments/", json={"name": "written", "flow_id": flow}).json()["id"]

        def begin_run(key: str) -> httpx.Response:
            # reads the deployment, then writes the run and its state
            return client.post(f"/deployments/{deployment}/create_flow_run", json={"idempotency_key": key})

        def write_artifact(key: str) -> httpx.Response:
            return client.post("/artifacts/", json={"key": key, "data": "written"})

        def write(writer: int) -> list[int]:
            ask = begin_run if writer % 2 else write_artifact
            return [ask(f"w{writer}-{n}").status_code for n in range(EACH)]

        with ThreadPoolExecutor(WRITERS) as pool:
            statuses = Counter(status for of_one in pool.map(write, range(WRITERS)) for status in of_one)
        runs = client.post("/flow_runs/count", json={"flows": {"id": {"any_": [flow]}}}).json()

    assert statuses == {201: WRITERS * EACH}
    assert runs == WRITERS // 2 * EACH
