"""Two tenants and the operator at one server: every route of the OpenAPI document is asked with each token.

A route that this file does not know how to ask fails the test, so that a new one is walked, too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import LogCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.contract.history import ImportRecord
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.status import COMPANIONS, RECONCILE_ID, UNDO_ID
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.specs import import_spec
from eo_pygeoapi.jobs.documents import FILES
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.numbers import NUMBERS, DatasetNumbers, Numbers
from eo_pygeoapi.watch.problems import Book, Condition
from tests.api.test_job_pages import PREVIEW
from tests.stack import PROCESS, base_config, collection
from tests.store.results_data import SUMMARY, daily, square, units
from tests.web import web

# names that stand in no page and no style sheet by themselves
ALPHA, BETA = "kwale", "pemba"
NOW = datetime(2025, 8, 1, tzinfo=UTC)
SCHEDULE = "each-day"
PUBLIC = "open-values"  # a dataset of ALPHA
# whose things a token sees
SEES = {ALPHA: {ALPHA}, BETA: {BETA}, "operator": {ALPHA, BETA}, "plain": set[str](), "": set[str]()}
METHODS = ("get", "head", "post", "put", "patch", "delete")


@dataclass
class Things:
    """What a tenant has, by which routes are filled; `decoy` are ids of things that nobody has."""

    jobId: str
    datasetId: str
    featureId: str
    outputId: str = "result"
    schedule: str = SCHEDULE


# our processes, which are about a dataset or a job of somebody's
OURS = [f"/processes/{process}/execution" for process in (PROCESS, *COMPANIONS)]
# what these things are refused for, by whoever has them
REFUSED = {
    "/ready": "no worker is running",
    f"/processes/{UNDO_ID}/execution": "was a dry run",
    f"/processes/{RECONCILE_ID}/execution": "names no dhis2.dataElement",
}
DECOY = Things(str(uuid4()), "rain-gamma", "OuGamma-20250701", schedule="each-moon")


@dataclass
class Server:
    url: str
    values: dict[str, str]
    things: dict[str, Things]
    prefect_api: str
    store: ResultStore

    def ask(self, method: str, path: str, token: str, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.values[token]}"} if token else {}
        headers |= kwargs.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=60, **kwargs)

    def document(self, token: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "/openapi?f=json", token).json()
        return found

    def jobs(self, token: str, **parameters: str) -> tuple[set[str], int]:
        """The ids of the jobs that a token sees, and how many there are said to be."""
        found = self.ask("GET", "/jobs", token, params={"f": "json", "limit": "1000", **parameters}).json()
        return {job["jobID"] for job in found["jobs"]}, found["numberMatched"]


def dataset_of(tenant: str) -> str:
    return f"rain-{tenant}"


def config() -> dict[str, Any]:
    found = base_config()
    found["eo"] = {"tenants": {name: {"title": f"Ministry of {name.title()}"} for name in (ALPHA, BETA)}}
    for name in ("two-outputs", "echo"):
        del found["resources"][name]
    for name in (ALPHA, BETA):
        schedule = {"name": SCHEDULE, "cron": "0 6 * * *", "inputs": {"start": "-P40D", "end": "P0D"}}
        found["resources"][dataset_of(name)] = collection(
            dataset_of(name),
            source="chirps3",
            orgUnits={"source": "dhis2", "level": 2},
            tenant=name,
            schedules=[schedule],
        )
    found["resources"][PUBLIC] = collection(PUBLIC, source="chirps3", tenant=ALPHA, public=True)
    return found


def leave(server: Server, tenant: str) -> Things:
    """Have a tenant's dataset executed, its job end with values, and a problem open."""
    dataset, unit = dataset_of(tenant), f"Ou{tenant.title()}"
    inputs = {"datasetId": dataset, "start": "2025-07-01", "end": "2025-07-02"}
    made = server.ask("POST", f"/processes/{PROCESS}/execution", tenant, json={"inputs": inputs})
    assert made.status_code == 201, made.text
    job = made.json()["jobID"]
    with temporary_settings({PREFECT_API_URL: server.prefect_api}), get_client(sync_client=True) as prefect:
        prefect.set_flow_run_state(UUID(job), Completed(message=f"finished for {tenant}"), force=True)
        log = LogCreate(name="x", level=20, message=f"of {tenant}", timestamp=NOW, flow_run_id=UUID(job))
        prefect.create_logs([log])
    folder = JobFolder(server.store, job)
    values = daily([unit], date(2025, 7, 1), 2)
    results = JobResults(
        units=units({unit: square(0, 0)}), values=values, summary=SUMMARY, left_out=[], preview=PREVIEW
    )
    publish_results(folder, dataset, results)
    for name in FILES:
        if not folder.exists(name):
            folder.write_bytes(name, b"[]" if name.endswith("json") else tenant.encode())
    cells = {
        "orgUnit": [unit], "period": ["20250701"], "start": ["2025-07-01"], "end": ["2025-07-01"],
        "state": ["V"], "reason": [""],
    }  # fmt: skip
    CoverageTable(server.store, dataset).add_values(cells, [CoverageUnit(id=unit, name=unit, level=2)], job, "1")
    line = ImportRecord(
        job_id=job,
        dataset=dataset,
        tenant=tenant,
        dry_run=True,
        status="successful",
        finished=NOW,
        by=f"token {tenant}",
    )
    History(server.store, dataset).add(line, NOW)
    return Things(job, dataset, f"{unit}-20250701")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("tenants")
    tokens = TokenFile(folder / "tokens.json")
    values = {name: tokens.create(name, ["execute"], tenant=name) for name in (ALPHA, BETA)}
    values |= {"plain": tokens.create("plain", ["execute"]), "operator": tokens.create("o", ["execute", "operator"])}
    store = ResultStore(str(folder / "web" / "results"))
    with web(folder / "web", config(), prefect_api, {"EO_API_TOKENS_FILE": str(tokens.path)}) as url:
        settings = Settings().model_copy(update={"prefect_api_url": prefect_api})
        apply_to_prefect(folder / "web" / "pygeoapi-config.yml", settings)
        found = Server(url, values, {}, prefect_api, store)
        found.things = {name: leave(found, name) for name in (ALPHA, BETA)}
        conditions = [
            Condition("failed", "x", NOW, f"{name} failed", datasets=(dataset_of(name),), tenant=name)
            for name in (ALPHA, BETA)
        ]
        numbers = Numbers(at=NOW, datasets=[DatasetNumbers(id=dataset_of(n), tenant=n) for n in (ALPHA, BETA)])
        store.write_json(NUMBERS, numbers.model_dump(mode="json"))
        Book(store).update([*conditions, Condition("disk", "x", NOW, "the disk is full")], NOW)
        yield found


