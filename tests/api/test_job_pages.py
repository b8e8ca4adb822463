"""The pages of an import's job, from a store that is filled by hand."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed

from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.contract.models import Finding, ImportSummary, KeptValue, Rejected
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from tests.stack import PROCESS, base_config
from tests.store.results_data import daily, square, units
from tests.web import web

DATASET = "sample-temperature"
INPUTS = {
    "dhis2": {"dataElement": "T"},
    "datasetId": DATASET,
    "start": "2025-07-01",
    "end": "2025-07-31",
    "dryRun": False,
}
SUMMARY = ImportSummary(
    status="WARNING",
    dry_run=False,
    imported=2,
    rejected_count=32,
    rejected=[
        Rejected(org_unit="bo", period="20250703", value="3", code="E7641", reason="the period <is> locked"),
        *(
            Rejected(org_unit="ken", period=f"202507{day:02}", value="3", code="E8022", reason="ken is not assigned")
            for day in range(1, 32)
        ),
    ],
    kept_count=12,
    kept=[
        KeptValue(org_unit="ken", period=f"202507{day:02}", value="23", stored="23.3", stored_by="aminata")
        for day in range(2, 14)
    ],
    findings=[Finding(severity="warning", code="analytics", message="analytics never ran")],
)
PREVIEW: Any = {
    "target": {"dataElement": "T"},
    "count": 5,
    "leftOutCount": 0,
    "dataValues": [],
    "rows": [],
}
CHANGES = """orgUnit,period,value,stored,change
bo,20250701,21.5,,new
ken,20250701,22,22,unchanged
bo,20250702,21,20,changed
ken,20250702,23,23.3,kept
bo,20250703,3,,rejected
"""


def leave(folder: JobFolder) -> None:
    """Leave what an import of five values leaves."""
    shapes = {"bo": square(-12, 8), "ken": square(-11, 8)}
    values = daily(list(shapes), date(2025, 7, 1), 3)
    results = JobResults(units=units(shapes), values=values, summary=SUMMARY, left_out=[], preview=PREVIEW)
    publish_results(folder, DATASET, results)
    folder.write_bytes(job_folder.CHANGES, CHANGES.encode())


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[str]:
    """The address of a job that has imported."""
    folder: Path = tmp_path_factory.mktemp("web")
    with web(folder, base_config(), prefect_api) as url:
        apply_to_prefect(folder / "pygeoapi-config.yml", Settings().model_copy(update={"prefect_api_url": prefect_api}))
        answer = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": INPUTS}, timeout=60)
        assert answer.status_code == 201, answer.text
        id_ = answer.json()["jobID"]
        with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as prefect:
            prefect.set_flow_run_state(UUID(id_), Completed(message="finished: 6 values"), force=True)
        leave(JobFolder(ResultStore(str(folder / "results")), id_))
        yield f"{url}/jobs/{id_}"


def page(address: str) -> str:
    answer = requests.get(address, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/html"), answer.text
    assert "<script" not in answer.text
    return answer.text


def test_a_job_is_called_by_its_dataset_and_dates(job: str) -> None:
    title = "Daily temperature (synthetic sample), 1 to 31 July 2025: import, 6 values"
    listed = job.rpartition("/")[0]

    for address in (f"{job}?f=html", f"{job}/results?f=html", f"{job}/logs?f=html", f"{job}/payload-preview?f=html"):
        assert title in page(address), address
    assert title in page(f"{listed}?f=html&dataset={DATASET}&datetime=../..&status=") and title in page(
        f"{listed}?f=html"
    )
    assert title not in page(f"{listed}?f=html&dataset=other")


def test_files_that_are_tables_may_be_asked_for_as_csv(job: str) -> None:
    for asked in ("?f=csv", "?f=json", ""):
        answer = requests.get(f"{job}/files/changes.csv{asked}", headers={"Accept": "*/*"}, timeout=60)
        assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/csv"), answer.text
        assert answer.links["describedby"]["url"].endswith(f"/collections/{DATASET}?f=json")
    named = requests.get(f"{job}/files/changes.csv", headers={"Accept": "text/csv"}, timeout=60)
    assert named.status_code == 200, named.text
    refused = requests.get(f"{job}/files/features.geojson?f=csv", timeout=60)
    assert refused.status_code == 400 and "features.geojson is application/geo+json" in refused.json()["detail"]


def test_the_list_is_cut_by_days(job: str) -> None:
    listed, today = job.rpartition("/")[0], date.today()
    id_ = job.rpartition("/")[2]

    assert id_ in page(f"{listed}?f=html&from={today - timedelta(2)}&to={today + timedelta(2)}")
    assert id_ not in page(f"{listed}?f=html&from=&to=2025-01-01")
    assert id_ not in page(f"{listed}?f=html&from=2100-01-01&to=")


def test_what_an_import_found_is_in_tables_with_names(job: str) -> None:
    text = page(f"{job}?f=html")

    assert "analytics never ran" in text
    kept, rejected = text.partition("Kept: values")[2].split("Rejected by DHIS2")
    for said in ("Unit ken", "2 July 2025", "23.3", "aminata", f"{job}/files/kept.json"):
        assert said in kept, said
    for said in ("Unit bo", "3 July 2025", "the period &lt;is&gt; locked (E7641)"):
        assert said in rejected, said


def test_long_lists_are_short_at_first(job: str) -> None:
    kept, rejected = page(f"{job}?f=html").partition("Kept: values")[2].split("Rejected by DHIS2")

    shown, _, more = kept.partition('<details class="more"><summary>2 more</summary>')
    assert (shown.count("aminata"), more.count("aminata")) == (10, 2)
    assert "32 of 32" in rejected and rejected.count("ken is not assigned (E8022)") == 1
    row = re.sub(r"\s*<.*?>\s*", "|", rejected.partition("Unit ken")[2])
    assert re.match(r"\|+1 July 2025 to 31 July 2025\|+31 values\|+ken is not assigned", row), row


def test_a_page_that_renews_itself_can_be_stopped(job: str) -> None:
    url = job.partition("/jobs/")[0]
    waiting = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": INPUTS}, timeout=60).json()["jobID"]

    renewed, stopped = (page(f"{url}/jobs/{waiting}?f=html{query}") for query in ("", "&renew=no"))
    assert 'http-equiv="refresh"' in renewed and 'href="?f=html&amp;renew=no">stop that</a>' in renewed
    assert 'http-equiv="refresh"' not in stopped and 'href="?f=html">have this page renew itself</a>' in stopped
    assert 'http-equiv="refresh"' not in page(f"{job}?f=html")


def test_regions_that_scroll_have_names(job: str) -> None:
    for address in (f"{job}?f=html", f"{job}/payload-preview?f=html", f"{job}/results?f=html"):
        regions = re.findall(r"<[^>]*tabindex=\"0\"[^>]*>", page(address))
        assert regions and all('role="region"' in region and "aria-label=" in region for region in regions), address


def test_an_import_leads_to_its_undo_and_its_links_name_pages_and_files(job: str) -> None:
    text = page(f"{job}?f=html").partition("<main")[2]

    assert f'/processes/eo-undo?f=html&amp;jobId={job.rpartition("/")[2]}#execute"' in text
    assert f'<a href="{job}/logs?f=html"' in text and "(CSV)" in text and "application/json" not in text


def test_the_page_of_a_process_leads_to_its_jobs(job: str) -> None:
    text = page(f"{job.partition('/jobs/')[0]}/processes/{PROCESS}?f=html").partition("<main")[2]

    assert f"/jobs?f=html&amp;processID={PROCESS}" in text and "as HTML" not in text and "as JSON" not in text


def test_every_value_stands_beside_what_dhis2_holds(job: str) -> None:
    text = page(f"{job}/payload-preview?f=html")

    assert text.count('<tr class="change-') == 5 and "5 of 5" in text and "1 unchanged" in text
    assert '<tr class="change-kept"><td class="unit">Unit ken</td><td class="moment">2 July 2025</td>' in text
    differing = page(f"{job}/payload-preview?f=html&only=differing")
    assert differing.count('<tr class="change-') == 4 and '<tr class="change-unchanged"' not in differing
    second = page(f"{job}/payload-preview?f=html&only=differing&limit=3&offset=3")
    assert second.count('<tr class="change-') == 1 and '<tr class="change-rejected"' in second
    assert "only=differing" in second.partition('<a role="button" href="')[2].partition('"')[0]


def test_every_file_that_is_linked_is_there(job: str) -> None:
    links = requests.get(f"{job}?f=json", timeout=60).json()["links"]
    files = [link["href"] for link in links if "/files/" in link["href"]]

    assert any(href.endswith("changes.csv") for href in files)
    for href in files:
        assert requests.get(href, timeout=60).content, href


def test_the_pages_of_published_values_say_where_they_are(job: str) -> None:
    url = job.rpartition("/jobs/")[0]
    items = f"{url}/collections/{DATASET}/items"

    item = page(f"{items}/bo-20250701?f=html")
    assert (
        f'<a href="{url}/collections/{DATASET}?f=html">Daily temperature' in item
        and f'<a href="{items}?f=html">' in item
    )
    assert "how to execute" in page(f"{items}?f=html&datetime=1990-01-01")
    assert "6 of 6 items" in page(f"{items}?f=html")


def test_a_job_that_has_ended_is_said_to_be_removed(job: str) -> None:
    execution = job.replace(f"/jobs/{job.rpartition('/')[2]}", f"/processes/{PROCESS}/execution")
    another = requests.post(execution, json={"inputs": INPUTS}, timeout=60).headers["Location"]

    said = [requests.delete(another, timeout=60).json() for _ in range(2)]

    assert [document["status"] for document in said] == ["dismissed", "dismissed"]
    assert [d["message"] for d in said] == ["dismissed", "removed, with its files and log; it was dismissed"]
    assert requests.get(another, timeout=60).status_code == 404


def test_a_job_with_a_part_that_no_form_holds_is_not_offered_again(job: str) -> None:
    assert "Run it again" not in page(f"{job}?f=html")  # its inputs name a data element


def test_the_form_of_a_process_makes_a_job_and_the_form_of_a_job_ends_it(job: str) -> None:
    url, fields = job.rpartition("/jobs/")[0], {"datasetId": DATASET, "start": "2025-07-01", "end": "2025-07-02"}
    form = f"{url}/processes/{PROCESS}"

    made = requests.post(f"{form}/form?f=html", data={**fields, "orgUnitLevel": "", "dryRun": "true"}, timeout=60)
    (sent,) = made.history
    assert sent.status_code == 303 and made.status_code == 200 and "Dismiss it" in made.text
    document = requests.get(made.url.replace("f=html", "f=json"), timeout=60).json()
    assert document["inputs"] == {**fields, "dryRun": True}

    ended = requests.post(f"{made.url.partition('?')[0]}/dismiss?f=html", timeout=60)
    assert ended.history[0].status_code == 303 and "dry run dismissed" in ended.text
    again = ended.text.partition("Run it again")[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    filled = page(again)
    assert 'value="2025-07-02"' in filled and f'"datasetId": "{DATASET}"' in filled and '"dryRun": true' in filled
    removed = requests.post(f"{made.url.partition('?')[0]}/dismiss?f=html", timeout=60)
    assert removed.url == f"{url}/jobs?f=html"


def test_a_form_of_another_site_makes_and_ends_no_job(job: str) -> None:
    url, elsewhere = job.rpartition("/jobs/")[0], {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"}
    fields = {"datasetId": DATASET, "start": "2025-07-01", "end": "2025-07-02"}

    for address in (f"{url}/processes/{PROCESS}/form", f"{job}/dismiss"):
        refused = requests.post(address, data=fields, headers=elsewhere, timeout=60)
        assert refused.status_code == 403 and "another site" in refused.json()["detail"]
    wrong = requests.post(f"{url}/processes/{PROCESS}/form", data={**fields, "orgUnitLevel": "two"}, timeout=60)
    assert wrong.status_code == 400 and "orgUnitLevel" in wrong.json()["detail"]


def test_the_page_of_a_process_says_what_is_allowed(job: str) -> None:
    text = page(f"{job.rpartition('/jobs/')[0]}/processes/{PROCESS}?f=html")

    assert "0 datasets" not in text and "anything, several" not in text and "`" not in text
    assert '<option value="true" selected>yes</option>' in text  # a dry run


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}


def test_every_address_is_a_page_in_a_browser(job: str) -> None:
    url, _, id_ = job.partition("/jobs/")
    described = requests.get(f"{url}/openapi?f=json", timeout=60).json()
    stands_for = {"{jobId}": id_, "{outputId}": "result", "{name}": "changes.csv", "{datasetId}": DATASET}
    looked_at = 0
    for path, operations in described["paths"].items():
        if "get" not in operations or path.startswith("/schedules/"):  # the sample has no schedule
            continue
        address = path.replace("{featureId}", "nothing")
        for name, value in stands_for.items():
            address = address.replace(name, value)
        for asked, headers in (("", BROWSER), ("?f=html", {})):
            answer = requests.get(f"{url}{address}{asked}", headers=headers, timeout=60)
            assert answer.headers["Content-Type"].startswith("text/html"), (address, asked, answer.text[:200])
            assert answer.status_code == (404 if address.endswith("/nothing") else answer.status_code)
            assert answer.status_code in (200, 404, 503) and answer.text.count("<h1") == 1, address
        looked_at += 1
    assert looked_at > 30


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/dataset-templates"])
def test_programs_are_answered_as_before(job: str, path: str) -> None:
    url = job.partition("/jobs/")[0]
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/openmetrics-text,text/plain;q=0.5,*/*;q=0.1"}):
        answer = requests.get(f"{url}{path}", headers=headers, timeout=60)
        assert not answer.headers["Content-Type"].startswith("text/html"), (path, headers)


def test_an_output_is_words_and_tables_and_the_json_is_a_link_away(job: str) -> None:
    text = page(f"{job}/results/result?f=html")

    assert "Daily temperature (synthetic sample), 1 to 31 July 2025: import, 6 values" in text
    assert "<dt>Import summary</dt>" in text and ">the period &lt;is&gt; locked</td>" in text
    assert "{" not in text.partition("</h1>")[2] and 'href="?f=json"' in text


def test_a_file_shows_its_first_rows_and_is_downloaded_by_its_name(job: str) -> None:
    text = page(f"{job}/files/changes.csv?f=html")
    assert 'data-label="Stored">23.3</td>' in text and 'data-label="Change">kept</td>' in text
    assert 'href="?f=csv">Download changes.csv' in text

    file = requests.get(f"{job}/files/changes.csv?f=csv", timeout=60)
    assert file.text.startswith("orgUnit,") and file.headers["Content-Disposition"] == (
        f'attachment; filename="{DATASET}-changes.csv"'
    )
    assert "Download features.geojson" in page(f"{job}/files/features.geojson?f=html")


def test_the_page_of_the_coverage_keeps_a_form_with_a_mistake(job: str) -> None:
    url = job.partition("/jobs/")[0]
    wrong = requests.get(f"{url}/datasets/{DATASET}/coverage?f=html&start=2025-07-31&end=2025-07-01", timeout=60)

    assert wrong.status_code == 400 and 'name="start" type="date" value="2025-07-31" aria-invalid="true"' in wrong.text
    assert "an end that is not before the start" in wrong.text
