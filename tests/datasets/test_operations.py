"""Channels, tenants, retention, policies and chains in the configuration file."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Policy
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


def test_a_mistake_takes_nothing_from_what_is_right_beside_it() -> None:
    text = """
eo:
  notify: {ops: {after: P3D}, boss: {remind: 7 days}}
  tenants: {north: {title: The North}}
  retention: {jobs: 400 days}
"""
    found, problems = inspect_operations(yaml.safe_load(text))

    assert [problem.partition(":")[0] for problem in problems] == ["eo.notify.boss.remind", "eo.retention.jobs"]
    assert (list(found.notify), list(found.tenants), found.retention.jobs) == (["ops"], ["north"], None)
    assert inspect_operations({"eo": {"notify": "ops"}})[0].notify == {}


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
                "a": "{source: chirps3, dhis2: {dataElement: R}, after: [{dataset: b}]}",
                "b": "{source: chirps3, dhis2: {dataElement: R}, after: [{dataset: c}]}",
                "c": "{source: chirps3, dhis2: {dataElement: R}, after: [{dataset: a}]}",
            },
            "resources.a.eo.after: a runs b runs c runs a; datasets that run after each other must not make a circle",
        ),
        (
            {"a": "{source: chirps3, after: [{dataset: b}]}", "b": "{source: chirps3}"},
            "resources.a.eo.after[0].dataset: 'b' names no dhis2.dataElement, so nothing of it is imported",
        ),
        (
            {"a": "{source: chirps3, after: [{process: nope}]}"},
            "resources.a.eo.after[0].process: 'nope' is not allowed; allowed: none is declared",
        ),
        (
            {"a": "{source: chirps3, policy: {backoff: PT2H, maxBackoff: PT1H}}"},
            "resources.a.eo.policy: backoff is longer than maxBackoff",
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
    text = "eo: {notify: {x: {tenant: south}}, tenants: {north: {connections: [n]}, south: {}}}\n" + resources(
        a="{source: chirps3, tenant: north, dhis2: {connection: s}, after: [{dataset: b}, {webhook: x}]}",
        b="{source: chirps3, tenant: south}",
    )

    assert mistakes(text) == [
        "resources.a.eo.dhis2.connection: 's' is not allowed; allowed: n (of tenant 'north')",
        "resources.a.eo.after[0].dataset: 'b' belongs to another tenant",
        "resources.a.eo.after[1].webhook: 'x' is not allowed; allowed: none is declared",
    ]


def test_policies_and_channels_may_stand_in_the_defaults() -> None:
    text = """
eo: {notify: {ops: {}}, defaults: {notify: [ops], policy: {retries: 2, backoff: PT1H}}}
resources:
  a: {type: collection, eo: {source: chirps3}}
  b: {type: collection, eo: {source: chirps3, policy: {retries: 0}}}
"""
    found = datasets(text)

    assert (found["a"].notify, found["a"].policy.retries, found["b"].policy.retries) == (["ops"], 2, 0)
    assert found["b"].policy.backoff == timedelta(hours=1)


def test_a_mistake_in_the_policy_of_the_defaults_is_named_there() -> None:
    text = """
eo: {defaults: {policy: {retries: -1}}}
resources: {a: {type: collection, eo: {source: chirps3, policy: {backoff: PT1H}}}}
"""
    assert mistakes(text) == ["eo.defaults.policy.retries: -1 is not allowed; allowed: 0 or more"]


IMPORT_AFTER = "{process: eo-aggregate-import, inputs: {datasetId: a, start: -P1D, end: P0D, dryRun: DRY}}"


@pytest.mark.parametrize(("dry", "circle"), [("false", True), ("true", False)])
def test_an_import_as_a_process_may_make_a_circle_too(dry: str, circle: bool) -> None:
    block = "{source: chirps3, dhis2: {dataElement: R}, orgUnits: {source: dhis2}, after: [AFTER]}"
    text = resources(a=block.replace("AFTER", IMPORT_AFTER.replace("DRY", dry)))
    found = mistakes(f"{text}\n  eo-aggregate-import: {{type: process}}")

    assert [problem.split(":")[0] for problem in found] == ["resources.a.eo.after"] * circle


def test_the_inputs_of_an_import_that_follows_are_checked() -> None:
    block = "{source: chirps3, after: [{process: eo-aggregate-import, inputs: {datasetId: b}}]}"
    found = mistakes(f"{resources(a=block)}\n  eo-aggregate-import: {{type: process}}")

    assert found[0] == "resources.a.eo.after[0].inputs: input datasetId: unknown dataset 'b' (enabled: a)"


OF_A_PROCESS = """
eo: {{tenants: {{north: {{}}, south: {{}}}}, defaults: {{orgUnits: {{source: dhis2}}}}}}
resources:
  eo-aggregate-import: {{type: process}}
  north: {{type: collection, eo: {{source: chirps3, tenant: north, dhis2: {{dataElement: R}},
    after: [{{process: {process}, inputs: {inputs}}}]}}}}
  south: {{type: collection, eo: {{source: chirps3, tenant: south, dhis2: {{dataElement: R}}}}}}
  mine: {{type: collection, eo: {{source: chirps3, tenant: north, dhis2: {{dataElement: R}}}}}}
