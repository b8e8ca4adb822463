"""What a job leaves when it is published, its features, and what its dataset's collection shows then."""

import json
import math
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from eo_pygeoapi.contract.models import ImportSummary, LeftOut
from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.store.features import Table, Unit
from eo_pygeoapi.store.job_features import JobFeatures, write_features
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.reader import DEFAULT_ORDER, PublishedReader
from eo_pygeoapi.store.store import MissingResultError, ResultStore
from tests.standins import failing_s3, s3
from tests.store.results_data import publish, square, table, units

IMPORTED = ImportSummary(status="SUCCESS", dry_run=False, imported=1)
REFUSED = ImportSummary(status="ERROR", dry_run=False, reason="there is no data element")


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path / "results") if request.param == "folder" else f"memory://{uuid.uuid4()}/results")


def text_of(store: ResultStore, job_id: str, simplify: float = 0) -> bytes:
    with closing(JobFeatures(JobFolder(store, job_id))) as features:
        given = features.coarser_units(simplify) if simplify else features.units
        text = b"".join(features.text(given))
        assert len(text) == features.size(given)
    return text


def features_of(store: ResultStore, job_id: str, simplify: float = 0) -> list[dict[str, Any]]:
    whole = json.loads(text_of(store, job_id, simplify))
    assert list(whole) == ["type", "features"] and whole["type"] == "FeatureCollection"
    features: list[dict[str, Any]] = whole["features"]
    return features


def test_the_features_of_a_job_say_what_the_caller_knows_of_the_values(store: ResultStore) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.5)]))
    with closing(JobFeatures(JobFolder(store, "job-1"), {"valueInfo": {"unit": "°C"}})) as features:
        text = b"".join(features.text(features.units))
        assert len(text) == features.size(features.units)
    whole = json.loads(text)
    assert list(whole) == ["type", "valueInfo", "features"] and whole["valueInfo"] == {"unit": "°C"}
    assert len(whole["features"]) == 1


def published(store: ResultStore) -> dict[tuple[str, str], tuple[float | None, str]]:
    rows = PublishedReader(store).page("rain", [], DEFAULT_ORDER, 0, 100).rows
    return {(row["orgUnit"], row["period"]): (row["value"], row["jobID"]) for row in rows}


def test_publishing_leaves_the_documents_of_the_job(store: ResultStore) -> None:
    values = table([("OuA", "20250701", 1.5), ("OuB", "20250701", float("nan")), ("OuA", "20250702", 2.0)])
    left_out = [LeftOut(org_unit="OuZ", reason="has no geometry"), LeftOut(period="20250703", reason="not published")]

    outputs = publish(store, "job-1", values, left_out=left_out, preview={"dataValues": [1]})

    assert outputs.org_unit_count == 4  # three with values, and the one without geometry
    assert outputs.row_count == 2
    assert outputs.payload_preview_path == "jobs/job-1/payload-preview.json"
    assert outputs.result_features_path == "jobs/job-1/features.geojson"
    assert store.read_json(outputs.payload_preview_path) == {"dataValues": [1]}
    assert store.read_json("jobs/job-1/result.json") == outputs.to_json()
    features = features_of(store, "job-1")
    assert [feature["id"] for feature in features] == ["OuA-20250701", "OuB-20250701", "OuA-20250702"]
    assert features[0] == {
        "type": "Feature",
        "id": "OuA-20250701",
        "geometry": square(0, 0),
        "properties": {
            "orgUnit": "OuA",
            "name": "Unit OuA",
            "level": 2,
            "period": "20250701",
            "start": "2025-07-01",
            "end": "2025-07-01",
            "value": 1.5,
            "validFraction": 1.0,
            "jobID": "job-1",
        },
    }
    assert features[1]["properties"]["value"] is None


def test_what_cannot_be_is_kept_for_the_watch(store: ResultStore) -> None:
    said = "3 of 9 values are not plausible (allowed: at least 0)"
    entries = [LeftOut(org_unit="OuA", period="20250701", reason="5 is not plausible"), LeftOut(reason=said)]
    publish(store, "job-1", table([("OuB", "20250701", 1.0)]), left_out=entries)
    publish(store, "job-2", table([("OuB", "20250701", 1.0)]), left_out=entries[:1])

    assert [store.read_json(f"jobs/job-{n}/summary.json")["doubts"] for n in (1, 2)] == [said, ""]


