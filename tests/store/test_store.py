import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.store.store import MissingResultError, ResultStore
from tests.store.results_data import SQUARES, publish, square, table, units


def test_keeps_json_text_and_bytes(store: ResultStore) -> None:
    store.write_json("jobs/1/result.json", {"name": "Ségou", "values": [1, 2.5, None]})
    store.write_text("jobs/1/notes/a.txt", "Ségou")
    store.write_bytes("jobs/10/output.bin", b"\x00\xff")

    assert store.read_json("jobs/1/result.json") == {"name": "Ségou", "values": [1, 2.5, None]}
    assert store.read_bytes("jobs/1/notes/a.txt").decode() == "Ségou"
    with store.open("jobs/10/output.bin") as stream:
        assert stream.read(1) == b"\x00"
    assert store.keys() == ["jobs/1/notes/a.txt", "jobs/1/result.json", "jobs/10/output.bin"]
    assert store.keys("jobs/1") == ["jobs/1/notes/a.txt", "jobs/1/result.json"]
    assert store.exists("jobs/1/result.json") and not store.exists("jobs/1") and not store.exists("jobs/2")


def test_deletes_a_folder_and_nothing_beside_it(store: ResultStore) -> None:
    for key in ("jobs/1/a.json", "jobs/1/b/c.json", "jobs/10/a.json"):
        store.write_json(key, 1)

    store.delete("jobs/1")
    store.delete("jobs/1")

    assert store.keys() == ["jobs/10/a.json"]
    assert store.keys("jobs/1") == []


def test_what_is_missing_is_told_apart(store: ResultStore) -> None:
    with pytest.raises(MissingResultError, match=r"there is no 'jobs/1/result\.json'"):
        store.read_json("jobs/1/result.json")
    with pytest.raises(MissingResultError):
        store.open("jobs/1/result.json")
    with pytest.raises(MissingResultError):
        store.copy_to("jobs/1/result.json", Path("unused"))


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", ".hidden", "a\\b", "a\nb", "a\0"]
)
def test_unsafe_keys_are_refused(store: ResultStore, key: str) -> None:
    uses: list[Callable[[], object]] = [
        lambda: store.read_bytes(key),
        lambda: store.write_text(key, ""),
        lambda: store.exists(key),
        lambda: store.delete(key),
        lambda: store.url(key),
    ]
    for use in uses:
        with pytest.raises(ResultsError, match="is no key; allowed: a relative path"):
            use()


def test_a_store_that_is_away_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    store = ResultStore(str(tmp_path / "results"))

    uses: list[Callable[[], object]] = [
        lambda: store.read_json("jobs/1.json"),
        lambda: store.write_json("jobs/1.json", 1),
        lambda: store.exists("jobs/1.json"),
        lambda: store.keys("jobs"),
    ]
    for use in uses:
        with pytest.raises(ResultsError, match=r"cannot .* 'jobs") as caught:
            use()
        assert not isinstance(caught.value, MissingResultError)


@pytest.mark.parametrize(("url", "reason"), [("nonsense://x", "nonsense"), ("s3x://user:secret@host/x", "s3x")])
def test_an_address_that_cannot_be_is_named_at_the_first_use(url: str, reason: str) -> None:
    store = ResultStore(url)

    with pytest.raises(ResultsError, match=reason) as caught:
        store.exists("a")
    assert "secret" not in f"{caught.value}{store!r}"


def test_a_write_that_fails_leaves_what_was_there(store: ResultStore, tmp_path: Path) -> None:
    store.write_text("jobs/1/a.txt", "old")

    with pytest.raises(ZeroDivisionError), store.new_file("jobs/1/a.txt") as path:
        path.write_text("half")
        raise ZeroDivisionError

    assert store.read_bytes("jobs/1/a.txt") == b"old"
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".")] == []


def test_a_file_that_is_being_written_is_not_listed(store: ResultStore) -> None:
    with store.new_file("jobs/1/a.txt") as path:
        path.write_text("half")
        assert store.keys() == [] and not store.exists("jobs/1/a.txt")
    assert store.keys() == ["jobs/1/a.txt"]


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800"])
def test_only_json_is_kept(store: ResultStore, value: object) -> None:
    with pytest.raises(ResultsError, match=r"cannot write 'a\.json'"):
        store.write_json("a.json", value)
    assert store.keys() == []


def test_json_that_is_none_is_an_error(store: ResultStore) -> None:
    store.write_text("a.json", "{")
    with pytest.raises(ResultsError, match=r"'a\.json' is not JSON"):
        store.read_json("a.json")


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    store.write_json("a.json", {"b": 1})

    code = "import sys; from eo_pygeoapi.store.store import ResultStore as S; print(S(sys.argv[1]).read_json('a.json'))"
    url = store.url("a.json").removesuffix("/a.json")
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)

    assert done.stdout == "{'b': 1}\n"
    assert store.local_path("a.json") == tmp_path / "a.json"


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
    features = store.read_json(outputs.result_features_path)["features"]
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


def test_publishing_takes_a_data_frame_and_the_number_of_units(store: ResultStore) -> None:
    outputs = publish(store, "job-1", pd.DataFrame(table([("OuA", "20250701", 1.5)])), org_unit_count=7)

    assert (outputs.org_unit_count, outputs.row_count) == (7, 1)


def test_coordinates_are_flat_and_rounded(store: ResultStore) -> None:
    point = {"type": "Point", "coordinates": [-11.12345678, 8.00000049, 120.5]}

    publish(store, "job-1", table([("OuA", "20250701", 1.0)]), of=units({"OuA": point, "OuB": None}, level=None))

    (feature,) = store.read_json("jobs/job-1/features.geojson")["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [-11.123457, 8.0]}
    assert feature["properties"]["level"] is None


def test_publishing_nothing_is_a_result_too(store: ResultStore) -> None:
    outputs = publish(store, "job-1", table([]))

    assert outputs.row_count == 0
    assert json.loads(store.read_bytes(outputs.result_features_path)) == {"type": "FeatureCollection", "features": []}
    assert store.keys("published") == []


@pytest.mark.parametrize(
    ("values", "of", "message"),
    [
        (table([("OuX", "20250701", 1.0)]), SQUARES, "not among the units: OuX"),
        (table([("OuA", "20250701", 1.0)] * 2), SQUARES, "two values of organisation unit 'OuA' and period '20250701'"),
        (table([("OuA", "20250701", 1.0)]), units({"OuA": {"type": "Blob"}}), "'OuA': not a GeoJSON geometry"),
    ],
)
def test_a_job_that_cannot_be_published_has_no_result(
    store: ResultStore, values: dict[str, object], of: dict[str, object], message: str
) -> None:
    with pytest.raises(ResultsError, match=message):
        publish(store, "job-1", values, of=of)
    assert not store.exists("jobs/job-1/result.json")
    assert [key for key in store.keys() if "values-" in key] == []
