"""The datasets of a file; mistakes are in `test_dataset_mistakes.py`, requests in `test_validate_inputs.py`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2, OrgUnitsFromGeoJSON
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.datasets.source import loadable_sources
from eo_pygeoapi.pipeline.sources.chirps3.options import Chirps3Options
from eo_pygeoapi.pipeline.sources.file.options import FileOptions

BASE = Path("/etc/eo")
OPERATIONS = ("after", "late", "notify", "policy", "tenant")
ROOT = Path(__file__).parents[2]


def read(text: str) -> dict[str, Dataset]:
    return read_datasets(yaml.safe_load(text), BASE)


def dataset(block: str, defaults: str = "{}") -> Dataset:
    """Read one dataset whose `eo:` block, and the file's defaults, are this YAML in one line."""
    return read(f"eo: {{defaults: {defaults}}}\nresources: {{rain: {{type: collection, eo: {block}}}}}")["rain"]


# What is accepted

EXAMPLE = """
resources:
  chirps3-daily:                       # = datasetId
    type: collection
    title: Daily rainfall (CHIRPS v3)
    description: …
    keywords: [rainfall]
    extents: {spatial: {bbox: [-13.4, 6.8, -10.2, 10.1], crs: http://www.opengis.net/def/crs/OGC/1.3/CRS84}}
    providers:
      - {type: feature, name: eo_pygeoapi.provider.ResultsProvider, data: chirps3-daily, id_field: id}
    eo:
      source: chirps3                  # file | chirps3 | era5-land | worldpop
      options: {stage: final, flavor: rnl}          # the source's own; for `file`: {href, variable, time}
      units: {from: mm, to: mm}
      periodType: daily                # daily | weekly | monthly | quarterly | yearly
      timeZone: UTC                    # whose days; an IANA name
      aggregation: {spatial: mean, temporal: sum}   # mean | sum | min | max | median …
      decimals: 2
      minValidFraction: 0.5
      orgUnits: {source: geojson, href: districts.geojson, id: id, name: name}     # or {source: dhis2, level: [2, 3], parent: …, group: …}
      dhis2: {connection: national, dataElement: CHIRPS_PRECIPITATION, dataSet: …, categoryOptionCombo: …, onConflict: keep}   # UIDs or codes; onConflict: keep | overwrite
      schedules:
        - {name: chirps3-daily, cron: "0 6 * * *", timezone: Africa/Freetown, active: true, inputs: {start: -P40D, end: P0D, dryRun: true}}
"""  # noqa: E501  the design's example, word for word


def test_the_design_s_example_is_accepted_whole() -> None:
    found = read(EXAMPLE)["chirps3-daily"]
    assert (found.id, found.title, found.base) == ("chirps3-daily", "Daily rainfall (CHIRPS v3)", str(BASE))
    assert found.bbox == [-13.4, 6.8, -10.2, 10.1]
    assert found.options == Chirps3Options(stage="final", flavor="rnl")
    written = yaml.safe_load(EXAMPLE)["resources"]["chirps3-daily"]["eo"]
    around = {"id", "title", "bbox", "base", "version", "connections", "shared_bbox"}
    unsaid = {"public", "resume", "memory_limit_mib", "plausible", "population", "exposure", *OPERATIONS}
    read_back = found.to_json(exclude=around | unsaid)
    assert read_back == {
        **written,
        "options": {**written["options"], "product": "auto", "baseUrl": ""},
        "aggregation": {**written["aggregation"], "daily": "", "weight": "cell"},
        "dhis2": {
            "attributeOptionCombo": "",
            "disaggregation": {},
            "importStrategy": "CREATE_AND_UPDATE",
            **written["dhis2"],
        },
        "schedules": [{**schedule, "catchUp": "latest"} for schedule in written["schedules"]],
    }


def test_the_shipped_file_has_no_mistakes() -> None:
    text = (ROOT / "pygeoapi-config.yml").read_text(encoding="utf-8")
    assert len(read(text)) == 5
    commented = re.sub(r"^( +)# (dhis2: \{)", r"\1\2", text, flags=re.MULTILINE)  # what people will uncomment
    assert commented.count(" dhis2: {") == text.count("# dhis2: {") == 5
    assert all(d.dhis2.data_element for id_, d in read(commented).items() if id_ != "sample-temperature")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{source: dhis2, level: 2}", OrgUnitsFromDhis2(source="dhis2", level=[2])),
        ("{source: dhis2, level: [2, 3], parent: a, group: b}", ("dhis2", [2, 3], "a", "b")),
        ("{source: geojson, href: a.geojson}", OrgUnitsFromGeoJSON(source="geojson", href="a.geojson")),
    ],
)
def test_org_units_come_from_a_file_or_from_dhis2(written: str, expected: Any) -> None:
    if isinstance(expected, tuple):
        source, level, parent, group = expected
        expected = OrgUnitsFromDhis2(source=source, level=level, parent=parent, group=group)
    assert dataset(f"{{source: chirps3, orgUnits: {written}}}").org_units == expected


@pytest.mark.parametrize("name", ["Daily", "daily", "WeeklySunday", "weeklySunday", "Yearly", "quarterly"])
def test_period_types_may_have_dhis2_s_names(name: str) -> None:
    assert dataset(f"{{source: chirps3, periodType: {name}}}").period_type.lower() == name.lower()


@pytest.mark.parametrize(
    ("written", "text"),
    [("2026", "2026"), ("2025-07", "2025-07"), ("2025-07-01", "2025-07-01"), ("'2025-07-01'", "2025-07-01")],
)
def test_times_may_be_what_yaml_makes_of_them(written: str, text: str) -> None:
    options = dataset(f"{{source: file, options: {{href: a.tif, time: {written}}}}}").options
    assert options == FileOptions(href="a.tif", time=text)


