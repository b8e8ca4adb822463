from typing import Any

import pytest

from eo_pygeoapi.contract.request_features import feature_problems

POINT = {"type": "Point", "coordinates": [0, 0]}
IDS = "expected text or a number in id, properties.id or properties.orgUnit"


def feature(id_: Any = "a", **members: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": id_, "geometry": POINT, **members}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


@pytest.mark.parametrize("kind", ["Point", "Polygon", "MultiPolygon", "GeometryCollection"])
def test_areas_and_points_are_accepted(kind: str) -> None:
    assert feature_problems(collection(feature(geometry={"type": kind, "coordinates": []}))) == []


def test_a_feature_without_a_geometry_is_left_to_the_job_which_lists_it() -> None:
    assert feature_problems(collection(feature("a"), feature("b", geometry=None))) == []


@pytest.mark.parametrize(
    "members",
    [
        {"id": "a"},
        {"id": 7},
        {"id": 0},
        {"properties": {"id": "a"}},
        {"properties": {"orgUnit": "a"}, "id": None},
        {"properties": None, "id": "a"},
    ],
)
def test_an_id_may_stand_in_three_places(members: dict[str, Any]) -> None:
    assert feature_problems(collection({"type": "Feature", "geometry": POINT, **members})) == []


@pytest.mark.parametrize(
    "members",
    [{}, {"id": None}, {"id": ""}, {"id": True}, {"id": 1.5}, {"id": ["a"]}, {"properties": {"name": "a"}}],
)
def test_a_feature_without_an_id_is_named(members: dict[str, Any]) -> None:
    features = collection(feature("x"), feature("y"), feature("z"), {"type": "Feature", "geometry": POINT, **members})
    assert feature_problems(features) == [f"input features.features[3].id: is missing; {IDS}"]


def test_properties_go_before_the_id_as_in_the_job() -> None:
    assert feature_problems(collection(feature(0, properties={"id": "a"}), feature(1, properties={"id": "b"}))) == []


def test_an_id_that_is_used_again_is_left_to_the_job_which_takes_the_first() -> None:
    assert feature_problems(collection(feature("a"), feature("b"), feature("a"), feature(1), feature("1"))) == []


@pytest.mark.parametrize(
    ("geometry", "shown"),
    [
        ({"type": "LineString", "coordinates": []}, "'LineString'"),
        ({"type": "MultiLineString", "coordinates": []}, "'MultiLineString'"),
        ({"coordinates": []}, "'None'"),
        ("POINT (0 0)", "'POINT (0 0)'"),
        ([0, 0], "'[0, 0]'"),
    ],
)
def test_other_geometries_are_named(geometry: Any, shown: str) -> None:
    assert feature_problems(collection(feature(geometry=geometry))) == [
        f"input features.features[0].geometry.type: {shown} is not allowed; "
        "allowed: Polygon, MultiPolygon, Point, GeometryCollection"
    ]


def test_a_geometry_is_null_or_there() -> None:
    assert feature_problems(collection({"type": "Feature", "id": "a"})) == [
        "input features.features[0].geometry: is missing; a feature without one has `null` there"
    ]


@pytest.mark.parametrize("members", [None, [], {}, "x", {"a": 1}])
def test_there_is_at_least_one_feature(members: Any) -> None:
    found = feature_problems({"type": "FeatureCollection", "features": members})
    assert found == ["input features.features: expected a list of at least one feature"]


def test_the_type_is_said() -> None:
    assert feature_problems({**collection(feature()), "type": "Feature"}) == [
        "input features.type: 'Feature' is not allowed; allowed: FeatureCollection"
    ]
    assert feature_problems(collection({**feature(), "type": "Polygon"}, 5)) == [
        "input features.features[0].type: 'Polygon' is not allowed; allowed: Feature",
        "input features.features[1]: expected a GeoJSON Feature",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    (problem,) = feature_problems(collection(feature(properties={"x": [value]})))
    assert problem.startswith("input features: holds NaN, Infinity")


def test_a_long_list_of_mistakes_is_cut() -> None:
    found = feature_problems(collection(*[{"type": "Feature", "geometry": POINT}] * 1000))
    assert len(found) == 21 and found[-1] == "input features: 980 more mistakes"
