import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Polygon, box, mapping

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.validate import Execution, validate_inputs
from eo_pygeoapi.errors import OrgUnitsError
from eo_pygeoapi.pipeline.dhis2.client import Dhis2, connect
from eo_pygeoapi.pipeline.org_units.load import LoadedUnits, OrgUnits, bbox, load_org_units, to_publish
from eo_pygeoapi.settings import Dhis2Connection
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import BO, CHIEFDOM_WITHOUT_GEOMETRY, COUNTRY, DISTRICTS, default_metadata

SHARED = Path(__file__).parents[3] / "../shared/data"
SQUARE: dict[str, Any] = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}

Connector = Callable[[], AbstractContextManager[Dhis2]]


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    with running() as dhis2:
        yield dhis2


@pytest.fixture
def connector(standin: StandIn) -> Connector:
    standin.clear_log()
    return connector_of(standin)


def connector_of(standin: StandIn) -> Connector:
    connection = Dhis2Connection(url=standin.url, username=standin.username, password=standin.password)
    return partial(connect, connection)


def execution(org_units: dict[str, Any] | None = None, base: str = "", **inputs: Any) -> Execution:
    block = {"id": "rain", "source": "chirps3", "options": {}, "base": base}
    dataset = Dataset.model_validate(block | ({"orgUnits": org_units} if org_units else {}))
    request = {"datasetId": "rain", "start": "2025-07-01", "end": "2025-07-31", **inputs}
    return validate_inputs(request, {"rain": dataset}, datetime(2026, 1, 1, tzinfo=UTC))


def feature(id_: str | int | None = None, geometry: Any = SQUARE, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry} | ({"id": id_} if id_ else {})


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **members}


def from_file(folder: Path, document: Any, **inputs: Any) -> OrgUnits:
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "units.geojson").write_text(text, encoding="utf-8")
    source = {"source": "geojson", "href": "units.geojson"}
    return load_org_units(execution(source, str(folder), **inputs), None)


def ids(units: OrgUnits) -> list[str]:
    return list(units.frame["orgUnit"])


# a request's features


def test_the_features_of_a_request_go_before_everything() -> None:
    features = collection(feature("mine", name="My area", level="3"), feature(1, id="other"), feature(orgUnit="third"))
    units = load_org_units(execution({"source": "dhis2", "level": 2}, features=features), None)
    assert ids(units) == ["mine", "other", "third"]
    assert list(units.frame["name"]) == ["My area", "other", "third"]
    assert [str(level) for level in units.frame["level"]] == ["3", "<NA>", "<NA>"]
    assert units.frame["level"].dtype == "Int64"
    assert list(units.frame.index) == [0, 1, 2]
    assert units.frame.crs.to_epsg() == 4326
    assert bbox(units) == (0, 0, 1, 1)


def test_parts_that_overlap_are_joined_not_cut_out() -> None:
    parts = [[[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]], [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]]
    features = collection(feature("both", {"type": "MultiPolygon", "coordinates": parts}))
    units = load_org_units(execution(features=features), None)
    assert units.frame.geometry.iloc[0].area == pytest.approx(7)


def test_no_unit_with_a_geometry_is_an_error() -> None:
    with pytest.raises(OrgUnitsError, match="none of 2 organisation units can be used: has no geometry"):
        load_org_units(execution(features=collection(feature("a", None), feature("b", None))), None)


# a file


def test_the_real_districts() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared data are not here")
    source = {"source": "geojson", "href": "sierra-leone-districts.geojson", "id": "id", "name": "name"}
    units = load_org_units(execution(source, str(SHARED)), None)
    assert len(units.frame) == 13
    assert not units.left_out
    assert dict(zip(units.frame["orgUnit"], units.frame["name"], strict=True))["O6uvpzGd5pu"] == "Bo"
    assert set(units.frame["level"]) == {2}
    assert bbox(units) == pytest.approx((-13.3035, 6.9176, -10.2658, 10.0004))
    chosen = load_org_units(execution(source, str(SHARED), orgUnitLevel=2, parentOrgUnit=COUNTRY), None)
    assert ids(chosen) == ids(units)


