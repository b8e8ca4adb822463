"""Every mistake in the datasets of the configuration file is named: its path, its value and what is allowed."""

from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.datasets.read import inspect_datasets, read_datasets
from eo_pygeoapi.errors import ConfigError

BASE = Path("/etc/eo")


def mistakes(text: str) -> list[str]:
    return inspect_datasets(yaml.safe_load(text), BASE).problems


def problems(block: str, defaults: str = "{}") -> list[str]:
    """Return the mistakes in one dataset's block, without the path to the block."""
    found = mistakes(f"eo: {{defaults: {defaults}}}\nresources: {{rain: {{type: collection, eo: {block}}}}}")
    return [problem.removeprefix("resources.rain.eo").removeprefix(".") for problem in found]


KEYS = (
    "after, aggregation, decimals, dhis2, exposure, late, memoryLimitMib, minValidFraction, notify, options, orgUnits, "
    "periodType, plausible, policy, population, public, resume, schedules, source, tenant, timeZone, units"
)
SCHEDULE = 'name: a, cron: "0 6 * * *", inputs: {start: P0D, end: P0D}'


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        # unknown keys, at every depth
        ("{source: chirps3, optoins: {}}", f"optoins: is not known here; allowed: {KEYS}; did you mean options?"),
        (
            "{source: chirps3, period_type: daily}",
            f"period_type: is not known here; allowed: {KEYS}; did you mean periodType?",
        ),
        ("{source: chirps3, id: x}", f"id: is not known here; allowed: {KEYS}"),
        ("{source: chirps3, base: x}", f"base: is not known here; allowed: {KEYS}"),
        (
            "{source: chirps3, options: {flavour: rnl}}",
            "options.flavour: is not known here; allowed: baseUrl, flavor, product, stage; did you mean flavor?",
        ),
        (
            "{source: chirps3, options: {base_url: x}}",
            "options.base_url: is not known here; allowed: baseUrl, flavor, product, stage; did you mean baseUrl?",
        ),
        (
            "{source: worldpop, options: {country: SLE, stage: final}}",
            "options.stage: is not known here; allowed: baseUrl, country, groups, version",
        ),
        (
            "{source: chirps3, units: {form: mm}}",
            "units.form: is not known here; allowed: from, to",
        ),
        (
            "{source: chirps3, aggregation: {spacial: mean}}",
            "aggregation.spacial: is not known here; allowed: daily, spatial, temporal, weight; did you mean spatial?",
        ),
        (
            "{source: chirps3, orgUnits: {source: geojson, href: a, level: 2}}",
            "orgUnits.level: is not known here; allowed: href, id, name, source",
        ),
        (
            "{source: chirps3, orgUnits: {source: dhis2, href: a}}",
            "orgUnits.href: is not known here; allowed: group, level, parent, source",
        ),
        (
            "{source: chirps3, dhis2: {dataelement: x}}",
            "dhis2.dataelement: is not known here; allowed: attributeOptionCombo, categoryOptionCombo, connection, "
            "dataElement, dataSet, disaggregation, importStrategy, onConflict; did you mean dataElement?",
        ),
        (
            f"{{source: chirps3, orgUnits: {{source: dhis2}}, schedules: [{{{SCHEDULE}, when: now}}]}}",
            "schedules[0].when: is not known here; allowed: active, catchUp, cron, inputs, name, timezone",
        ),
        # the source
        ("{}", "source: is required"),
        (
            "{source: chirps}",
            "source: 'chirps' is not allowed; allowed: chirps3, cog, derived, era5-land, file, worldpop; "
            "did you mean chirps3?",
        ),
        ("{source: }", "source: null is not allowed; allowed: chirps3, cog, derived, era5-land, file, worldpop"),
        (
            "{source: [file]}",
            "source: ['file'] is not allowed; allowed: chirps3, cog, derived, era5-land, file, worldpop",
        ),
        ("{source: chirps3, 5: x}", "[5]: 5 is not allowed; allowed: names that are strings; put it in quotes"),
        # options
        ("{source: file}", "options.href: is required"),
        ("{source: file, options: {href: ''}}", "options.href: '' is not allowed; allowed: 1 or more characters"),
        ("{source: worldpop}", "options.country: is required"),
        ("{source: chirps3, options: [stage]}", "options: ['stage'] is not allowed; allowed: an object"),
        (
            "{source: chirps3, options: {stage: finl}}",
            "options.stage: 'finl' is not allowed; allowed: final, prelim, latest; did you mean final?",
        ),
        (
            "{source: worldpop, options: {country: NO}}",
            "options.country: YAML reads this as false; put it in quotes",
        ),
        (
            "{source: worldpop, options: {country: sle}}",
            "options.country: 'sle' is not allowed; allowed: a string that matches ^[A-Z]{3}$",
        ),
        (
            "{source: file, options: {href: a, time: 2025-13}}",
            "options.time: '2025-13' is no date: month must be in 1..12",
        ),
        # values
        ("{source: chirps3, decimals: '2'}", "decimals: '2' is not allowed; allowed: an integer"),
        ("{source: chirps3, decimals: 2.0}", "decimals: 2.0 is not allowed; allowed: an integer"),
        ("{source: chirps3, decimals: true}", "decimals: true is not allowed; allowed: an integer"),
        ("{source: chirps3, decimals: -1}", "decimals: -1 is not allowed; allowed: 0 or more"),
        ("{source: chirps3, minValidFraction: 50}", "minValidFraction: 50 is not allowed; allowed: 1 or less"),
        ("{source: chirps3, minValidFraction: '0,5'}", "minValidFraction: '0,5' is not allowed; allowed: a number"),
        ("{source: chirps3, units: }", "units: null is not allowed; allowed: an object"),
        (
            "{source: chirps3, aggregation: {spatial: avg}}",
            "aggregation.spatial: 'avg' is not allowed; allowed: mean, sum, min, max, median, count, std, "
            "and quantiles from p1 to p99, such as p90",
        ),
        (
            "{source: chirps3, timeZone: Freetown}",
            "timeZone: 'Freetown' is no time zone; allowed: IANA names such as UTC or Africa/Freetown",
        ),
        (
            "{source: chirps3, timeZone: ../etc}",
            "timeZone: '../etc' is no time zone; allowed: IANA names such as UTC or Africa/Freetown",
        ),
        (
            "{source: chirps3, timeZone: Africa}",
            "timeZone: 'Africa' is no time zone; allowed: IANA names such as UTC or Africa/Freetown",
        ),
        (
            "{source: chirps3, dhis2: {onConflict: replace}}",
            "dhis2.onConflict: 'replace' is not allowed; allowed: keep, overwrite",
        ),
        ("{source: chirps3, dhis2: national}", "dhis2: 'national' is not allowed; allowed: an object"),
        # organisation units
        ("{source: chirps3, orgUnits: {level: 2}}", "orgUnits.source: is required"),
        (
            "{source: chirps3, orgUnits: {source: wfs}}",
            "orgUnits.source: 'wfs' is not allowed; allowed: geojson, dhis2",
        ),
        ("{source: chirps3, orgUnits: 2}", "orgUnits: 2 is not allowed; allowed: an object"),
        ("{source: chirps3, orgUnits: {source: geojson}}", "orgUnits.href: is required"),
        (
            "{source: chirps3, orgUnits: {source: dhis2, level: '2'}}",
            "orgUnits.level[0]: '2' is not allowed; allowed: an integer",
        ),
        (
            "{source: chirps3, orgUnits: {source: dhis2, level: [2, 0]}}",
            "orgUnits.level[1]: 0 is not allowed; allowed: 1 or more",
        ),
        # schedules
        ("{source: chirps3, schedules: {}}", "schedules: {} is not allowed; allowed: a list"),
        ("{source: chirps3, schedules: [daily]}", "schedules[0]: 'daily' is not allowed; allowed: an object"),
    ],
)
def test_a_mistake_is_named_with_its_path_its_value_and_what_is_allowed(block: str, expected: str) -> None:
    assert problems(block) == [expected]