"""
UNKNOWN = "input datasetId: unknown dataset 'south' (enabled: north, mine)"


@pytest.mark.parametrize(
    ("process", "inputs", "expected"),
    [
        ("eo-aggregate-import", "{datasetId: south, start: -P9D, end: P0D, dryRun: false}", UNKNOWN),
        ("eo-backfill", "{datasetId: south, start: -P9D, end: P0D, dryRun: false}", UNKNOWN),
        ("eo-reconcile", "{datasetId: south, start: -P9D, end: P0D}", UNKNOWN),
        ("eo-backfill", "{datasetId: mine, start: yesterday, end: P0D}", "input start: 'yesterday' is no date"),
        ("eo-backfill", "{datasetId: mine, start: -P9D, end: P0D, dhis2: {connection: far}}", "input dhis2: is not"),
        ("eo-reconcile", "{datasetId: mine}", "input start: is required"),
    ],
)
def test_the_inputs_of_a_process_that_follows_are_checked_and_name_no_other_tenants_dataset(
    process: str, inputs: str, expected: str
) -> None:
    found = mistakes(OF_A_PROCESS.format(process=process, inputs=inputs))[0]
    assert found.startswith(f"resources.north.eo.after[0].inputs: {expected}")


def test_a_process_that_follows_may_be_of_the_same_tenant() -> None:
    for process, inputs in (
        ("eo-backfill", "{datasetId: mine, start: -P9D, end: P0D, dryRun: false}"),
        ("eo-reconcile", "{datasetId: mine, start: -P9D, end: P0D}"),
    ):
        assert mistakes(OF_A_PROCESS.format(process=process, inputs=inputs)) == []


def test_an_undo_does_not_follow_for_it_takes_back_one_job() -> None:
    assert mistakes(OF_A_PROCESS.format(process="eo-undo", inputs="{jobId: abc, dryRun: false}")) == [
        "resources.north.eo.after[0].process: 'eo-undo' is not allowed here; it takes back one job, once"
    ]


BEGUN = datetime(2026, 1, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failed", "now", "expected", "hours"),
    [
        (1, 0.0, None, 0.25),
        (2, 0.25, None, 0.75),
        (5, 4, None, 8),
        (9, 24, None, 30),  # never longer than maxBackoff
        (11, 24, None, None),  # there are ten retries
        (9, 43, None, None),  # longer than giveUpAfter
        (1, 0.0, date(2026, 1, 2), 18.0),  # the day on which the data may be there begins
        (1, 0.0, date(2026, 1, 4), None),
        (1, 0.0, date(2025, 12, 30), 0.25),
    ],
)
def test_a_policy_says_when_a_run_is_tried_again(
    failed: int, now: float, expected: date | None, hours: float | None
) -> None:
    at = Policy(retries=10).next_attempt(failed, BEGUN, BEGUN + timedelta(hours=now), expected)

    assert at == (None if hours is None else BEGUN + timedelta(hours=hours))


def test_a_long_backoff_is_not_cut_by_the_usual_longest_one() -> None:
    policy = Policy(retries=100, backoff=timedelta(days=1), give_up_after=timedelta(days=3000))

    assert policy.next_attempt(1, BEGUN, BEGUN, None) == BEGUN + timedelta(days=1)
    assert policy.next_attempt(100, BEGUN, BEGUN, None) == BEGUN + timedelta(days=1)
