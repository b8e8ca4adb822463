"""DHIS2's apps as clients: through a Route, which drops headers and waits five seconds, and by address."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from eo_pygeoapi.api.dataset_templates import template_of
from eo_pygeoapi.api.http.problems import problem_of
from eo_pygeoapi.api.http.relative_links import made_relative
from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.period_types import PERIOD_TYPES
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import EngineUnavailableError, ResultNotReadyError
from eo_pygeoapi.jobs.request import read_body
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from tests.api.test_job_pages import PREVIEW, SUMMARY
from tests.stack import PROCESS, base_config, collection
from tests.standins.dhis2_route import SECONDS, route
from tests.store.results_data import daily, square, units
from tests.web import web

INPUTS = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-02"}
EXECUTION = f"processes/{PROCESS}/execution"


@dataclass
class Client:
    """A program of DHIS2: it knows the Route's address, and sends no header that a Route drops."""

    route: str
    direct: str

    def ask(self, path: str, method: str = "GET", **kwargs: object) -> requests.Response:
        return requests.request(method, f"{self.route}/{path}", timeout=60, **kwargs)  # type: ignore[arg-type]

    def follow(self, answer: requests.Response, rel: str, **kwargs: object) -> requests.Response:
        """Follow a link as a browser resolves it, by the address that was asked for."""
        href = next(link["href"] for link in answer.json()["links"] if link["rel"] == rel)
        address = urljoin(answer.url, href)
        assert address.startswith(self.route), (href, address)
        return requests.get(address, timeout=60)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("apps")
    config = base_config()
    rain = collection("rain", source="chirps3", orgUnits={"source": "dhis2", "level": 2}, public=True)
    config["resources"]["rain"] = rain
    config["resources"]["rain-of-weeks"] = collection("rain-of-weeks", **rain["eo"], periodType="weekly")
    config["resources"]["heat"] = collection("heat", source="era5-land", options={"variable": "2m_temperature"})
    rain["description"] = {"en": "Rain a day"}
    store = ResultStore(str(folder / "web" / "results"))
    shapes = {"bo": square(-12, 8), "ken": square(-11, 8)}
    values = daily(list(shapes), date(2025, 7, 1), 3)
    for dataset in ("rain", "sample-temperature"):
        results = JobResults(units=units(shapes), values=values, summary=SUMMARY, left_out=[], preview=PREVIEW)
        publish_results(JobFolder(store, "00000000-0000-0000-0000-000000000001"), dataset, results)
        cells = {
            "orgUnit": [unit for unit in shapes for _ in range(3)],
            "period": [f"2025070{day}" for _ in shapes for day in (1, 2, 3)],
            "start": [f"2025-07-0{day}" for _ in shapes for day in (1, 2, 3)],
            "end": [f"2025-07-0{day}" for _ in shapes for day in (1, 2, 3)],
            "state": ["V"] * 6,
            "reason": [""] * 6,
        }
        known = [CoverageUnit(id=unit, name=unit, level=2) for unit in shapes]
        CoverageTable(store, dataset).add_values(cells, known, "a-job", "1")
    tokens = TokenFile(folder / "tokens.json")
    token = tokens.create("dhis2-route", ["execute"])
    with web(folder / "web", config, prefect_api, {"EO_API_TOKENS_FILE": str(tokens.path)}) as url:
        settings = Settings(PREFECT_API_URL=prefect_api)  # type: ignore[call-arg]
        apply_to_prefect(folder / "web" / "pygeoapi-config.yml", settings)
        with route(url, {"Authorization": f"ApiToken {token}"}) as address:
            yield Client(address, url)


def test_a_job_is_made_followed_and_dismissed_by_what_bodies_say(client: Client) -> None:
    made = client.ask(f"{EXECUTION}?links=relative", "POST", json={"inputs": INPUTS, "mode": "async"})
    assert made.status_code == 201 and "Location" not in made.headers

    job = client.follow(made, "monitor")
    assert job.json()["status"] == "accepted" and job.json()["jobID"] == made.json()["jobID"]
    all_jobs = client.follow(made, "up")
    assert made.json()["jobID"] in all_jobs.text

    gone = client.ask(f"jobs/{made.json()['jobID']}/dismiss", "POST", json={})
    assert gone.status_code == 200 and gone.json()["status"] == "dismissed"