def test_a_wrong_period_type_is_named_with_all_that_are_allowed() -> None:
    (problem,) = problems("{source: chirps3, periodType: hourly}")
    assert problem.startswith("periodType: 'hourly' is not allowed; allowed: daily, weekly, weeklyWednesday")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("{}", ["name: is required", "cron: is required", "inputs: is required"]),
        (
            "{name: A b, cron: daily, timezone: Freetown, active: 1, inputs: 5}",
            [
                "name: 'A b' is not allowed; allowed: a string that matches ^[a-z0-9][a-z0-9-]*$",
                "cron: 'daily' is no cron expression; allowed: minute hour day month weekday, such as '0 6 * * *'",
                "timezone: 'Freetown' is no time zone; allowed: IANA names such as UTC or Africa/Freetown",
                "active: 1 is not allowed; allowed: a boolean, true or false",
                "inputs: 5 is not allowed; allowed: an object",
            ],
        ),
        (
            '{name: a, cron: "0 6 * * *", inputs: {datasetId: rain, start: P0D, end: P0D}}',
            ["inputs.datasetId: is not known here; a schedule runs its own dataset"],
        ),
        (
            '{name: a, cron: "0 6 * * *", inputs: {start: yesterday, dryrun: true}}',
            [
                "inputs.dryrun: is not known here; allowed: aggregation, datasetId, datetime, dhis2, dryRun, end, "
                "features, orgUnitIds, orgUnitLevel, parameters, parentOrgUnit, periodType, start",
                "inputs.start: 'yesterday' is no date; allowed: YYYY, YYYY-MM, YYYY-MM-DD, or an ISO 8601 duration of "
                "days, weeks, months or years such as -P30D",
            ],
        ),
        (
            '{name: a, cron: "0 6 * * *", inputs: {start: P0D, end: -P3D, parameters: {baseUrl: x}}}',
            [
                "inputs.end: the end",
                "inputs.parameters.baseUrl: requests cannot set it; allowed for rain: stage, flavor, product",
            ],
        ),
        (
            '{name: a, cron: "0 6 * * *", inputs: {start: P0D, end: P0D, dryRun: false}}',
            ["inputs.dhis2.dataElement: is required to import (dryRun: false); dataset 'rain' names none"],
        ),
    ],
)
def test_mistakes_of_schedules_are_named(schedule: str, expected: list[str]) -> None:
    found = problems(f"{{source: chirps3, orgUnits: {{source: dhis2, level: 2}}, schedules: [{schedule}]}}")
    assert len(found) == len(expected)
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(f"schedules[0].{start}")


