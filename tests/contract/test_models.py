import json
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from eo_pygeoapi.contract.models import (
    Aggregation,
    ImportInputs,
    ImportOutputs,
    ImportSummary,
    Interval,
    LeftOut,
    Model,
    Rejected,
)
from eo_pygeoapi.contract.period_types import PERIOD_TYPES

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
FEATURES = {"type": "FeatureCollection", "features": [{"type": "Feature", "id": "a", "geometry": SQUARE}]}
EVERYTHING = {
    "datasetId": "rain",
    "start": "2025-01",
    "end": "2025-02",
    "orgUnitLevel": [2, 3],
    "parentOrgUnit": "ImspTQPwCqd",
    "aggregation": {"spatial": "max", "temporal": "min"},
    "periodType": "monthly",
    "parameters": {"stage": "prelim"},
    "dhis2": {
        "connection": "national",
        "dataElement": "RAIN",
        "dataSet": "CLIMATE",
        "categoryOptionCombo": "default",
        "attributeOptionCombo": "default",
        "importStrategy": "CREATE",
    },
    "dryRun": False,
}


def inputs(**given: Any) -> ImportInputs:
    return ImportInputs.model_validate({"datasetId": "rain", **given})


def refused(**given: Any) -> list[tuple[Any, ...]]:
    """Return where the mistakes are."""
    with pytest.raises(ValidationError) as caught:
        inputs(**given)
    return [entry["loc"] for entry in caught.value.errors()]


def outputs(**given: Any) -> ImportOutputs:
    summary = ImportSummary(status="SUCCESS", dry_run=True, imported=3)
    paths = {"payload_preview_path": "jobs/1/payload-preview.json", "result_features_path": "jobs/1/features.geojson"}
    return ImportOutputs(**{"org_unit_count": 2, "row_count": 3, "import_summary": summary, **paths, **given})


# Strictness


@pytest.mark.parametrize("value", [12345, True, None, 1.5, ["x"], {"x": 1}])
@pytest.mark.parametrize("name", ["datasetId", "start", "end", "datetime", "parentOrgUnit", "periodType"])
def test_only_text_is_text(name: str, value: Any) -> None:
    assert refused(**{name: value}) == [(name,)]


@pytest.mark.parametrize("value", [1, 0, "true", "false", "yes", None, [], 1.0])
def test_only_true_and_false_are_booleans(value: Any) -> None:
    assert refused(dryRun=value) == [("dryRun",)]


@pytest.mark.parametrize("value", ["2", "5", 2.0, True, None, 0, 31, {"level": 2}])
def test_only_whole_numbers_from_1_to_30_are_levels(value: Any) -> None:
    assert refused(orgUnitLevel=value) == refused(orgUnitLevel=[value]) == [("orgUnitLevel", 0)]


@pytest.mark.parametrize("value", [7, True, None, "", "two words", {"id": "a"}, "x" * 256])
def test_only_words_are_ids(value: Any) -> None:
    assert refused(orgUnitIds=value) == refused(orgUnitIds=[value]) == [("orgUnitIds", 0)]


@pytest.mark.parametrize("value", [7, "x", None, [], [{}], True])
@pytest.mark.parametrize("name", ["features", "aggregation", "parameters", "dhis2"])
def test_only_objects_are_objects(name: str, value: Any) -> None:
    assert refused(**{name: value}) == [(name,)]


def test_what_is_not_known_is_refused_at_every_depth() -> None:
    given = {"colour": "red", "aggregation": {"spacial": "mean"}, "dhis2": {"dataelement": "x"}}
    assert set(refused(**given)) == {("colour",), ("aggregation", "spacial"), ("dhis2", "dataelement")}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"aggregation": {"spatial": "avg"}}, ("aggregation", "spatial")),
        ({"aggregation": {"temporal": "median"}}, ("aggregation", "temporal")),
        ({"periodType": "fortnightly"}, ("periodType",)),
        ({"dhis2": {"importStrategy": "DELETE"}}, ("dhis2", "importStrategy")),
    ],
)
def test_only_listed_values_are_allowed(given: dict[str, Any], where: tuple[str, ...]) -> None:
    assert refused(**given) == [where]


def test_the_dataset_is_required() -> None:
    with pytest.raises(ValidationError) as caught:
        ImportInputs.model_validate({})
    assert [(entry["loc"], entry["type"]) for entry in caught.value.errors()] == [(("datasetId",), "missing")]


def test_inputs_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        inputs().dry_run = False  # type: ignore[misc]


# Meaning


def test_nothing_is_imported_unless_it_is_said() -> None:
    assert inputs().dry_run is True


def test_one_level_and_one_id_are_lists_of_one() -> None:
    assert inputs(orgUnitLevel=2).org_unit_level == [2]
    assert inputs(orgUnitIds="O6uvpzGd5pu").org_unit_ids == ["O6uvpzGd5pu"]
    assert inputs(orgUnitLevel=[2, 3]).org_unit_level == [2, 3]