def test_without_a_mode_a_synchronous_process_outlasts_the_route(client: Client) -> None:
    body = {"inputs": {"text": "hello"}}
    begun = time.monotonic()

    assert client.ask("processes/echo/execution", "POST", json=body).status_code == 504  # there is no worker here
    assert time.monotonic() - begun > SECONDS
    for answer in (
        client.ask("processes/echo/execution?mode=async", "POST", json=body),
        client.ask("processes/echo/execution?mode=sync", "POST", json={**body, "mode": "async"}),  # the body counts
    ):
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("process", "mode", "allowed"),
    [(PROCESS, "sync", "auto, async"), ("echo", "later", "auto, sync, async"), ("echo", 5, "auto, sync, async")],
)
def test_a_mode_that_is_not_offered_is_refused(client: Client, process: str, mode: object, allowed: str) -> None:
    body = {"inputs": INPUTS if process == PROCESS else {"text": "a"}, "mode": mode}
    refused = client.ask(f"processes/{process}/execution", "POST", json=body)

    assert refused.status_code == 400 and refused.json()["detail"].endswith(f"is not allowed; allowed: {allowed}")
    assert read_body(json.dumps(body).encode()).mode == mode


@pytest.mark.parametrize("gzip", ["gzip", "identity"])
def test_relative_links_lead_on_through_the_route(client: Client, gzip: str) -> None:
    first = client.ask(
        "collections/rain/items?f=json&limit=2&links=relative", headers={"Accept-Encoding": gzip, "Accept": "*/*"}
    )
    second = client.follow(first, "next")
    assert [len(page.json()["features"]) for page in (first, second)] == [2, 2]
    assert client.direct not in first.text and client.direct not in second.text  # the parameter is kept

    for path in ("?links=relative", "collections/rain?links=relative", "datasets/rain?links=relative&f=json"):
        assert client.direct not in client.ask(path, headers={"Accept": "application/json"}).text, path
    assert client.direct in client.ask("collections/rain?links=absolute").text
    refused = client.ask("jobs?links=sideways")
    assert refused.status_code == 400 and "allowed: absolute, relative" in refused.json()["detail"]


def test_references_are_relative_as_rfc_3986_says() -> None:
    text = '{"href": "http://a/b/jobs/1?f=json", "x": "http://a/b", "links": [{"href":"http://a/b"}, {"href": "http://a/bc"}]}'

    assert made_relative(text, "http://a/b", "/jobs") == (
        '{"href": "./jobs/1?f=json", "x": "http://a/b", "links": [{"href":"./"}, {"href": "http://a/bc"}]}'
    )
    for path in ("/", "/jobs", "/jobs/", "/processes/x/execution"):
        href = json.loads(made_relative(text, "http://a/b", path))["href"]
        assert (
            urljoin(f"https://dhis2/api/routes/eo/run{path}", href) == "https://dhis2/api/routes/eo/run/jobs/1?f=json"
        )


def test_servers_and_names_of_documents_are_relative_too() -> None:
    text = '{"servers": [{"url": "http://a/b"}], "$id": "http://a/b/collections/x/schema", "@id": "http://a/b/c"}'

    made = json.loads(made_relative(text, "http://a/b", "/openapi"))
    assert made == {"servers": [{"url": "."}], "$id": "./collections/x/schema", "@id": "./c"}
    for path, server in (("/openapi", "."), ("/openapi/", ".."), ("/collections/x/schema", "../..")):
        assert f'"url": "{server}"' in made_relative(text, "http://a/b", path)


@pytest.mark.parametrize(
    "path", ["openapi?f=json", "collections/rain/schema?f=json", "collections/rain/queryables?f=json"]
)
def test_no_document_leads_past_the_route(client: Client, path: str) -> None:
    answer = client.ask(f"{path}&links=relative")

    assert answer.status_code == 200 and client.direct not in answer.text
    if servers := answer.json().get("servers"):
        assert urljoin(answer.url, f"{servers[0]['url']}/jobs") == f"{client.route}/jobs"


