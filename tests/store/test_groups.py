"""Values that groups divide: what features and collections show of them, and what becomes of them in an undo."""

import json
from contextlib import closing
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.provider import ResultsProvider
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_features import JobFeatures
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.published import compact
from eo_pygeoapi.store.reader import PublishedReader
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.taken_back import TakenBack, take_back
from tests.pipeline.made import dataset
from tests.store.results_data import NOON, publish, table

IMPORTED = ImportSummary(status="SUCCESS", dry_run=False, imported=1)
DAY = "20260101"


@pytest.fixture
def store(tmp_path: Any) -> ResultStore:
    return ResultStore(str(tmp_path / "results"))


def divided(unit: str, *, day: str = DAY, **groups: float | None) -> dict[str, Any]:
    numbers = [np.nan if value is None else value for value in groups.values()]
    columns = table([(unit, day, float(np.sum(numbers)))])
    return columns | {"groups": np.array([json.dumps(groups)], dtype=object)}


def properties(store: ResultStore, **asked: Any) -> list[dict[str, Any]]:
    definition = {"type": "feature", "name": "-", "data": "rain", "id_field": "id"}
    answer = ResultsProvider(definition, PublishedReader(store)).query(**asked)
    return [feature["properties"] for feature in answer["features"]]


def test_each_group_is_a_property_of_the_feature(store: ResultStore) -> None:
    publish(store, "job-1", divided("OuA", girls=3.0, boys=4.0))
    publish(store, "job-2", divided("OuB", girls=None, boys=4.0), hours=1)
    for _ in range(2):
        girls = {found["orgUnit"]: (found["value"], found["girls"], found["boys"]) for found in properties(store)}
        assert girls == {"OuA": (7.0, 3.0, 4.0), "OuB": (None, None, 4.0)}
        compact(store, "rain")
    assert properties(store, select_properties=["orgUnit"], limit=1) == [{"orgUnit": "OuA"}]
    with closing(JobFeatures(JobFolder(store, "job-1"))) as features:
        text = b"".join(features.text(features.units))
        assert len(text) == features.size(features.units)
    (feature,) = json.loads(text)["features"]
    assert {name: feature["properties"][name] for name in ("value", "girls", "boys", "jobID")} == {
        "value": 7.0, "girls": 3.0, "boys": 4.0, "jobID": "job-1"
    }  # fmt: skip


def test_values_of_before_there_were_groups_stand_beside_the_others(store: ResultStore) -> None:
    publish(store, "job-1", table([("OuA", DAY, 7.0), ("OuB", DAY, 9.0)]))
    publish(store, "job-2", divided("OuA", girls=3.0, boys=4.0), hours=1)
    for _ in range(2):
        first, second = properties(store)
        assert (first["value"], first["girls"], first["boys"]) == (7.0, 3.0, 4.0)
        assert second["value"] == 9.0 and "girls" not in second
        compact(store, "rain")


def test_an_undo_shows_the_groups_of_before_again(store: ResultStore) -> None:
    publish(store, "job-1", divided("OuA", girls=3.0, boys=4.0), summary=IMPORTED)
    before = properties(store)
    publish(store, "job-2", divided("OuA", girls=5.0, boys=6.0), hours=1, summary=IMPORTED)
    header = "orgUnit,period,value,stored,change,group\n"
    rows = {"job-2": ("changed", "changed"), "undo": ("restored", "restored")}
    for job, (girls, boys) in rows.items():
        text = f"{header}OuA,{DAY},5,3,{girls},girls\nOuA,{DAY},6,4,{boys},boys\n"
        JobFolder(store, job).write_bytes(job_folder.CHANGES, text.encode())
    rain = dataset().model_copy(update={"id": "rain"})
    assert take_back(JobFolder(store, "undo"), ["job-2"], rain, NOON + timedelta(hours=2)) == TakenBack(1, 0)
    assert properties(store) == before