def test_names_of_schedules_are_used_once() -> None:
    twice = f"{{source: chirps3, orgUnits: {{source: dhis2}}, schedules: [{{{SCHEDULE}}}, {{{SCHEDULE}}}]}}"
    assert problems(twice) == ["schedules[1].name: 'a' is used twice"]


@pytest.mark.parametrize(
    ("eo", "expected"),
    [
        ("5", ["eo: expected a mapping"]),
        ("{defaults: [a]}", ["eo.defaults: expected a mapping"]),
        (
            "{default: {}}",
            ["eo.default: is not known here; allowed: defaults, notify, tenants, retention; did you mean defaults?"],
        ),
        (
            "{defaults: {units: {from: K}, level: 2}}",
            [
                f"eo.defaults.{key}: is not known here; "
                "allowed: dhis2, minValidFraction, notify, orgUnits, policy, population, timeZone"
                for key in ("units", "level")
            ],
        ),
        (
            "{defaults: {dhis2: {dataElement: x}, timeZone: Freetown}}",
            [
                "eo.defaults.dhis2: expected a mapping with `connection` only",
                "eo.defaults.timeZone: 'Freetown' is no time zone; allowed: IANA names such as UTC or Africa/Freetown",
            ],
        ),
        ("{defaults: {dhis2: {connection: 5}}}", ["eo.defaults.dhis2.connection: 5 is not allowed; allowed: a string"]),
        ("{defaults: {orgUnits: {source: geojson}}}", ["eo.defaults.orgUnits.href: is required"]),
        ("{defaults: {minValidFraction: 2}}", ["eo.defaults.minValidFraction: 2 is not allowed; allowed: 1 or less"]),
    ],
)
def test_mistakes_in_the_defaults_of_the_file_are_named_once(eo: str, expected: list[str]) -> None:
    block = "type: collection, eo: {source: chirps3, dhis2: {dataElement: x}}"
    assert mistakes(f"eo: {eo}\nresources: {{a: {{{block}}}, b: {{{block}}}}}") == expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("rain: {type: collection, eo: 5}", "resources.rain.eo: expected a mapping"),
        ("rain: {type: collection, eo: }", "resources.rain.eo: expected a mapping"),
        (
            "rain: {type: process, eo: {source: chirps3}}",
            "resources.rain.type: a dataset with an eo: block must be a collection",
        ),
        (
            "rain: {type: collection, extents: {spatial: {bbox: [west]}}, eo: {source: chirps3}}",
            "resources.rain.extents.spatial.bbox: ['west'] is not allowed; allowed: [west, south, east, north]",
        ),
        (
            "a/b: {type: collection, eo: {source: chirps3}}",
            "resources.a/b: 'a/b' is not allowed as the id of a dataset; allowed: letters, digits, '-', '_' and '.', "
            "beginning with a letter or digit",
        ),
    ],
)
def test_mistakes_around_the_block_are_named(resource: str, expected: str) -> None:
    assert mistakes(f"resources: {{{resource}}}") == [expected]