def test_a_server_that_is_not_ready_says_in_the_body_when_to_ask_again(client: Client) -> None:
    answer = client.ask("ready")  # there is no worker here

    assert (answer.status_code, answer.json()["status"], answer.json()["retryAfter"]) == (503, "unavailable", 10)


def test_when_to_try_again_stands_in_the_body() -> None:
    headers, status, content = problem_of(EngineUnavailableError("Prefect does not answer"))

    assert status == 503 and json.loads(content)["retryAfter"] == int(headers["Retry-After"])
    headers, status, content = problem_of(ResultNotReadyError("job 1 is running"))
    assert status == 404 and json.loads(content)["retryAfter"] == int(headers["Retry-After"])
    assert "retryAfter" not in json.loads(problem_of(_OfARequest("x"))[2])


class _OfARequest(EngineUnavailableError):
    status = EngineUnavailableError.status.BAD_REQUEST


def test_what_may_be_done_with_an_address_stands_in_the_body(client: Client) -> None:
    refused = client.ask("health", "PUT")

    assert refused.status_code == 405 and "GET" in refused.json()["detail"]


def test_the_climate_app_finds_a_provider(client: Client) -> None:
    assert client.ask("health").json() == {"status": "ok"}
    templates = {template["id"]: template for template in client.ask("dataset-templates").json()}

    rain = templates["rain"]
    assert {name: type(value) for name, value in rain.items()} == {
        **dict.fromkeys(
            ("id", "name", "short_name", "description", "variable", "units", "period_type", "resolution", "source"), str
        ),
        "extents": dict,
    }
    assert (rain["variable"], rain["units"], rain["period_type"], rain["resolution"]) == (
        "precipitation", "mm", "daily", "0.05°",
    )  # fmt: skip
    assert rain["description"] == "Rain a day"
    assert rain["extents"] == {"temporal": {"begin": "1981-01-01", "end": "2025-07-03"}}
    sample = templates["sample-temperature"]
    assert sample["extents"] == {"temporal": {"begin": "2025-07-01", "end": "2025-07-03"}}
    assert sample["resolution"] == "not stated"  # a file of one's own does not say it
    assert sorted(templates) == ["rain", "sample-temperature"]  # no weeks, and none without days


@pytest.mark.parametrize("period_type", PERIOD_TYPES)
def test_the_climate_app_is_given_the_period_types_that_it_knows(period_type: str) -> None:
    rain = Dataset.model_validate({"id": "rain", "source": "chirps3", "periodType": period_type})
    template = template_of(rain, "", (date(1981, 1, 1), date(2025, 7, 3)))

    known = period_type in ("daily", "monthly", "yearly")
    assert (template and template["period_type"]) == (period_type if known else None)


@pytest.mark.parametrize("days", [(None, None), (date(1981, 1, 1), None), (None, date(2025, 7, 3))])
def test_the_climate_app_is_told_of_no_dataset_whose_days_are_not_known(days: tuple[date | None, date | None]) -> None:
    assert template_of(Dataset.model_validate({"id": "rain", "source": "chirps3"}), "", days) is None


def test_who_has_no_token_is_told_of_public_datasets(client: Client) -> None:
    templates = {each["id"]: each for each in requests.get(f"{client.direct}/dataset-templates", timeout=60).json()}

    assert templates["rain"]["extents"]["temporal"]["end"] == "2025-07-03"  # a public dataset
    assert list(templates) == ["rain"]  # the days of the other are not for all to know


def test_maps_takes_the_newest_values_by_address(client: Client) -> None:
    maps = {"Origin": "https://dhis2.example.org", "Accept": "*/*"}
    by_address = requests.get(f"{client.direct}/datasets/rain/latest", headers=maps, timeout=60)

    assert by_address.status_code == 200 and by_address.headers["Content-Type"] == "application/geo+json"
    features = by_address.json()["features"]
    assert {f["properties"]["period"] for f in features} == {"20250703"}
    assert {(f["properties"]["title"], f["properties"]["unit"]) for f in features} == {("rain", "mm")}
    closed = requests.get(f"{client.direct}/datasets/sample-temperature/latest", headers=maps, timeout=60)
    assert closed.status_code == 401
    assert client.ask("datasets/sample-temperature/latest", headers=maps).json()["features"]
