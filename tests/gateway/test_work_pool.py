"""Our work pool in a Prefect that has one already."""

from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.workers.process import ProcessWorker

from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.work_pool import JOB_TEMPLATE, WORK_POOL
from eo_pygeoapi.json_types import JsonObject


def edited(template: JsonObject) -> JsonObject:
    template["variables"]["properties"]["working_dir"]["default"] = "/srv"
    return template


@pytest.mark.parametrize("change", [lambda template: JOB_TEMPLATE, edited], ids=["as Prefect made it", "edited"])
def test_the_template_of_an_earlier_release_is_replaced_and_one_that_somebody_edited_stays(
    prefect_api: str, change: Any
) -> None:
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    gateway.ensure_work_pool()
    before = ProcessWorker.get_default_base_job_template()
    after = change(before)
    with SyncPrefectClient(prefect_api) as client:
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=before))
        gateway.ensure_work_pool()
        assert client.read_work_pool(WORK_POOL).base_job_template == after
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=JOB_TEMPLATE))
    gateway.close()