def test_publishing_takes_a_data_frame_and_counts_units_without_values(store: ResultStore) -> None:
    outputs = publish(store, "job-1", pd.DataFrame(table([("OuA", "20250701", 1.5)])))

    assert (outputs.org_unit_count, outputs.row_count) == (3, 1)


def test_coordinates_are_flat_and_rounded(store: ResultStore) -> None:
    point = {"type": "Point", "coordinates": [-11.12345678, 8.00000049, 120.5]}

    publish(store, "job-1", table([("OuA", "20250701", 1.0)]), of=units({"OuA": point, "OuB": None}, level=None))

    (feature,) = features_of(store, "job-1")
    assert feature["geometry"] == {"type": "Point", "coordinates": [-11.12346, 8.0]}
    assert feature["properties"]["level"] is None


def test_publishing_nothing_is_a_result_too(store: ResultStore) -> None:
    outputs = publish(store, "job-1", table([]))

    assert outputs.row_count == 0
    assert features_of(store, "job-1") == []
    assert store.keys("published") == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (table([("OuX", "20250701", 1.0)]), "not among the units: OuX"),
        (table([("OuA", "20250701", 1.0)] * 2), "two values of organisation unit 'OuA' and period '20250701'"),
    ],
)
def test_a_job_that_cannot_be_published_has_no_result(
    store: ResultStore, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ResultsError, match=message):
        publish(store, "job-1", values)
    assert not store.exists("jobs/job-1/result.json")
    assert [key for key in store.keys() if "values-" in key] == []


@pytest.mark.parametrize("place", ["*/published/rain/imported-2025*", "*/jobs/job-2/result.json"])
def test_a_store_that_fails_while_a_job_is_published_leaves_the_collection_as_it_was(
    s3_server: s3.StandIn, place: str
) -> None:
    rows = [("OuA", "20241231", 1.0), ("OuA", "20250101", 2.0)]  # two years are two files
    with failing_s3.before(s3_server) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = ResultStore(s3_server.new_bucket())
        publish(store, "job-1", table(rows), summary=IMPORTED)
        before = published(store)
        later = table([(unit, period, value + 1) for unit, period, value in rows])
        proxy.fail("PUT", place, status=403)
        with pytest.raises(ResultsError, match="results store: cannot write"):
            publish(store, "job-2", later, summary=IMPORTED)
        assert published(store) == before and not store.exists("jobs/job-2/result.json")
        proxy.heal()
        publish(store, "job-2", later, summary=IMPORTED)
        assert {job for _, job in published(store).values()} == {"job-2"}


def test_a_unit_is_kept_once_however_many_periods_it_has(store: ResultStore) -> None:
    ring = [[n / 1000, math.sin(n) / 10] for n in range(2000)]
    outline = {"type": "Polygon", "coordinates": [[*ring, [0, -5], ring[0]]]}
    rows = [("OuA", f"2025{month:02}{day:02}", 1.0) for month in range(1, 13) for day in range(1, 29)]

    publish(store, "job-1", table(rows), of=units({"OuA": outline}))

    kept = sum(len(store.read_bytes(key)) for key in store.keys())
    assert len(text_of(store, "job-1")) > 300 * 30_000 and kept < 200_000


@settings(max_examples=30, deadline=None)
@given(
    org_unit=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    value=st.floats(),
)
def test_features_say_exactly_what_was_computed(org_unit: str, name: str, value: float) -> None:
    folder = JobFolder(ResultStore(f"memory://{uuid.uuid4()}"), "job-1")
    known = {org_unit: Unit(name, None, "", ())}
    columns = {"orgUnit": [org_unit], "period": ["2025"], "start": ["2025-01-01"], "end": ["2025-12-31"]}
    write_features(folder, Table.of(columns | {"value": [value], "validFraction": [math.inf]}, known), known)

    (feature,) = features_of(folder.store, "job-1")

    properties = {"orgUnit": org_unit, "name": name, "level": None, "period": "2025"}
    assert feature["id"] == f"{org_unit}-2025" and feature["properties"] | properties == feature["properties"]
    assert feature["properties"]["value"] == (value if math.isfinite(value) else None)
    assert feature["properties"]["validFraction"] is None