# The walk


@dataclass(frozen=True)
class Route:
    """An operation of the OpenAPI document, and how it is asked for someone's things."""

    method: str
    path: str
    operation: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def is_of_things(self) -> bool:
        """Whether it is about something that someone has, by its path or by its body."""
        return "{" in self.path or self.path.startswith("/collections/") or self.path in OURS

    @property
    def removes(self) -> bool:
        """Whether it removes what it is about."""
        return self.method == "delete" or self.path.endswith("/dismiss")

    def addresses(self, things: Things) -> Iterator[str]:
        """Yield the paths to ask, for each value where a parameter allows several."""
        path = self.path
        if found := re.match(r"/collections/(rain-\w+)", path):
            path = path.replace(found[1], things.datasetId, 1)
        paths = [path]
        for parameter in re.findall(r"\{(\w+)\}", path):
            known = [p for p in self.operation["parameters"] if p.get("name") == parameter]
            allowed = known[0]["schema"].get("enum") if known else None
            values = allowed or [self.value(parameter, things)]
            paths = [p.replace(f"{{{parameter}}}", value) for p in paths for value in values]
        yield from paths

    def value(self, parameter: str, things: Things) -> str:
        if self.path.startswith("/schedules/"):
            return things.datasetId if parameter == "datasetId" else things.schedule
        known: str | None = getattr(things, parameter, None)
        assert known is not None, f"{self.name}: teach this test what {{{parameter}}} is"
        return known

    def body(self, things: Things) -> Any:
        if self.method not in ("post", "put", "patch"):
            return None
        if self.path == f"/processes/{UNDO_ID}/execution":
            return {"inputs": {"jobId": things.jobId}}
        if self.path in OURS:
            return {"inputs": {"datasetId": things.datasetId, "start": "2025-07-01", "end": "2025-07-02"}}
        if self.path.endswith("/execution"):
            content = self.operation["requestBody"]["content"]["application/json"]
            assert "example" in content, f"{self.name}: an example, or teach this test what it takes"
            return content["example"]
        if self.path.endswith("/items"):
            return {"op": "=", "args": [{"property": "orgUnit"}, things.featureId.partition("-")[0]]}
        return {}


