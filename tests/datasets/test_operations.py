"""Channels, tenants, retention, policies and chains in the configuration file."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import inspect_datasets, inspect_operations, read_datasets

BASE = Path("/etc/eo")


def datasets(text: str) -> dict[str, Dataset]:
    return read_datasets(yaml.safe_load(text), BASE)


def mistakes(text: str) -> list[str]:
    return inspect_datasets(yaml.safe_load(text), BASE).problems


def resources(**blocks: str) -> str:
    lines = [f"  {name}: {{type: collection, eo: {block}}}" for name, block in blocks.items()]
    return "resources:\n" + "\n".join(lines) + "\n"


def test_everything_about_operations_is_read() -> None:
    text = """
eo:
  notify: {ops: {events: [failed, late], after: P3D, remind: P1D, tenant: north}}
  tenants: {north: {title: The North, connections: [n], concurrency: 2}}
  retention: {jobs: P400D, logs: P90D}
"""
    found, problems = inspect_operations(yaml.safe_load(text))

    assert problems == []
    assert found.notify["ops"].events == ["failed", "late"]
    assert (found.notify["ops"].after, found.notify["ops"].remind) == (timedelta(days=3), timedelta(days=1))
    assert (found.tenants["north"].connections, found.tenants["north"].concurrency) == (["n"], 2)
    assert (found.retention.jobs, found.retention.results) == (timedelta(days=400), None)


def test_a_dataset_survives_json_with_its_durations() -> None:
    text = resources(rain="{source: chirps3, late: P10D, policy: {backoff: PT5M}, after: [{analytics: true}]}")
    rain = datasets(text)["rain"]

    assert rain.late == timedelta(days=10)
    assert Dataset.model_validate(rain.to_json()) == rain


def test_a_dataset_takes_over_all_that_it_does_not_say() -> None:
    text = resources(
        rain="{source: chirps3, decimals: 1, options: {stage: prelim, flavor: sat}, "
        "dhis2: {connection: a, dataElement: R}}",
        north="{extends: rain, options: {stage: final}, dhis2: {connection: b}}",
        far="{extends: north, decimals: 3}",
    )
    found = datasets(text)

    north = found["north"]
    assert north.options.model_dump()["stage"] == "final" and north.options.model_dump()["flavor"] == "sat"
    assert (north.decimals, north.dhis2.connection, north.dhis2.data_element) == (1, "b", "R")
    assert (found["far"].decimals, found["far"].dhis2.connection) == (3, "b")
    assert found["rain"].options.model_dump()["stage"] == "prelim"


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ({"a": "{extends: a}"}, "resources.a.eo.extends: a extends a; a dataset cannot extend itself"),
        (
            {"a": "{extends: nope}", "b": "{source: chirps3}"},
            "resources.a.eo.extends: 'nope' is not allowed; allowed: b",
        ),
        (
            {"a": "{source: chirps3, late: 10}"},
            "resources.a.eo.late: 10 is no duration; allowed: ISO 8601 such as P3D, PT15M or P1DT12H",
        ),
        (
            {"a": "{source: chirps3, late: P0D}"},
            "resources.a.eo.late: 'P0D' is no duration that passes; allowed: ISO 8601 such as P3D, PT15M or P1DT12H",
        ),
        (
            {"a": "{source: chirps3, policy: {retries: -1}}"},
            "resources.a.eo.policy.retries: -1 is not allowed; allowed: 0 or more",
        ),
        (
            {"a": "{source: chirps3, notify: [ops]}"},
            "resources.a.eo.notify[0]: 'ops' is not allowed; allowed: none is declared",
        ),
        (
            {"a": "{source: chirps3, tenant: north}"},
            "resources.a.eo.tenant: 'north' is not allowed; allowed: none is declared",
        ),
        (
            {"a": "{source: chirps3, after: [{webhook: ops}]}"},
            "resources.a.eo.after[0].webhook: 'ops' is not allowed; allowed: none is declared",
        ),
        (
            {"a": "{source: chirps3, after: [{dataset: c}]}", "b": "{source: chirps3}"},
            "resources.a.eo.after[0].dataset: 'c' is not allowed; allowed: a, b",
        ),
        (
            {"a": "{source: chirps3, after: [{dataset: b, analytics: true}]}", "b": "{source: chirps3}"},
            "resources.a.eo.after[0]: expected exactly one of dataset, analytics, webhook and process",
        ),
        (
            {
                "a": "{source: chirps3, after: [{dataset: b}]}",
                "b": "{source: chirps3, after: [{dataset: c}]}",
                "c": "{source: chirps3, after: [{dataset: a}]}",
            },
            "resources.a.eo.after: a runs b runs c runs a; datasets that run after each other must not make a circle",
        ),
    ],
)
def test_mistakes_are_named(blocks: dict[str, Any], expected: str) -> None:
    assert mistakes(resources(**blocks)) == [expected]


def test_a_circle_of_extensions_is_named_at_each_dataset() -> None:
    assert mistakes(resources(a="{extends: b}", b="{extends: a}")) == [
        "resources.a.eo.extends: a extends b extends a; a dataset cannot extend itself",
        "resources.b.eo.extends: b extends a extends b; a dataset cannot extend itself",
    ]


def test_a_tenants_dataset_uses_the_tenants_connections() -> None:
    text = "eo: {tenants: {north: {connections: [n]}, south: {}}}\n" + resources(
        a="{source: chirps3, tenant: north, dhis2: {connection: s}, after: [{dataset: b}]}",
        b="{source: chirps3, tenant: south}",
    )

    assert mistakes(text) == [
        "resources.a.eo.dhis2.connection: 's' is not allowed; allowed: n (of tenant 'north')",
        "resources.a.eo.after[0].dataset: 'b' belongs to another tenant",
    ]


def test_policies_and_channels_may_stand_in_the_defaults() -> None:
    text = """
eo: {notify: {ops: {}}, defaults: {notify: [ops], policy: {retries: 2}}}
resources:
  a: {type: collection, eo: {source: chirps3}}
  b: {type: collection, eo: {source: chirps3, policy: {retries: 0}}}
"""
    found = datasets(text)

    assert (found["a"].notify, found["a"].policy.retries, found["b"].policy.retries) == (["ops"], 2, 0)
