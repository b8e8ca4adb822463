import json
import os
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pygeoapi.plugin import load_plugin
from pygeoapi.process.base import ProcessorExecuteError

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import load_datasets, read_datasets
from eo_pygeoapi.datasets.registry import DatasetRegistry
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.process import AggregateImportProcessor, describe, example

CONFIG = Path(__file__).parents[1] / "pygeoapi-config.yml"
SHIPPED = load_datasets(CONFIG)
NAME = "eo_pygeoapi.process.AggregateImportProcessor"


def datasets(**blocks: Any) -> dict[str, Dataset]:
    return read_datasets({"resources": {id_: {"type": "collection", "eo": eo} for id_, eo in blocks.items()}}, Path())


@pytest.fixture
def processor() -> AggregateImportProcessor:
    return AggregateImportProcessor({"name": NAME}, DatasetRegistry(CONFIG))


def test_the_description_has_what_the_standard_asks_for() -> None:
    description = describe(SHIPPED)
    assert description["id"] == "eo-aggregate-import" and description["version"] == "1.0.0"
    assert description["jobControlOptions"] == ["async-execute", "dismiss"]
    assert description["outputTransmission"] == ["value", "reference"]
    assert all(isinstance(word, str) for word in description["keywords"])
    assert list(description["outputs"]) == ["result"]
    assert description["outputs"]["result"]["schema"]["type"] == "object"
    json.dumps(description, allow_nan=False)


def test_the_inputs_are_those_of_the_contract() -> None:
    assert set(describe(SHIPPED)["inputs"]) == {
        *("datasetId", "start", "end", "datetime", "orgUnitLevel", "parentOrgUnit", "orgUnitIds", "features"),
        *("aggregation", "periodType", "parameters", "dhis2", "dryRun"),
    }


def test_the_enabled_datasets_are_listed() -> None:
    assert describe(SHIPPED)["inputs"]["datasetId"]["schema"]["enum"] == list(SHIPPED)
    assert "enum" not in describe({})["inputs"]["datasetId"]["schema"]  # an empty one would be no OpenAPI


def test_the_example_is_an_execution_on_the_sample() -> None:
    execution = validate_inputs(describe(SHIPPED)["example"]["inputs"], SHIPPED, datetime.now(UTC))
    assert execution.dataset.id == "sample-temperature" and execution.inputs.dry_run
    assert set(describe(SHIPPED)["example"]["inputs"]) <= set(describe(SHIPPED)["inputs"])


@pytest.mark.parametrize(
    ("block", "days"),
    [
        ({"source": "chirps3"}, 31),
        ({"source": "chirps3", "orgUnits": {"source": "dhis2", "level": 3}}, 31),
        ({"source": "chirps3", "periodType": "quarterly"}, 90),
        ({"source": "worldpop", "options": {"country": "SLE"}}, 365),
    ],
)
def test_without_the_sample_the_example_asks_the_first_dataset_for_whole_periods(
    block: dict[str, Any], days: int
) -> None:
    enabled = datasets(first=block, second={"source": "chirps3"})
    execution = validate_inputs(example(enabled)["inputs"], enabled, datetime.now(UTC))
    assert execution.dataset.id == "first" and execution.inputs.dry_run
    assert days <= (execution.interval.end - execution.interval.start).days + 1 <= days + 1


def test_without_datasets_there_is_a_description_nevertheless() -> None:
    assert describe({})["example"]["inputs"]["datasetId"] == "none-enabled"


def test_each_call_gives_a_fresh_copy() -> None:
    first = describe(SHIPPED)
    kept = deepcopy(first)
    for value in first.values():
        if isinstance(value, dict | list):
            value.clear()
    assert describe(SHIPPED) == kept


def test_pygeoapi_loads_it_by_its_name_without_reading_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYGEOAPI_CONFIG", "/nowhere.yml")
    loaded = load_plugin("process", {"name": NAME})
    assert isinstance(loaded, AggregateImportProcessor) and loaded.name == NAME


def test_it_describes_the_datasets_of_the_configuration_file(processor: AggregateImportProcessor) -> None:
    assert processor.metadata == describe(SHIPPED)
    processor.metadata["jobControlOptions"].append("x")  # as pygeoapi does
    assert processor.metadata["jobControlOptions"][-1] == "x"
    assert AggregateImportProcessor({"name": NAME}, DatasetRegistry(CONFIG)).metadata == describe(SHIPPED)


def test_a_file_with_mistakes_gives_a_description_without_datasets(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("resources: {a: {type: collection, eo: {source: x}}}")
    registry = DatasetRegistry(tmp_path / "c.yml")
    assert AggregateImportProcessor({"name": NAME}, registry).metadata == describe({})


def test_a_file_without_changes_is_read_once_for_all_descriptions(tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    config.write_text("resources: {rain: {type: collection, eo: {source: chirps3}}}")
    stat, size = config.stat(), len(config.read_bytes())
    registry = DatasetRegistry(config)
    assert list(registry.datasets()) == ["rain"]
    with config.open("r+b") as file:  # the same file, of the same size and age, without a word in it
        file.write(b"#" * size)
    os.utime(config, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for _ in range(2):
        described = AggregateImportProcessor({"name": NAME}, registry).metadata
        assert described["inputs"]["datasetId"]["schema"]["enum"] == ["rain"]


def test_it_never_executes(processor: AggregateImportProcessor) -> None:
    with pytest.raises(ProcessorExecuteError) as caught:
        processor.execute({"datasetId": "sample-temperature"}, None)
    assert "runs on Prefect only; set server.manager.name" in caught.value.user_msg