def routes(document: Mapping[str, Any]) -> list[Route]:
    """Every operation, what removes things last."""
    found = [
        Route(method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS and not path.startswith(f"/collections/{PUBLIC}")  # which everybody sees
    ]
    return sorted(found, key=lambda route: route.removes)


def asked(server: Server, route: Route, token: str, things: Things) -> Iterator[tuple[str, requests.Response]]:
    """Ask a route as it is, and where it is read as JSON and as a page."""
    for address in route.addresses(things):
        for form in ("?f=json", "?f=html") if route.method == "get" else ("",):
            kwargs = {"json": body} if (body := route.body(things)) is not None else {}
            headers = {"Prefer": "respond-async"}
            answer = server.ask(route.method, address + form, token, headers=headers, **kwargs)
            yield address + form, answer


def told(answer: requests.Response, things: Things) -> str:
    """What an answer says, without the ids that were asked for."""
    text = f"{answer.status_code} {answer.text}"
    for value in (things.jobId, things.datasetId, things.featureId, things.schedule):
        text = text.replace(value, "…")
    return re.sub(r"&#\d+;|\s+", " ", text)


@pytest.fixture(scope="module")
def about_alpha(server: Server) -> dict[str, list[tuple[Route, str, requests.Response]]]:
    """What the operator and the owner are answered at every route about things of Alpha, each asked once."""
    return {
        token: [
            (route, address, answer)
            for route in routes(server.document(ALPHA))
            if not route.removes
            for address, answer in asked(server, route, token, server.things[ALPHA])
        ]
        for token in ("operator", ALPHA)
    }


def test_the_owner_and_the_operator_are_answered_at_every_route(
    about_alpha: Mapping[str, list[tuple[Route, str, requests.Response]]],
) -> None:
    failed = [
        f"{token}: {route.name}: {address}: {answer.status_code} {answer.text[:200]}"
        for token, answers in about_alpha.items()
        for route, address, answer in answers
        if not answer.ok and REFUSED.get(route.path, "...") not in answer.text
    ]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("token", [BETA, "plain", ""])
def test_what_is_of_another_tenant_is_answered_like_what_nobody_has(server: Server, token: str) -> None:
    before, different = server.jobs(ALPHA), []
    for route in routes(server.document(ALPHA)):
        if not route.is_of_things:
            continue
        theirs = asked(server, route, token, server.things[ALPHA])
        for (address, answer), (_, nobodys) in zip(theirs, asked(server, route, token, DECOY), strict=True):
            said, expected = told(answer, server.things[ALPHA]), told(nobodys, DECOY)
            if said != expected or answer.ok or ALPHA in said.casefold():
                start = next((n for n, (a, b) in enumerate(zip(said, expected, strict=False)) if a != b), 0)
                different.append(f"{route.method} {address}: {said[start:][:300]} != {expected[start:][:300]}")
    assert not different, "\n".join(different)
    assert server.jobs(ALPHA) == before


@pytest.mark.parametrize("token", [BETA, "plain", ""])
def test_nothing_that_a_token_is_told_names_another_tenant(server: Server, token: str) -> None:
    found = [
        f"{route.method} {address}: {answer.text[:300]}"
        for route in routes(server.document(token))
        if not route.is_of_things or (token == BETA and not route.removes)
        for address, answer in asked(server, route, token, server.things.get(token, DECOY))
        if ALPHA in answer.text.casefold() or ALPHA in str(answer.headers).casefold()
    ]
    assert not found, "\n".join(found)


def test_the_address_of_prefect_which_shows_all_tenants_is_the_operators(
    server: Server, about_alpha: Mapping[str, list[tuple[Route, str, requests.Response]]]
) -> None:
    prefect = server.prefect_api.partition("//")[2].removesuffix("/api")
    told = {
        token: {route.path for route, _, answer in answers if prefect in answer.text}
        for token, answers in about_alpha.items()
    }
    assert {"/", "/jobs", "/jobs/{jobId}"} <= told["operator"] and told[ALPHA] == set()
    for route in routes(server.document("plain")):
        if route.method == "get":
            for address, answer in asked(server, route, "plain", server.things[ALPHA]):
                assert prefect not in answer.text, address


@pytest.mark.parametrize("token", ["operator", ALPHA, BETA, "plain"])
def test_lists_and_their_counts_hold_what_a_token_sees(server: Server, token: str) -> None:
    datasets = {document["id"] for document in server.ask("GET", "/datasets?f=json", token).json()["datasets"]}
    expected = {dataset_of(name) for name in SEES[token]} | ({PUBLIC} if ALPHA in SEES[token] else set())
    assert datasets == expected | (set() if token in (ALPHA, BETA) else {"sample-temperature"})
    collections = server.ask("GET", "/collections?f=json", token).json()["collections"]
    assert {entry["id"] for entry in collections} == datasets | {PUBLIC}
    described = server.ask("GET", f"/processes/{PROCESS}?f=json", token).json()
    assert set(described["inputs"]["datasetId"]["schema"]["enum"]) == datasets
    document = server.document(token)
    assert {path.split("/")[2] for path in document["paths"] if path.startswith("/collections/rain")} == {
        dataset_of(name) for name in SEES[token]
    }
    example = document["paths"][f"/processes/{PROCESS}/execution"]["post"]["requestBody"]["content"]
    assert example["application/json"]["example"]["inputs"]["datasetId"] in datasets
    problems = server.ask("GET", "/problems?f=json", token).json()["problems"]
    of_none = set() if token in (ALPHA, BETA) else {"the disk is full"}
    assert {problem["message"] for problem in problems} == {f"{name} failed" for name in SEES[token]} | of_none
    jobs, matched = server.jobs(token)
    assert len(jobs) == matched
    assert {tenant for tenant, things in server.things.items() if things.jobId in jobs} == SEES[token]
    of_alpha, matched = server.jobs(token, dataset=dataset_of(ALPHA))
    assert (len(of_alpha) == matched) and bool(matched) == (ALPHA in SEES[token])


@pytest.mark.parametrize("token", [BETA, "plain", ""])
def test_public_values_are_everybodys_and_nothing_else_of_their_dataset(server: Server, token: str) -> None:
    for path in (f"/collections/{PUBLIC}?f=json", f"/collections/{PUBLIC}/items?f=json"):
        assert server.ask("GET", path, token).ok
    if token:
        assert server.ask("GET", f"/datasets/{PUBLIC}?f=json", token).status_code == 404


def test_pages_have_the_title_of_the_tenant(server: Server) -> None:
    titles = {token: server.ask("GET", "/?f=json", token).json()["title"] for token in (ALPHA, BETA, "operator", "")}
    assert titles[ALPHA] == "Ministry of Kwale" and titles[BETA] == "Ministry of Pemba"
    assert titles["operator"] == titles[""] and "Ministry" not in titles[""]
    for path in ("/?f=html", "/collections?f=html", "/problems?f=html"):
        assert "Ministry of Kwale</a>" in server.ask("GET", path, ALPHA).text, path


def test_a_job_of_another_process_belongs_to_the_tenant_that_asked(server: Server) -> None:
    body = {"inputs": {"name": ALPHA}}
    made = server.ask("POST", "/processes/hello-world/execution", ALPHA, json=body, headers={"Prefer": "respond-async"})
    assert made.status_code == 201, made.text
    job = f"/jobs/{made.json()['jobID']}"
    seen = [token for token in ("operator", ALPHA, BETA, "plain") if server.ask("GET", job, token).ok]
    assert seen == ["operator", ALPHA] and made.json()["processID"] == "hello-world"
    assert server.ask("DELETE", job, BETA).status_code == 404
    assert server.ask("DELETE", job, ALPHA).ok


def test_the_jobs_of_a_dataset_that_the_file_no_longer_names_stay_its_tenants(server: Server) -> None:
    gateway = PrefectGateway(server.prefect_api, read_timeout=30.0)
    spec = import_spec(read_datasets(config(), Path())[dataset_of(ALPHA)], Settings())
    gateway.deployments.put(replace(spec, name="gone"))
    job = gateway.runs.submit("gone", {}).id
    gateway.deployments.retire(gateway.deployments.called("gone"))
    seen = [token for token in ("operator", ALPHA, BETA, "plain") if server.ask("GET", f"/jobs/{job}", token).ok]
    assert seen == ["operator", ALPHA]
    gateway.close()


def test_a_job_is_dismissed_by_its_tenant_and_by_the_operator(server: Server) -> None:
    inputs = {"datasetId": dataset_of(ALPHA), "start": "2025-07-01", "end": "2025-07-02"}
    for token in (ALPHA, "operator"):
        made = server.ask("POST", f"/processes/{PROCESS}/execution", token, json={"inputs": inputs})
        job = f"/jobs/{made.json()['jobID']}"
        assert [server.ask("DELETE", job, other).status_code for other in (BETA, "plain", "")] == [404, 404, 401]
        assert server.ask("GET", job, ALPHA).ok
        assert server.ask("DELETE", job, token).json()["status"] == "dismissed"
