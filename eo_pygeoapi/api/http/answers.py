"""What the functions of our API have in common: f(api, request, …) -> (headers, status, content)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pygeoapi.api import API, SYSTEM_LOCALE, APIRequest, evaluate_limit
from pygeoapi.util import TEMPLATESDIR, get_api_rules, render_j2_template

from eo_pygeoapi.api.http.allowed import lacking, sign_in_address
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.pages import page_words
from eo_pygeoapi.datasets import cron_words
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import NoSuchProcessError, QueryError
from eo_pygeoapi.jobs.documents import HTML, JSON, JobLinks, link
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.manager import PrefectManager
from eo_pygeoapi.wording import counted

TEMPLATES = Path(__file__).parents[1] / "templates"


@dataclass(frozen=True)
class StoredFile:
    """Content that is sent in pieces from the results store."""

    key: str


@dataclass(frozen=True)
class StreamedText:
    """Content that is made while it is sent: so many bytes, and what to do when it is sent or nobody wants it."""

    pieces: Iterator[bytes]
    size: int
    close: Callable[[], None]


def manager_of(api: API) -> PrefectManager:
    """Return the manager; the application is made for ours."""
    manager = api.manager
    assert isinstance(manager, PrefectManager), "server.manager.name must be eo_pygeoapi.manager.PrefectManager"
    return manager


def executions_of(api: API) -> Executions:
    """Return what executes and reads jobs, of what the viewer of this request sees."""
    return manager_of(api).executions.seen_by(viewer())


def readable_dataset(api: API, dataset_id: str) -> Dataset | None:
    """Return a dataset whose values everybody may read, or that the viewer sees; None for any other."""
    everybodys = manager_of(api).executions.datasets().get(dataset_id)
    return everybodys if everybodys and everybodys.public else executions_of(api).datasets().get(dataset_id)


def raise_unless_process(api: API, process_id: str) -> None:
    """Raise NoSuchProcessError where there is no such process."""
    known = manager_of(api).processes
    if process_id not in known:
        raise NoSuchProcessError(f"there is no process {process_id!r} (there are: {', '.join(known)})")


def links_of(api: API) -> JobLinks:
    """Return where the API is, and the Prefect UI for those who may see it."""
    return JobLinks(api.base_url, executions_of(api).prefect_pages())


def headers_of(api: API, request: APIRequest, media_type: str = JSON, **more: str) -> dict[str, str]:
    """Return the headers that every answer has, and more."""
    headers: dict[str, str] = request.get_response_headers(SYSTEM_LOCALE, force_type=media_type, **api.api_headers)
    return {**headers, **more}


def header_of(request: APIRequest, name: str) -> str:
    """Return a header of a request, whatever the case of its name; nothing where it is not there."""
    return next((str(value) for key, value in request.headers.items() if key.lower() == name.lower()), "")


def answer_json(api: API, request: APIRequest, document: object, status: int = 200, **headers: str) -> Answer:
    """Return a JSON document as an answer."""
    indent = 4 if api.pretty_print else None
    content = json.dumps(document, ensure_ascii=False, indent=indent, default=str)
    return headers_of(api, request, JSON, **headers), status, content


def answer_page(api: API, request: APIRequest, template: str, data: Mapping[str, object], status: int = 200) -> Answer:
    """Return a page; the operators' own template of this name, where they have one, wins over ours."""
    config = {**api.tpl_config, "resources": {}}  # not shown, and large
    data = {
        **data,
        "words": page_words.words_of,
        "written": page_words.written,
        "worded": page_words.worded,
        "day": page_words.day_in_words,
        "besides_dhis2": page_words.besides_dhis2,
        "step_names": page_words.STEP_NAMES,
        "step_word": page_words.step_word,
        "cron_words": cron_words.in_words,
        "counted": counted,
        "lacking": lacking,
    }
    if manager_of(api).settings.api_tokens_file:
        # pygeoapi keeps `config` as it first was
        data = {**data, "viewer": {"name": viewer().name}, "sign_in_here": _sign_in_here(api, request)}
    content = render_j2_template(config, template_folder(api, template), template, data, request.locale)
    return headers_of(api, request, HTML), status, content


def _sign_in_here(api: API, request: APIRequest) -> str:
    """Return the address that takes a token and then shows the page that this request asks for."""
    path = f"/{request.path_info.strip('/')}".removeprefix(get_api_rules(api.config).get_url_prefix("flask"))
    return sign_in_address(api.base_url, path, pairs(request.params))


def answer_either(api: API, request: APIRequest, document: JsonObject, template: str, **data: object) -> Answer:
    """Return a document as a page to those who prefer HTML, else as JSON."""
    if request.format == "html":
        return answer_page(api, request, template, {**document, **data})
    return answer_json(api, request, document)


def use_templates(server: JsonObject) -> None:
    """Have pygeoapi's pages use our templates, unless the configuration names others."""
    templates = server.setdefault("templates", {})
    if templates.get("path") in (None, TEMPLATESDIR, str(TEMPLATESDIR)):
        templates["path"] = str(TEMPLATES)


def template_folder(api: API, template: str) -> dict[str, str]:
    """Return the folder of a template, as pygeoapi takes it."""
    own = Path(api.config["server"]["templates"]["path"])
    return {"path": str(own if (own / template).is_file() else TEMPLATES)}


def page_of(api: API, request: APIRequest) -> tuple[int, int]:
    """Return limit and offset; QueryError when they are no whole numbers of the right size."""
    try:
        limit = int(evaluate_limit(request.params.get("limit"), api.config["server"].get("limits", {}), {}))
    except ValueError as error:
        raise QueryError(f"limit: {request.params.get('limit')!r} is not allowed; allowed: 1 or more") from error
    text = request.params.get("offset", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise QueryError(f"offset: {text!r} is not allowed; allowed: 0 or more")
    return limit, int(text)


def paging_links(
    request: APIRequest, url: str, limit: int, offset: int, matched: int, media_type: str = JSON
) -> list[dict[str, str]]:
    """Return the links to the next and the previous page; they keep all other parameters."""
    kept = [(name, value) for name, value in pairs(request.params) if name not in ("offset", "limit")]

    def page(rel: str, start: int, title: str) -> dict[str, str]:
        return link(f"{url}?{urlencode([*kept, ('limit', limit), ('offset', start)])}", rel, media_type, title)

    links = []
    if offset + limit < matched:
        links.append(page("next", offset + limit, "Next page"))
    if offset > 0:
        links.append(page("prev", max(0, offset - limit), "Previous page"))
    return links


def pairs(parameters: Any) -> list[tuple[str, str]]:
    """Return query parameters as (name, value), repeated ones each."""
    if hasattr(parameters, "multi_items"):  # Starlette
        return list(parameters.multi_items())
    return list(parameters.items(multi=True) if hasattr(parameters, "getlist") else parameters.items())
