"""What tenants mean for datasets: who sees them, which connections and channels they have, and what they fetch."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import inspect_datasets
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.datasets.viewer import ANYBODY, OPERATOR, Viewer
from eo_pygeoapi.errors import ForbiddenError, InputError
from tests.store.results_data import NOON

TENANTS = "eo: {tenants: {north: {connections: [n, m]}, south: {}}, notify: {ops: {}, nn: {tenant: north}}}\n"
COUNTRY = [-14.0, 6.0, -10.0, 11.0]


def inspected(head: str, boxes: dict[str, list[float]] | None = None, **blocks: str) -> tuple[dict[str, Dataset], Any]:
    config = yaml.safe_load(head) or {}
    config["resources"] = {
        name: {
            "type": "collection",
            "eo": yaml.safe_load(block),
            "extents": {"spatial": {"bbox": (boxes or {}).get(name, COUNTRY)}},
        }
        for name, block in blocks.items()
    }
    return inspect_datasets(config, Path())


def some() -> dict[str, Dataset]:
    """A dataset of each tenant, and one of none."""
    found, problems = inspected(
        TENANTS,
        a="{source: chirps3, tenant: north, orgUnits: {source: dhis2, level: 2}, dhis2: {connection: n}}",
        b="{extends: a, tenant: south, dhis2: {connection: s}}",
        c="{extends: a, tenant: '', dhis2: {connection: national}}",
    )
    assert problems == []
    return found


@pytest.mark.parametrize(
    ("viewer", "seen"),
    [(Viewer("north"), {"a"}), (Viewer("south"), {"b"}), (ANYBODY, {"c"}), (OPERATOR, {"a", "b", "c"}),
     (Viewer("east"), set())],
)  # fmt: skip
def test_who_sees_which_dataset(viewer: Viewer, seen: set[str]) -> None:
    assert set(viewer.datasets(some())) == seen


def test_a_bound_token_is_for_its_connection_alone() -> None:
    Viewer(connection="n").permit("n")
    Viewer().permit("anything")
    with pytest.raises(ForbiddenError, match="token 'x' is for the DHIS2 connection 'n', not 's'"):
        Viewer(connection="n", name="x").permit("s")


@pytest.mark.parametrize(
    ("dataset", "connection", "allowed"),
    [("a", "m", ""), ("a", "s", "n, m"), ("a", "nobodys", "n, m"), ("b", "s", ""), ("b", "n", "s"),
     ("c", "national", ""), ("c", "n", "national")],
)  # fmt: skip
def test_a_request_names_the_connections_of_its_tenant_and_no_others(
    dataset: str, connection: str, allowed: str
) -> None:
    inputs = {"datasetId": dataset, "start": "2025-07", "end": "2025-07", "dhis2": {"connection": connection}}
    if not allowed:
        assert validate_inputs(inputs, some(), NOON).dataset.dhis2.connection == connection
        return
    with pytest.raises(InputError) as raised:
        validate_inputs(inputs, some(), NOON)
    assert raised.value.problems == [f"input dhis2.connection: {connection!r} is not allowed; allowed: {allowed}"]


def test_without_tenants_a_request_names_any_connection() -> None:
    found, _ = inspected("{}", a="{source: chirps3, orgUnits: {source: dhis2, level: 2}}")
    inputs = {"datasetId": "a", "start": "2025-07", "end": "2025-07", "dhis2": {"connection": "other"}}
    assert validate_inputs(inputs, found, NOON).dataset.dhis2.connection == "other"


def test_a_schedule_names_the_connections_of_its_tenant_too() -> None:
    inputs = "{start: -P3D, end: P0D, dhis2: {connection: s}}"
    block = f"{{source: chirps3, tenant: north, orgUnits: {{source: dhis2}}, dhis2: {{connection: n}}, schedules: [{{name: x, cron: 0 6 * * *, inputs: {inputs}}}]}}"  # noqa: E501
    assert inspected(TENANTS, a=block)[1] == [
        "resources.a.eo.schedules[0].inputs.dhis2.connection: 's' is not allowed; allowed: n, m"
    ]


def test_a_dataset_tells_no_channel_of_another_tenant() -> None:
    blocks = {
        "a": "{source: chirps3, tenant: south, dhis2: {connection: s}, notify: [ops, nn]}",
        "b": "{source: chirps3, tenant: north, dhis2: {connection: n}, notify: [ops, nn]}",
        "c": "{source: chirps3, notify: [nn], after: [{webhook: nn}]}",
    }
    assert inspected(TENANTS, None, **blocks)[1] == [
        "resources.a.eo.notify[1]: 'nn' is not allowed; allowed: ops",
        "resources.c.eo.notify[0]: 'nn' is not allowed; allowed: ops",
        "resources.c.eo.after[0].webhook: 'nn' is not allowed; allowed: ops",
    ]


def test_datasets_of_one_block_share_the_box_of_the_one_that_has_it() -> None:
    boxes: dict[str, list[float]] = {"a": COUNTRY, "b": [-13, 7, -12, 8], "c": [-12, 8, -11, 9], "alone": COUNTRY}
    block = "{source: chirps3, orgUnits: {source: dhis2, level: 2}}"
    found, problems = inspected("{}", boxes, a=block, b="{extends: a}", c="{extends: b}", alone=block)
    assert problems == []
    assert {id_: dataset.shared_bbox for id_, dataset in found.items()} == {
        "a": COUNTRY,
        "b": COUNTRY,
        "c": COUNTRY,
        "alone": [],
    }


def test_the_whole_earth_is_not_fetched_for_some_districts() -> None:
    found, _ = inspected("{}", {"a": [-180, -90, 180, 90]}, a="{source: chirps3}", b="{extends: a}")
    assert [dataset.shared_bbox for dataset in found.values()] == [[], []]