def test_a_key_without_a_value_is_like_no_options() -> None:
    assert dataset("{source: chirps3, options: }").options == Chirps3Options()


def test_other_resources_are_none_of_ours() -> None:
    assert read("resources: {a: {type: collection}, b: {type: process}, c: 5, d: }") == {}
    assert read("resources: ") == read("resources: [a]") == read("a: 1") == {}


@pytest.mark.parametrize(
    ("href", "resolved"),
    [
        ("a/b.nc", "/etc/eo/a/b.nc"),
        ("/data/b.nc", "/data/b.nc"),
        ("https://x.org/b.nc", "https://x.org/b.nc"),
        ("s3://b/c.zarr", "s3://b/c.zarr"),
        ("rain-{YYYY}.nc", "/etc/eo/rain-{YYYY}.nc"),
    ],
)
def test_relative_hrefs_belong_to_the_file(href: str, resolved: str) -> None:
    assert dataset(f"{{source: file, options: {{href: '{href}'}}}}").resolve(href) == resolved


@pytest.mark.parametrize("written", ["Rain", "{en: Rain, fr: Pluie}"])
def test_titles_may_be_in_several_languages(written: str) -> None:
    (found,) = read(f"resources: {{rain: {{type: collection, title: {written}, eo: {{source: chirps3}}}}}}").values()
    assert found.title == "Rain"


def test_datasets_survive_json() -> None:
    for found in read((ROOT / "pygeoapi-config.yml").read_text(encoding="utf-8")).values():
        assert Dataset.model_validate(json.loads(json.dumps(found.to_json()))) == found


# Defaults


@pytest.mark.parametrize(
    ("block", "units", "aggregation", "decimals", "period_type"),
    [
        ("{source: chirps3}", ("mm", "mm"), ("mean", "sum"), 2, "daily"),
        ("{source: era5-land}", ("K", "degC"), ("mean", "mean"), 1, "daily"),
        (
            "{source: era5-land, options: {variable: total_precipitation}}",
            ("m", "mm"),
            ("mean", "sum"),
            2,
            "daily",
        ),
        ("{source: era5-land, options: {variable: surface_pressure}}", ("", ""), ("mean", "mean"), None, "daily"),
        ("{source: worldpop, options: {country: SLE}}", ("", ""), ("sum", "mean"), 0, "yearly"),
        ("{source: file, options: {href: a.nc}}", ("", ""), ("mean", "mean"), None, "daily"),
    ],
)
def test_sources_give_defaults(
    block: str, units: tuple[str, str], aggregation: tuple[str, str], decimals: int | None, period_type: str
) -> None:
    found = dataset(block)
    assert (found.units.from_, found.units.to) == units
    assert (found.aggregation.spatial, found.aggregation.temporal) == aggregation
    assert (found.decimals, found.period_type) == (decimals, period_type)


def test_every_source_has_options_that_a_block_can_name() -> None:
    required = {"file": "{href: a.nc}", "worldpop": "{country: SLE}", "derived": "{of: other, statistic: anomaly}"}
    required["cog"] = "{href: 'https://example.org/a.tif'}"
    other = "other: {type: collection, eo: {source: chirps3, periodType: monthly}}"
    for source, info in loadable_sources().items():
        block = f"{{source: {source}, options: {required.get(source, '{}')}}}"
        found = read(f"resources: {{{other}, rain: {{type: collection, eo: {block}}}}}")["rain"]
        assert type(found.options) is info.options


def test_the_block_goes_before_the_defaults_of_the_file_and_these_before_the_source_s() -> None:
    defaults = "{timeZone: Africa/Freetown, minValidFraction: 0.3, orgUnits: {source: dhis2, level: 2}}"
    of_the_file = dataset("{source: chirps3}", defaults)
    assert (of_the_file.time_zone, of_the_file.min_valid_fraction) == ("Africa/Freetown", 0.3)
    assert of_the_file.org_units == OrgUnitsFromDhis2(source="dhis2", level=[2])
    assert of_the_file.decimals == 2
    own = dataset("{source: chirps3, timeZone: UTC, orgUnits: {source: geojson, href: a}, decimals: 0}", defaults)
    assert (own.time_zone, own.min_valid_fraction, own.decimals) == ("UTC", 0.3, 0)
    assert own.org_units == OrgUnitsFromGeoJSON(source="geojson", href="a")


def test_members_are_merged_one_by_one() -> None:
    found = dataset(
        "{source: chirps3, aggregation: {spatial: max}, units: {to: cm}, dhis2: {dataElement: RAIN}}",
        "{dhis2: {connection: national}}",
    )
    assert (found.aggregation.spatial, found.aggregation.temporal) == ("max", "sum")
    assert (found.units.from_, found.units.to) == ("mm", "cm")
    assert (found.dhis2.connection, found.dhis2.data_element) == ("national", "RAIN")
    own = dataset("{source: chirps3, dhis2: {connection: own}}", "{dhis2: {connection: national}}")
    assert own.dhis2.connection == "own"
    assert dataset("{source: chirps3}", "{dhis2: {connection: national}}").dhis2.connection == "national"


def test_decimals_null_means_not_rounded() -> None:
    assert dataset("{source: chirps3}").decimals == 2
    assert dataset("{source: chirps3, decimals: null}").decimals is None


def test_what_is_shared_does_not_leak_from_one_dataset_to_the_next() -> None:
    found = read(
        "eo: {defaults: {dhis2: {connection: national}}}\n"
        "resources:\n"
        "  a: {type: collection, eo: {source: chirps3, dhis2: {dataElement: A}}}\n"
        "  b: {type: collection, eo: {source: chirps3}}\n"
    )
    assert found["b"].dhis2.data_element == "EO_B"  # of its own id, not A