def test_ids_levels_and_parent_choose_from_the_file(tmp_path: Path) -> None:
    document = collection(
        feature("nation", level=1),
        feature("bo", level=2, parent="nation"),
        feature("kono", level=2, parentGraph="nation"),
        feature("badjia", level=3, parent="bo", parentGraph="nation/bo"),
    )
    assert ids(from_file(tmp_path, document, orgUnitIds=["kono", "bo", "bo"])) == ["bo", "kono"]
    assert ids(from_file(tmp_path, document, orgUnitLevel=[1, 3])) == ["nation", "badjia"]
    assert ids(from_file(tmp_path, document, parentOrgUnit="bo")) == ["badjia"]
    assert ids(from_file(tmp_path, document, parentOrgUnit="nation", orgUnitLevel=2)) == ["bo", "kono"]
    with pytest.raises(OrgUnitsError, match=r"units.geojson has no organisation unit level 4 \(levels: 1, 2, 3\)"):
        from_file(tmp_path, document, orgUnitLevel=[2, 4])
    with pytest.raises(OrgUnitsError, match=r"units\.geojson has no organisation units below kono"):
        from_file(tmp_path, document, parentOrgUnit="kono")


def test_unknown_ids_are_named_the_first_ten(tmp_path: Path) -> None:
    with pytest.raises(OrgUnitsError) as caught:
        from_file(tmp_path, collection(feature("bo")), orgUnitIds=["bo", *(f"u{n}" for n in range(12))])
    assert str(caught.value).endswith("has no organisation unit u0, u1, u2, u3, u4, u5, u6, u7, u8, u9 and 2 more")


def test_a_file_that_does_not_say_what_lies_below_what(tmp_path: Path) -> None:
    with pytest.raises(OrgUnitsError, match="does not say below which units its units are; give orgUnitIds"):
        from_file(tmp_path, collection(feature("bo")), parentOrgUnit=COUNTRY)
    with pytest.raises(OrgUnitsError, match=r"has no organisation unit level 2 \(levels: none\)"):
        from_file(tmp_path, collection(feature("bo")), orgUnitLevel=2)


def test_a_property_of_another_name_holds_the_uid(tmp_path: Path) -> None:
    (tmp_path / "u.geojson").write_text(json.dumps(collection(feature("row 1", uid=BO, titel="Bo"))))
    source = {"source": "geojson", "href": "u.geojson", "id": "uid", "name": "titel"}
    units = load_org_units(execution(source, str(tmp_path)), None)
    assert (ids(units), list(units.frame["name"])) == ([BO], ["Bo"])


def test_longitudes_beyond_180_degrees_are_counted_back(tmp_path: Path) -> None:
    across = {"type": "Polygon", "coordinates": [[[179, -18], [181, -18], [181, -17], [179, -17], [179, -18]]]}
    document = collection(feature("island", across), feature("school", {"type": "Point", "coordinates": [182.5, -17]}))
    units = from_file(tmp_path, document)
    island, school = units.frame.geometry
    assert (island.geom_type, island.bounds, island.area) == ("MultiPolygon", (-180, -18, 180, -17), 2)
    assert (school.x, school.y) == (-177.5, -17) and not units.left_out
    assert bbox(units) == (179, -18, -177.5, -17)


