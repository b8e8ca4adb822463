"""A form with a mistake comes back as it was filled in, with the mistake above it and beside its field."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from eo_pygeoapi.api.http.mistakes import Mistake, Mistakes
from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.errors import EngineUnavailableError, InputError, QueryError
from eo_pygeoapi.settings import Settings
from tests.stack import PROCESS, base_config
from tests.web import web

FORM = {"datasetId": "sample-temperature", "start": "yesterday", "end": "2025-07-31", "dryRun": "false"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("mistakes")
    with web(folder, base_config(), prefect_api) as address:
        settings = Settings(PREFECT_API_URL=prefect_api)  # type: ignore[call-arg]
        apply_to_prefect(folder / "pygeoapi-config.yml", settings)
        yield address


def test_a_mistake_is_beside_its_field_and_nothing_that_was_typed_is_lost(url: str) -> None:
    answer = requests.post(f"{url}/processes/{PROCESS}/form?f=html", data=FORM, timeout=60)
    page = answer.text

    assert answer.status_code == 400 and "<title>Mistake: " in page
    assert 'name="start" value="yesterday" aria-invalid="true" aria-describedby="start-mistake"' in page
    assert 'name="end" value="2025-07-31"' in page and '<option value="false" selected>' in page
    above = page.partition('id="mistakes" role="alert" tabindex="-1" autofocus')[2].partition("</section>")[0]
    assert '<a href="#start">First period</a>: &#39;yesterday&#39; is no date' in above
    assert "&#39;yesterday&#39; is no date" in page.partition('id="start-mistake">')[2].partition("</p>")[0]


def test_a_form_whose_mistake_has_no_field_says_it_above(url: str) -> None:
    sent = FORM | {"start": "2025-07-01"}  # the dataset has no data element to import to
    page = requests.post(f"{url}/processes/{PROCESS}/form", data=sent, headers=BROWSER, timeout=60)

    assert page.status_code == 400 and "dhis2.dataElement: is required to import" in page.text
    assert 'name="start" value="2025-07-01"' in page.text and 'aria-invalid="' not in page.text


def test_a_program_has_a_problem_document(url: str) -> None:
    answer = requests.post(f"{url}/processes/{PROCESS}/form", data=FORM, timeout=60)
    assert answer.status_code == 400 and answer.json()["detail"].startswith("input start: 'yesterday' is no date")


def test_a_form_is_kept_while_prefect_is_away(tmp_path: Path) -> None:
    with web(tmp_path, base_config(), "http://127.0.0.1:9/api") as url:
        sent = FORM | {"start": "2025-07-01", "dryRun": "true"}
        page = requests.post(f"{url}/processes/{PROCESS}/form?f=html", data=sent, timeout=60)

    assert page.status_code == 503 and 'name="start" value="2025-07-01"' in page.text
    assert "Prefect" in page.text.partition('id="mistakes"')[2].partition("</section>")[0]


@pytest.mark.parametrize(
    ("path", "field", "typed"),
    [
        ("/jobs?from=2025-07-05&to=2025-07-01&limit=7", "from", "2025-07-05"),
        ("/jobs?limit=0&from=2025-07-05", "limit", "0"),
        ("/collections/sample-temperature/items?from=2025-07-05&to=2025-07-01&limit=7", "from", "2025-07-05"),
    ],
)
def test_a_filter_with_a_mistake_is_shown_again(url: str, path: str, field: str, typed: str) -> None:
    page = requests.get(f"{url}{path}", headers=BROWSER, timeout=60)

    assert page.status_code == 400 and f'aria-describedby="{field}-mistake"' in page.text
    assert f'value="{typed}">' in page.text and f'href="#{field}"' in page.text
    assert 'value="7"' in page.text or 'value="2025-07-05"' in page.text
    assert requests.get(f"{url}{path}&f=json", timeout=60).headers["Content-Type"] != "text/html"


def test_a_token_that_is_not_known_is_said_beside_its_field_and_not_shown_again(
    tmp_path: Path, prefect_api: str
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    tokens.create("ada", ["read"])
    with web(tmp_path / "web", base_config(), prefect_api, {"EO_API_TOKENS_FILE": str(tokens.path)}) as url:
        page = requests.post(f"{url}/sign-in?f=html", data={"token": "eo_typo", "next": "/jobs"}, timeout=60)

    assert page.status_code == 401 and 'aria-describedby="token-mistake"' in page.text
    assert 'name="next" value="/jobs"' in page.text and "eo_typo" not in page.text


def test_sentences_find_their_fields() -> None:
    said = InputError(
        [
            "input start, end: no whole month lies in it",
            "input orgUnitIds[1]: 7 is not allowed",
            "input dhis2.dataElement: is required",
            "the body is odd",
        ]
    )
    assert Mistakes.of(said, ["start", "end", "orgUnitIds"]).all == (
        Mistake("No whole month lies in it", ("start", "end")),
        Mistake("7 is not allowed", ("orgUnitIds",)),
        Mistake("Input dhis2.dataElement: is required"),
        Mistake("The body is odd"),
    )
    asked = QueryError("datetime: 'x' is not allowed; allowed: start/end")
    assert Mistakes.of(asked, ["from"], {"datetime": "from"}).beside("from") == [
        "'x' is not allowed; allowed: start/end"
    ]
    assert Mistakes.of(EngineUnavailableError("Prefect: is away"), ["from"]).beside("from") == []
