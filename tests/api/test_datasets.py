"""Freshness, coverage and problems over HTTP, from what is in the store."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from eo_pygeoapi.contract.history import ImportRecord, ImportTotals
from eo_pygeoapi.contract.models import ImportSummary, Interval
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.numbers import NUMBERS, DatasetNumbers, Numbers
from eo_pygeoapi.watch.problems import Book, Condition
from tests.stack import base_config, collection
from tests.store.results_data import daily, square, units
from tests.web import web

DAYS = periods_in(Interval(start=date(2025, 7, 1), end=date(2025, 7, 4)), "daily")
UNITS = [CoverageUnit(id="bo", name="Bo", level=2), CoverageUnit(id="kenema", name="Kenema <east>", level=2)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[str]:
    """The web process with a dataset that has values and one that has none, and an open problem."""
    folder = tmp_path_factory.mktemp("web")
    config = base_config()
    config["resources"]["rain"] = collection("rain", source="chirps3", orgUnits={"source": "dhis2", "level": 2})
    days_of_heat = {"aggregation": {"daily": "max", "temporal": "days-above-32"}, "periodType": "monthly"}
    config["resources"]["heat"] = collection(
        "heat",
        source="era5-land",
        options={"variable": "heat_index"},
        orgUnits={"source": "dhis2", "level": 2},
        **days_of_heat,
    )
    store = ResultStore(str(folder / "results"))
    pairs = [(day, unit) for day in DAYS for unit in UNITS]
    cells = {
        "orgUnit": [unit.id for _, unit in pairs],
        "period": [day.id for day, _ in pairs],
        "start": [day.start.isoformat() for day, _ in pairs],
        "end": [day.end.isoformat() for day, _ in pairs],
        "state": list("VVVOVVNN"),
        "reason": ["", "", "", "has no <cell>", "", "", "not published yet", "not published yet"],
    }
    CoverageTable(store, "rain").add_values(cells, UNITS, "a-job", "1")
    shapes = {"bo": square(-12, 8), "kenema": square(-11, 8)}
    results = JobResults(
        units=units(shapes),
        values=daily(list(shapes), date(2025, 7, 1), 3),
        summary=ImportSummary(status="SKIPPED", dry_run=True),
        left_out=[],
        preview={"dataValues": [], "rows": []},
    )
    publish_results(JobFolder(store, "a-job"), "rain", results)
    condition = Condition("failed", "x", datetime(2025, 7, 5, tzinfo=UTC), "rain failed: <away>", datasets=("rain",))
    for number in range(3):
        line = ImportRecord(
            job_id=f"job-{number}", dataset="rain", dry_run=False, status="successful", imported=number,
            by="token <ops>", start=date(2025, 7, 1), end=date(2025, 7, 4),
            finished=datetime(2025, 7, 5, number, tzinfo=UTC),
        )  # fmt: skip
        History(store, "rain").add(line, line.finished)
    look = datetime(2025, 7, 5, 12, tzinfo=UTC)
    rain = DatasetNumbers(
        id="rain", published_until=date(2025, 7, 3), active={"accepted": 2},
        totals=ImportTotals(jobs={"successful": 3}, values=7),
    )  # fmt: skip
    numbers = Numbers(at=look, prefect=True, datasets=[rain], waiting=2, worker_seen=look, disk_free=10, disk_total=20)
    store.write_json(NUMBERS, numbers.model_dump(mode="json"))
    Book(store).update([condition], datetime(2025, 7, 5, tzinfo=UTC))
    with web(folder, config, prefect_api) as address:
        yield address


def get(url: str, path: str) -> requests.Response:
    """Ask, and ask again where a busy Prefect was too slow."""
    until = time.monotonic() + 60
    while (answer := requests.get(f"{url}{path}", timeout=30)).status_code == 503 and time.monotonic() < until:
        time.sleep(1)
    return answer


def test_each_dataset_says_until_when_its_values_are_there(url: str) -> None:
    found = {document["id"]: document for document in get(url, "/datasets?f=json").json()["datasets"]}

    assert set(found) == {"rain", "heat", "sample-temperature"}
    rain = found["rain"]
    assert (rain["publishedUntil"], rain["gaps"], rain["periodType"], rain["unit"]) == ("2025-07-03", 0, "daily", "mm")
    assert len(rain["problems"]) == 1 and "importedUntil" not in rain
    assert (found["sample-temperature"]["state"], found["sample-temperature"]["summary"]) == ("never", "no values yet")


def test_the_worst_comes_first(url: str) -> None:
    states = [document["state"] for document in get(url, "/datasets?f=json").json()["datasets"]]
    assert states == ["late", "never", "never"]


def test_one_dataset_has_links(url: str) -> None:
    rain = get(url, "/datasets/rain?f=json").json()

    assert {link["rel"] for link in rain["links"]} >= {"self", "coverage", "history", "collection", "jobs"}
    for link in rain["links"]:
        assert get(link["href"], "").status_code == 200, link


def test_the_matrix_as_json_and_csv(url: str) -> None:
    asked = "/datasets/rain/coverage?start=2025-07-01&end=2025-07-05"
    matrix = get(url, asked).json()

    assert matrix["periods"] == [day.id for day in DAYS] + ["20250705"]
    assert [unit["name"] for unit in matrix["orgUnits"]] == ["Bo", "Kenema <east>"]
    assert matrix["rows"] == ["VV", "VO", "VV", "NN", "--"]
    assert set("".join(matrix["rows"])) <= set(matrix["legend"])
    assert get(url, f"{asked}&f=csv").text.splitlines()[:3] == ["period,bo,kenema", "20250701,V,V", "20250702,V,O"]
    assert get(url, "/datasets/rain/coverage?level=3").json()["orgUnits"] == []


def test_why_values_are_not_there_is_in_the_json_a_csv_and_on_the_page(url: str) -> None:
    asked = "/datasets/rain/coverage?start=2025-07-01&end=2025-07-05"
    found = get(url, asked).json()
    assert "reasonsLeftOut" not in found
    assert found["reasons"] == [
        {"orgUnit": "bo", "first": "20250704", "last": "20250704", "code": "N", "reason": "not published yet"},
        {"orgUnit": "kenema", "first": "20250702", "last": "20250702", "code": "O", "reason": "has no <cell>"},
        {"orgUnit": "kenema", "first": "20250704", "last": "20250704", "code": "N", "reason": "not published yet"},
    ]
    assert get(url, f"{asked}&f=csv&reasons=true").text.splitlines()[:3] == [
        "orgUnit,name,first,last,code,meaning,reason",
        "bo,Bo,20250704,20250704,N,not published yet,not published yet",
        "kenema,Kenema <east>,20250702,20250702,O,left out,has no <cell>",
    ]
    page = get(url, "/datasets/rain?f=html").text
    assert "20250702: left out, has no &lt;cell&gt;" in page and "Why values are not there" in page


def test_the_newest_values_are_a_map_layer(url: str) -> None:
    answer = get(url, "/datasets/rain/latest")
    layer = answer.json()

    assert answer.headers["Content-Type"].startswith("application/geo+json")
    assert (layer["type"], layer["numberReturned"]) == ("FeatureCollection", len(layer["features"]))
    assert {feature["properties"]["period"] for feature in layer["features"]} == {"20250703"}
    assert len({feature["id"] for feature in layer["features"]}) == len(layer["features"]) == 2
    item = get(url, "/collections/rain/items?f=json&datetime=2025-07-03&limit=1").json()["features"][0]
    same = next(feature for feature in layer["features"] if feature["id"] == item["id"])
    common = {"unit": "mm", "title": "rain"}
    assert (same["properties"], same["geometry"]) == (item["properties"] | common, item["geometry"])
    assert get(url, "/datasets/rain/latest?level=7").json()["features"] == []
    assert get(url, "/datasets/sample-temperature/latest").json()["features"] == []
    assert get(url, "/datasets/nope/latest").status_code == 404
    assert get(url, "/datasets/rain/latest?simplify=-1").status_code == 400


def test_a_collection_says_which_days_have_values(url: str) -> None:
    days = [["2025-07-01T00:00:00Z", "2025-07-03T23:59:59Z"]]
    listed = {c["id"]: c for c in get(url, "/collections?f=json").json()["collections"]}

    assert get(url, "/collections/rain?f=json").json()["extent"]["temporal"]["interval"] == days
    assert listed["rain"]["extent"]["temporal"]["interval"] == days
    assert "temporal" not in listed["sample-temperature"]["extent"]


def test_a_collection_says_by_which_formula_its_values_are_computed(url: str) -> None:
    heat, page = get(url, "/collections/heat?f=json").json(), get(url, "/collections/heat?f=html").text

    assert heat["method"].startswith("heat_index of each hour: regression of Rothfusz (1990)")
    assert "https://www.wpc.ncep.noaa.gov/html/heatindex_equation.shtml" in heat["method"]
    assert "method" not in get(url, "/collections/rain?f=json").json()
    assert "monthly, days-above-32 in time of the max of each day, mean in space, in days" in page
    assert "Rothfusz (1990)" in page


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/datasets/nope", 404, "there is no dataset 'nope'"),
        ("/datasets/nope/coverage", 404, "there is no dataset 'nope'"),
        ("/datasets/rain/coverage?start=soon", 400, "start: 'soon' is not allowed; allowed: a date such as 2025-07-01"),
        ("/datasets/rain/coverage?level=two", 400, "level: 'two' is not allowed"),
        ("/datasets/rain/coverage?start=2025-07-02&end=2025-07-01", 400, "an end that is not before the start"),
        ("/datasets/rain/coverage?start=0001-01-01&end=9999-12-31", 400, "3652059 days; allowed: 100000 at most"),
        ("/problems?state=old", 400, "state: 'old' is not allowed; allowed: open, closed"),
    ],
)
def test_mistakes_are_named(url: str, path: str, status: int, says: str) -> None:
    answer = get(url, path)

    assert answer.status_code == status and says in answer.json()["detail"]


def test_problems_are_listed(url: str) -> None:
    (problem,) = get(url, "/problems?f=json").json()["problems"]

    assert (problem["event"], problem["dataset"], problem["message"]) == ("failed", "rain", "rain failed: <away>")
    assert get(url, "/problems?f=json&state=closed").json()["problems"] == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/datasets?f=html", "published until 3 July 2025, not in DHIS2"),
        ("/datasets/rain?f=html", "Kenema &lt;east&gt;, 20250702: left out"),
        ("/datasets/sample-temperature?f=html", "No job has published values yet."),
        ("/datasets/rain?f=html", "rain failed: &lt;away&gt;"),
        ("/datasets/rain?f=html", "/processes/eo-backfill?f=html&amp;datasetId=rain#execute"),
        ("/datasets/sample-temperature?f=html", "nothing is in DHIS2"),
        # jobs for some units, or with other settings, are in the history, and not in the coverage
        ("/datasets/rain?f=html", "not as a whole</strong>; imports for some units, or with other settings, made"),
        ("/datasets/rain?f=html", '/datasets/rain/history?f=html">3 values</a>'),
        ("/datasets?f=html", '/datasets/rain/history?f=html">not as a whole</a>'),
        ("/?f=html", '/datasets/rain/history?f=html">not as a whole</a>'),
        ("/datasets/sample-temperature/latest?f=html", "?f=html&amp;datasetId=sample-temperature#execute"),
        ("/datasets/sample-temperature/history?f=html", "Nothing was sent to DHIS2 yet"),
        ("/problems?f=html", "rain failed: &lt;away&gt;"),
        ("/?f=html", "published until 3 July 2025, not in DHIS2"),
        ("/?f=html", "<th>In DHIS2 until</th>"),
        ("/?f=html", "rain failed: &lt;away&gt;"),
        ("/collections?f=html", "2025-07-01 to 2025-07-03"),
        ("/collections/rain?f=html", "sum in time, mean in space, in mm"),
        ("/collections/rain/items?f=html&from=2025-07-02&to=2025-07-02&orgUnit=bo", "1 of 1 items"),
        ("/collections/rain/items/bo-20250701?f=html", "<svg"),
        ("/datasets/rain/latest?f=html", "3 July 2025"),
        ("/openapi?f=html", "GET /collections/{collectionId}/items"),
    ],
)
def test_pages_say_it_in_words(url: str, path: str, says: str) -> None:
    answer = get(url, path)

    assert answer.status_code == 200 and says in answer.text
    assert "<script" not in answer.text


def test_the_history_by_the_page_as_json_csv_and_a_page(url: str) -> None:
    first = get(url, "/datasets/rain/history?limit=2").json()
    assert (first["numberMatched"], first["numberReturned"]) == (3, 2)
    assert [(line["jobID"], line["imported"]) for line in first["imports"]] == [("job-2", 2), ("job-1", 1)]
    assert "started" not in first["imports"][0] and first["imports"][0]["finished"] == "2025-07-05T02:00:00Z"
    following = next(link["href"] for link in first["links"] if link["rel"] == "next")
    assert [line["jobID"] for line in get(following, "").json()["imports"]] == ["job-0"]

    rows = get(url, "/datasets/rain/history?f=csv").text.splitlines()
    assert (
        rows[0].startswith("jobID,dataset,process,tenant,connection,dataElement,start,end,dryRun,status")
        and len(rows) == 4
    )
    page = get(url, "/datasets/rain/history?f=html").text
    assert "token &lt;ops&gt;" in page and "/jobs/job-2?f=html" in page
    assert "Nothing was sent to DHIS2 yet" in get(url, "/datasets/sample-temperature/history?f=html").text
    assert get(url, "/datasets/nope/history").status_code == 404


def test_metrics_are_what_prometheus_reads(url: str) -> None:
    answer = get(url, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    samples = {
        (found.name, found.labels.get("dataset", found.labels.get("event", "")), found.labels.get("status", "")): found
        for family in text_string_to_metric_families(answer.text)
        for found in family.samples
    }

    def value(name: str, of: str = "", status: str = "") -> float:
        return float(samples[f"eo_pygeoapi_{name}", of, status].value)

    assert (value("problems_open", "failed"), value("problems_open", "worker")) == (1, 0)
    until = datetime(2025, 7, 4, tzinfo=UTC).timestamp()
    assert value("dataset_published_until_timestamp_seconds", "rain") == until
    assert 0 <= time.time() - until - value("dataset_freshness_seconds", "rain") < 60
    assert value("jobs_ended_total", "rain", "successful") == 3
    assert value("jobs", "rain", "accepted") == 2 == value("queue_jobs")
    assert (value("values_imported_total", "rain"), value("disk_free_bytes")) == (7, 10)
    assert value("watch_last_look_timestamp_seconds") == value("worker_last_seen_timestamp_seconds")
    assert ("eo_pygeoapi_dataset_imported_until_timestamp_seconds", "rain", "") not in samples