@pytest.mark.parametrize("extents", ["5", "[a]", "{spatial: 5}", "{spatial: [1]}", "{}", ""])
def test_extents_that_are_none_are_pygeoapi_s_to_report(extents: str) -> None:
    assert mistakes(f"resources: {{a: {{type: collection, extents: {extents}, eo: {{source: chirps3}}}}}}") == []


def test_all_mistakes_of_all_datasets_are_named_at_once_and_the_others_are_read() -> None:
    text = (
        "eo: {defaults: {timeZone: Freetown}}\n"
        "resources:\n"
        "  a: {type: process, eo: {id: a, source: chirps3, options: {stage: x}, decimals: x, units: {form: x}}}\n"
        "  b: {type: collection, eo: {source: worldpop, options: {country: NO}, timeZone: UTC}}\n"
        "  c: {type: collection, eo: {source: chirps3, timeZone: UTC}}\n"
    )
    inspected = inspect_datasets(yaml.safe_load(text), BASE)
    found = inspected.problems
    assert [problem.split(": ")[0] for problem in found] == [
        "resources.a.type",
        "resources.a.eo.options.stage",
        "resources.a.eo.units.form",
        "eo.defaults.timeZone",
        "resources.a.eo.decimals",
        "resources.a.eo.id",
        "resources.b.eo.options.country",
    ]
    assert list(inspected.right) == ["c"] and set(inspected.in_part) <= {"a", "b"}
    with pytest.raises(ConfigError) as caught:
        read_datasets(yaml.safe_load(text), BASE)
    assert caught.value.problems == found


def test_a_mistake_of_one_kind_hides_none_of_another() -> None:
    text = """
        resources:
          rain:
            type: collection
            eo:
              source: chirps3
              colour: red
              options: {stage: last, flavor: rnl}
              units: {from: mm, to: degC}
              orgUnits: {source: dhis2, level: two}
              dhis2: {dataElement: 5, connection: 7}
              notify: [nobody]
              after: [{dataset: nowhere}]
              schedules:
              - {name: a, cron: "0 6 * * *", inputs: {start: x, end: P0D, parameters: {stage: prelim}, dryRun: false}}
              - {name: a, cron: "99 6 * * *", inputs: {begin: -P3D, datasetId: rain}}
              - {name: b, cron: "0 6 * * *", inputs: {begin: -P3D}}
    """
    found = inspect_datasets(yaml.safe_load(text), BASE)
    assert [problem.split(": ")[0].removeprefix("resources.rain.eo.") for problem in found.problems] == [
        "options.stage",
        "orgUnits.level[0]",
        "dhis2.connection",
        "dhis2.dataElement",
        "schedules[1].cron",
        "colour",
        "schedules[0].inputs.start",
        "schedules[1].name",
        "schedules[1].inputs.datasetId",
        "schedules[2].inputs.begin",
        "notify[0]",
        "after[0].dataset",
    ]
    assert found.in_part["rain"].units.to == "degC"  # so that `check` judges it too
