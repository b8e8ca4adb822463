"""What the log of the API says of requests in which nothing is wrong: nothing."""

from pathlib import Path

import requests

from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.settings import Settings
from tests.stack import PROCESS, base_config
from tests.web import web

COLLECTION = "/collections/sample-temperature"
PATHS = [
    *("/", "/conformance", "/openapi", "/processes", f"/processes/{PROCESS}", "/jobs", "/datasets", "/problems"),
    *("/datasets/sample-temperature", "/schedules", "/health", "/collections", COLLECTION, f"{COLLECTION}/items"),
    *(f"{COLLECTION}/schema", f"{COLLECTION}/queryables", f"{COLLECTION}/items?limit=5"),
]


def test_the_log_of_the_api_is_empty_where_nothing_is_wrong(tmp_path: Path, prefect_api: str) -> None:
    with web(tmp_path, base_config(), prefect_api) as url:
        settings = Settings(PREFECT_API_URL=prefect_api)  # type: ignore[call-arg]
        apply_to_prefect(tmp_path / "pygeoapi-config.yml", settings)
        for path in PATHS:
            for form in ("json", "html"):
                answer = requests.get(f"{url}{path}", {"f": form}, timeout=60)
                assert answer.ok, (path, answer.text)
    said = (tmp_path / "web.log").read_text().splitlines()
    assert [line for line in said if "[INFO]" not in line] == []