@pytest.mark.parametrize("period_type", PERIOD_TYPES)
def test_period_types_have_their_names_here_and_in_dhis2(period_type: str) -> None:
    assert inputs(periodType=period_type).period_type == period_type
    assert inputs(periodType=period_type[0].upper() + period_type[1:]).period_type == period_type


def test_a_wrong_period_type_is_reported_as_it_was_written() -> None:
    with pytest.raises(ValidationError) as caught:
        inputs(periodType="DAILY")
    assert caught.value.errors()[0]["input"] == "DAILY"


WAYS = {
    "orgUnitLevel": [2],
    "parentOrgUnit": "ImspTQPwCqd",
    "orgUnitIds": ["O6uvpzGd5pu"],
    "features": FEATURES,
}


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
def test_units_are_named_in_one_way(first: str, second: str) -> None:
    given = {first: WAYS[first], second: WAYS[second]}
    if first == second or set(given) == {"orgUnitLevel", "parentOrgUnit"}:
        inputs(**given)
        return
    with pytest.raises(ValidationError, match="exclude each other; give one of them") as caught:
        inputs(**given)
    assert all(name in str(caught.value) for name in given)


@pytest.mark.parametrize("given", [{"start": "2025"}, {"end": "2025"}, {"start": "2025", "end": "2026"}])
def test_dates_are_named_in_one_way(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="datetime excludes start and end"):
        inputs(datetime="2025-01/2025-02", **given)


def test_what_was_given_can_be_told_from_what_was_not() -> None:
    parsed = inputs(aggregation={"spatial": "max"}, dryRun=True)
    assert parsed.model_fields_set == {"dataset_id", "aggregation", "dry_run"}
    assert parsed.aggregation.model_fields_set == {"spatial"}


# JSON


def through_json(model: Model) -> Any:
    return type(model).model_validate(json.loads(json.dumps(model.to_json())))


@pytest.mark.parametrize(
    "model",
    [
        inputs(),
        ImportInputs.model_validate(EVERYTHING),
        inputs(features=FEATURES, datetime="2025"),
        Interval(start=date(2025, 7, 1), end=date(2026, 2, 28)),
        Aggregation(spatial="sum"),
        outputs(),
        outputs(
            import_summary=ImportSummary(
                status="SKIPPED", dry_run=False, reason="no connection", rejected=[Rejected(period="2025", reason="x")]
            ),
            left_out=[
                LeftOut(org_unit="a", reason="has no geometry"),
                LeftOut(period="2025", reason="x", expected="y"),
            ],
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_survive_json(model: Model) -> None:
    assert through_json(model) == model


def test_inputs_are_written_as_they_are_read() -> None:
    assert ImportInputs.model_validate(EVERYTHING).to_json(exclude_unset=True) == EVERYTHING


def test_an_interval_is_whole_days() -> None:
    assert Interval(start=date(2025, 7, 1), end=date(2025, 7, 2)).to_json() == {
        "start": "2025-07-01",
        "end": "2025-07-02",
    }
    with pytest.raises(ValidationError):
        Interval.model_validate({"start": "2025", "end": "2025-07-01T12:00:00"})


def test_the_output_has_the_members_of_the_contract() -> None:
    document = outputs().to_json()
    assert set(document) == {
        "orgUnitCount",
        "rowCount",
        "payloadPreviewPath",
        "importSummary",
        "resultFeaturesPath",
        "leftOut",
    }
    assert set(document["importSummary"]) == {
        "status",
        "dryRun",
        "imported",
        "updated",
        "ignored",
        "deleted",
        "unchanged",
        "rejectedCount",
        "rejected",
    }


def test_members_that_do_not_apply_are_absent() -> None:
    rejected = [
        Rejected(org_unit="a", period="2025", value="1", code="E7619", reason="not numeric"),
        Rejected(reason="x"),
    ]
    document = outputs(
        import_summary=ImportSummary(status="SKIPPED", dry_run=True, reason="no connection", rejected=rejected),
        left_out=[LeftOut(org_unit="a", reason="has no geometry"), LeftOut(period="2025", reason="x", expected="soon")],
    ).to_json()
    assert document["leftOut"] == [
        {"orgUnit": "a", "reason": "has no geometry"},
        {"period": "2025", "reason": "x", "expected": "soon"},
    ]
    assert document["importSummary"]["reason"] == "no connection"
    assert document["importSummary"]["rejected"] == [
        {"orgUnit": "a", "period": "2025", "value": "1", "code": "E7619", "reason": "not numeric"},
        {"reason": "x"},
    ]


@pytest.mark.parametrize("name", ["org_unit_count", "row_count"])
@pytest.mark.parametrize("value", [1.5, "3", None, float("nan")])
def test_counts_are_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        outputs(**{name: value})