def test_the_periods_of_a_job_come_in_the_order_of_time(store: ResultStore) -> None:
    columns = table([("OuA", f"202507{day:02}", float(day)) for day in (10, 2, 1)])
    publish(store, "job-1", columns | {"period": np.array(["2026W10", "2026W2", "2026W1"], dtype=object)})

    with closing(JobFeatures(JobFolder(store, "job-1"))) as features:
        assert features.counts_by_period() == [("2026W1", 1), ("2026W2", 1), ("2026W10", 1)]
        assert features.values_of_unit("OuA") == [("2026W1", 1.0), ("2026W2", 2.0), ("2026W10", 10.0)]


def test_a_job_that_has_left_nothing_has_no_features(store: ResultStore) -> None:
    with pytest.raises(MissingResultError):
        JobFeatures(JobFolder(store, "job-1"))


def test_coarser_neighbours_go_on_touching(store: ResultStore) -> None:
    border = [[1 + 0.001 * math.sin(n), n / 100] for n in range(101)]
    west = {"type": "Polygon", "coordinates": [[[0, 0], *border, [0, 1], [0, 0]]]}
    east = {"type": "Polygon", "coordinates": [[[2, 0], [2, 1], *border[::-1], [2, 0]]]}
    publish(store, "job-1", table([("W", "20250701", 1.0), ("E", "20250701", 2.0)]), of=units({"W": west, "E": east}))
    page = PublishedReader(store).page("rain", [], DEFAULT_ORDER, 0, 10, simplify=3000)

    for found in (features_of(store, "job-1", 3000), page.rows):
        one, other = (shapely.from_geojson(json.dumps(feature["geometry"])) for feature in found)
        assert shapely.get_num_coordinates(one) < 30
        assert shapely.coverage_is_valid(np.array([one, other])) and shapely.intersection(one, other).length > 0.9


# What the collection shows


def test_dry_runs_are_shown_until_something_is_imported(store: ResultStore) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.0), ("OuA", "20250702", 2.0)]))
    second = publish(store, "job-2", table([("OuA", "20250701", 3.0)]), hours=1)
    assert published(store) == {("OuA", "20250701"): (3.0, "job-2"), ("OuA", "20250702"): (2.0, "job-1")}
    assert second.not_published == "" and "notPublished" not in second.to_json()

    publish(store, "job-3", table([("OuA", "20250701", 4.0)]), hours=2, summary=IMPORTED)

    assert published(store) == {("OuA", "20250701"): (4.0, "job-3")}
    assert [key for key in store.keys("published") if "/values-" in key] == []


@pytest.mark.parametrize("summary", [None, REFUSED])
def test_what_was_imported_is_not_replaced_by_what_was_not(store: ResultStore, summary: ImportSummary | None) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]), summary=IMPORTED)
    more: dict[str, Any] = {} if summary is None else {"summary": summary}

    outputs = publish(store, "job-2", table([("OuA", "20250701", 2.0), ("OuA", "20250702", 2.0)]), hours=1, **more)

    assert published(store) == {("OuA", "20250701"): (1.0, "job-1")}
    assert [feature["properties"]["value"] for feature in features_of(store, "job-2")] == [2.0, 2.0]
    assert "imported nothing" in store.read_json("jobs/job-2/result.json")["notPublished"]
    assert outputs.not_published
    publish(store, "job-3", table([("OuA", "20250701", 5.0)]), hours=2, summary=IMPORTED)
    assert published(store) == {("OuA", "20250701"): (5.0, "job-3")}


@pytest.mark.parametrize("imported", [False, True])
def test_what_a_request_overrides_stays_with_its_job(store: ResultStore, imported: bool) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]))
    more: dict[str, Any] = {"summary": IMPORTED} if imported else {}

    outputs = publish(
        store, "job-2", table([("OuA", "20250701", 2.0)]), hours=1, overridden=["aggregation", "features"], **more
    )

    assert published(store) == {("OuA", "20250701"): (1.0, "job-1")}
    assert outputs.not_published.startswith("the request sets aggregation, features, and the collection shows")
    assert len(features_of(store, "job-2")) == 1