def test_features_without_a_usable_geometry_are_left_out(tmp_path: Path) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    document = collection(
        feature("square"),
        feature("bow-tie", bow_tie),
        feature("point", {"type": "Point", "coordinates": [1, 1, 100]}),
        feature("one-of-many", {"type": "MultiPoint", "coordinates": [[1, 1]]}),
        feature("mixed", {"type": "GeometryCollection", "geometries": [SQUARE, line]}),
        feature("none", None),
        feature("empty", {"type": "Polygon", "coordinates": []}),
        feature("line", line),
        feature("flat", {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0], [0, 0]]]}),
        feature("broken", {"type": "Polygon", "coordinates": [[["x"]]]}),
        feature("projected", {"type": "Point", "coordinates": [714000, 937000]}),
    )
    units = from_file(tmp_path, document)
    assert ids(units) == ["square", "bow-tie", "point", "one-of-many", "mixed"]
    assert units.frame.geometry.is_valid.all()
    assert list(units.frame.geometry.geom_type) == ["Polygon", "MultiPolygon", "Point", "Point", "Polygon"]
    assert not units.frame.geometry.has_z.any()
    assert [geometry.area for geometry in units.frame.geometry] == [1, 2, 0, 0, 1]
    assert units.left_out == [
        LeftOut(org_unit="none", reason="has no geometry"),
        LeftOut(org_unit="empty", reason="its geometry is empty"),
        LeftOut(org_unit="line", reason="its geometry is a LineString; allowed: Polygon, MultiPolygon, Point"),
        LeftOut(org_unit="flat", reason="its geometry has no area; allowed: Polygon, MultiPolygon, Point"),
        LeftOut(org_unit="broken", reason="its geometry is not readable GeoJSON"),
        LeftOut(org_unit="projected", reason="its coordinates are no longitudes and latitudes in degrees"),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "units.geojson: is not JSON"),
        ([1], "units.geojson: is not a GeoJSON FeatureCollection"),
        (feature("a"), "units.geojson: is not a GeoJSON FeatureCollection"),
        (collection(), "units.geojson: holds no features"),
        (
            collection(feature(name="a"), feature(), "x"),
            "units.geojson: none of 3 features has 'id'; their properties: name",
        ),
        (
            collection(feature("a"), crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32629"}}),
            "its coordinates are in urn:ogc:def:crs:EPSG::32629; allowed: WGS 84",
        ),
        (
            collection(feature("a", {"type": "Point", "coordinates": [714000, 937000]})),
            "none of 1 organisation units can be used: its coordinates are no longitudes and latitudes",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(OrgUnitsError, match=message):
        from_file(tmp_path, document)


def test_of_units_with_the_same_id_the_first_is_taken_and_the_others_are_listed(tmp_path: Path) -> None:
    other = mapping(box(5, 5, 6, 6))
    document = collection(feature("a"), feature("b", other), feature("a", other), feature(), "x", feature("c"))
    wanted = [
        LeftOut(org_unit="a", reason="feature number 3 of {} has the id of number 1, which is taken"),
        LeftOut(reason="feature number 4 of {} has no 'id'"),
        LeftOut(reason="feature number 5 of {} has no 'id'"),
    ]
    units = from_file(tmp_path, document)
    assert ids(units) == ["a", "b", "c"] and units.frame.geometry.iloc[0].bounds == (0, 0, 1, 1)
    assert units.left_out == [e.model_copy(update={"reason": e.reason.format("units.geojson")}) for e in wanted]
    features = collection(feature("a"), feature("b", other), feature("a", other))
    of_request = load_org_units(execution(features=features), None)
    assert ids(of_request) == ["a", "b"]
    assert [entry.reason.format("input features") for entry in wanted[:1]] == [e.reason for e in of_request.left_out]


RING = [[2, 6], [4, 6], [4, 8], [2, 8], [2, 6]]


@pytest.mark.parametrize(
    ("kind", "coordinates"),
    [
        ("MultiPolygon", [[RING], []]),
        ("MultiPolygon", [[RING], [[]]]),
        ("MultiPolygon", [[[]], [RING]]),
        ("MultiPolygon", [[RING], [[[0, 0], [1, 1]]]]),
        ("MultiPolygon", [[RING], [[], [[0, 0], [1, 0], [1, 1], [0, 0]]]]),
        ("MultiPolygon", [[RING], [RING]]),
        ("Polygon", [RING, []]),
        ("Polygon", [RING, [[3, 7]]]),
        ("Polygon", [[[*p, 5.0] if k % 2 else p for k, p in enumerate(RING)]]),
        ("Polygon", [[[*p, 0.0, 1.0] for p in RING]]),
        ("Polygon", [[[*p, None] if k else [*p, 1, 2, 3] for k, p in enumerate(RING)]]),
        ("Polygon", [RING[:-1]]),
    ],
)
def test_odd_geometries_that_can_only_mean_one_area(tmp_path: Path, kind: str, coordinates: Any) -> None:
    units = from_file(tmp_path, collection(feature("a"), feature("odd", {"type": kind, "coordinates": coordinates})))
    odd = units.frame.geometry.iloc[1]
    assert odd.equals(Polygon(RING)) and odd.geom_type == "Polygon" and not odd.has_z and not units.left_out


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        ({"type": "Polygon", "coordinates": [[]]}, "its geometry is empty"),
        ({"type": "Polygon", "coordinates": [[], RING]}, "its geometry is empty"),
        ({"type": "MultiPolygon", "coordinates": [[], [[]]]}, "its geometry is empty"),
        ({"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 1]]]]}, "its geometry has no area; allowed: Polygon"),
        ({"type": "Point", "coordinates": []}, "its geometry is empty"),
        (
            {"type": "Point", "coordinates": [float("nan"), 1]},
            "a corner of its geometry is no number (NaN or infinite)",
        ),
        (
            {"type": "Polygon", "coordinates": [[*RING[:2], [float("nan"), 7], *RING[2:]]]},
            "a corner of its geometry is",
        ),
        (
            {"type": "Polygon", "coordinates": [[*RING[:2], [float("inf"), 7], *RING[2:]]]},
            "a corner of its geometry is",
        ),
        (
            {"type": "Polygon", "coordinates": [[*RING[:2], ["4", "7"], *RING[2:]]]},
            "its geometry is not readable GeoJSON",
        ),
        ({"type": "Polygon", "coordinates": [[*RING[:2], [4], *RING[2:]]]}, "not readable GeoJSON"),
        ({"type": "Polygon", "coordinates": [RING, None]}, "not readable GeoJSON"),
        ({"type": "Polygon", "coordinates": None}, "not readable GeoJSON"),
        ({"type": "Polygon"}, "not readable GeoJSON"),
        ({"coordinates": [RING]}, "its geometry is not readable GeoJSON"),
        (
            {"type": "Point", "coordinates": [8, 105]},
            "in degrees; latitude and longitude look swapped",
        ),
        ("POINT (1 1)", "its geometry is not readable GeoJSON"),
    ],
)
def test_a_unit_that_cannot_be_used_fails_no_other(tmp_path: Path, geometry: Any, reason: str) -> None:
    units = from_file(tmp_path, collection(feature("a"), feature("odd", geometry), feature("b")))
    assert ids(units) == ["a", "b"]
    (entry,) = units.left_out
    assert entry.org_unit == "odd" and reason in entry.reason


def test_latitude_and_longitude_that_are_swapped_are_seen_by_the_bbox_of_the_collection(tmp_path: Path) -> None:
    inside, swapped = box(-12.5, 8, -12, 8.5), box(8, -12.5, 8.5, -12)
    document = collection(
        feature("inside", mapping(inside)),
        feature("swapped", mapping(swapped)),
        feature("beside", mapping(box(-9, 8, -8, 9))),
        feature("near", mapping(box(-13.5, 10.2, -13, 10.3))),
    )
    source = {"source": "geojson", "href": "units.geojson"}
    (tmp_path / "units.geojson").write_text(json.dumps(document))
    checked = execution(source, str(tmp_path))
    for bbox_, left_out in (
        ([-13.5, 6.8, -10.2, 10.1], ["swapped"]),
        ([-13.5, 6.8, 0, -10.2, 10.1, 100], ["swapped"]),
        ([-180, -90, 180, 90], []),
        ([], []),
        ([170, -20, -170, 10], []),
    ):
        dataset = checked.dataset.model_copy(update={"bbox": bbox_})
        units = load_org_units(checked.model_copy(update={"dataset": dataset}), None)
        assert [entry.org_unit for entry in units.left_out] == left_out
        assert all("look swapped: it lies in 8, -12.5, 8.5, -12 (west" in entry.reason for entry in units.left_out)


def test_a_unit_that_touches_180_degrees_is_a_polygon(tmp_path: Path) -> None:
    document = collection(
        feature("east", mapping(box(180, -18, 181, -17))),
        feature("west", mapping(box(-181, -18, -180, -17))),
        feature("corner", {"type": "Polygon", "coordinates": [[[180, 0], [181, 1], [181, -1], [180, 0]]]}),
        feature("inside", mapping(box(179, -18, 180, -17))),
    )
    units = from_file(tmp_path, document)
    assert list(units.frame.geometry.geom_type) == ["Polygon"] * 4
    assert [geometry.bounds[::2] for geometry in units.frame.geometry] == [
        (-180, -179),
        (179, 180),
        (-180, -179),
        (179, 180),
    ]


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_the_ways_to_say_wgs84(tmp_path: Path, name: str) -> None:
    document = collection(feature("a"), crs={"type": "name", "properties": {"name": name}})
    assert ids(from_file(tmp_path, document)) == ["a"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    source = {"source": "geojson", "href": "gone.geojson"}
    with pytest.raises(OrgUnitsError, match=r"^gone.geojson: cannot be read: No such file or directory$"):
        load_org_units(execution(source, str(tmp_path)), None)


def test_a_number_is_an_id_too(tmp_path: Path) -> None:
    assert ids(from_file(tmp_path, collection(feature(0, id=0), feature(1, id=1)))) == ["0", "1"]


# DHIS2


def test_a_level_of_dhis2(connector: Connector) -> None:
    units = load_org_units(execution({"source": "dhis2", "level": 2}), connector)
    assert ids(units) == sorted(DISTRICTS)
    assert set(units.frame["level"]) == {2}
    assert not units.left_out


def test_a_level_of_the_request_where_the_dataset_has_no_units(connector: Connector) -> None:
    assert len(load_org_units(execution(orgUnitLevel=[1, 2]), connector).frame) == 14


def test_a_parent_and_units_without_geometry_are_listed(connector: Connector) -> None:
    units = load_org_units(execution({"source": "dhis2"}, parentOrgUnit=BO, orgUnitLevel=3), connector)
    assert ids(units) == ["YuQRtpLP10I"]
    assert units.left_out == [LeftOut(org_unit=CHIEFDOM_WITHOUT_GEOMETRY, reason="has no geometry")]


def test_all_units_below_a_parent(connector: Connector) -> None:
    units = load_org_units(execution(parentOrgUnit=BO), connector)
    assert ids(units) == ["YuQRtpLP10I", "DiszpKrYNg8"]
    assert list(units.frame.geometry.geom_type) == ["Polygon", "Point"]


def test_a_group_of_dhis2(connector: Connector) -> None:
    assert len(load_org_units(execution({"source": "dhis2", "group": "GroupSouth1"}), connector).frame) == 2


def test_ids_are_asked_for_in_portions(connector: Connector, standin: StandIn) -> None:
    wanted = [*sorted(DISTRICTS), "YuQRtpLP10I"]
    assert ids(load_org_units(execution(orgUnitIds=wanted * 20), connector)) == wanted
    unknown = [f"Unknown{n:04}" for n in range(650)]
    with pytest.raises(OrgUnitsError, match=r"DHIS2 has no organisation unit Unknown0000, .* and 640 more"):
        load_org_units(execution(orgUnitIds=[BO, *unknown]), connector)
    assert [entry["status"] for entry in standin.log()] == [200] * 3


@pytest.mark.parametrize(
    ("source", "others"),
    [
        ({"level": 2}, ["YuQRtpLP10I"]),
        ({"level": [2, 3]}, []),
        ({"level": 3, "parent": BO}, [BO, "TEQlaapDQoK"]),
        ({"group": "GroupSouth1"}, ["TEQlaapDQoK", "YuQRtpLP10I"]),
        ({}, []),
    ],
)
def test_ids_that_are_not_among_the_dataset_s_units_are_told(
    connector: Connector, source: dict[str, Any], others: list[str]
) -> None:
    asked = execution({"source": "dhis2", **source}, orgUnitIds=["TEQlaapDQoK", BO, "YuQRtpLP10I"])
    units = load_org_units(asked, connector)
    assert LoadedUnits.of(units).others == others
    overridden = asked.with_other_units(units.others).overridden
    assert overridden == [f"orgUnitIds to units that are not the dataset's ({', '.join(others)})"] * bool(others)


def test_levels_that_do_not_exist_and_those_that_do(connector: Connector) -> None:
    message = r"no organisation unit level 7 \(levels: 1 National, 2 District, 3 Chiefdom, 4 Facility\)"
    with pytest.raises(OrgUnitsError, match=message):
        load_org_units(execution(orgUnitLevel=[2, 7]), connector)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"orgUnitLevel": [1, 3], "parentOrgUnit": COUNTRY}, f"no organisation units of level 1 below {COUNTRY}"),
        ({"parentOrgUnit": "Unknown0000"}, "DHIS2 has no organisation unit Unknown0000"),
        ({"parentOrgUnit": "DiszpKrYNg8"}, "DHIS2 has no organisation units below DiszpKrYNg8"),
        ({"parentOrgUnit": "Bo"}, "parentOrgUnit: 'Bo' is no UID"),
        ({"orgUnitIds": ["Bo", "id:eq:x"]}, "DHIS2 has no organisation unit Bo, id:eq:x"),
        ({"orgUnitIds": [CHIEFDOM_WITHOUT_GEOMETRY]}, "none of 1 organisation units can be used: has no geometry"),
    ],
)
def test_units_that_dhis2_does_not_have(connector: Connector, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(OrgUnitsError, match=message):
        load_org_units(execution(**inputs), connector)


def test_dhis2_units_without_a_connection() -> None:
    with pytest.raises(OrgUnitsError, match="set EO_DHIS2_DEFAULT_URL and EO_DHIS2_DEFAULT_TOKEN"):
        load_org_units(execution({"source": "dhis2", "level": 2}), None)


def test_a_country_of_many_units() -> None:
    metadata = default_metadata()
    district = next(unit for unit in metadata["organisationUnits"] if unit["id"] == BO)
    for n in range(1500):
        uid = f"Village{n:04}"
        metadata["organisationUnits"].append(district | {"id": uid, "level": 5, "path": f"{district['path']}/{uid}"})
    with running(metadata=metadata) as dhis2:
        units = load_org_units(execution(orgUnitLevel=5), connector_of(dhis2))
    assert ids(units) == [f"Village{n:04}" for n in range(1500)]


# to publish


def test_units_are_published_with_names_and_levels() -> None:
    features = collection(feature("a", name="A", level=2), feature("b", name="B"), feature("c", None))
    found = to_publish(load_org_units(execution(features=features), None).frame)
    assert [(id_, unit.name, unit.level) for id_, unit in found.items()] == [("a", "A", 2), ("b", "B", None)]
    assert all(json.loads(unit.geometry)["type"] == "Polygon" for unit in found.values())
