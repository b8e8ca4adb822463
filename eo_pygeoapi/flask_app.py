"""The application: pygeoapi's own, with what its plugins cannot reach. `WSGI_APP=eo_pygeoapi.flask_app:APP`.

Our routes come first, pygeoapi's follow; none of its functions is changed. Importing this module reads the
configuration, as importing `pygeoapi.flask_app` does.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import BinaryIO

import pygeoapi.flask_app as stock
from flask import Blueprint, Flask, Response, g, make_response, redirect, request
from flask_cors import CORS
from pygeoapi.api import APIRequest
from pygeoapi.formats import FORMAT_TYPES
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wsgi import wrap_file

from eo_pygeoapi.api import sign_in
from eo_pygeoapi.api.http import forwarded, relative_links
from eo_pygeoapi.api.http.accept import AcceptMiddleware, names_only_json
from eo_pygeoapi.api.http.access import CHANGING, Access
from eo_pygeoapi.api.http.answers import StoredFile, StreamedText, executions_of, manager_of, use_templates
from eo_pygeoapi.api.http.bodies import read_body
from eo_pygeoapi.api.http.compression import compress_answers
from eo_pygeoapi.api.http.error_page import error_page
from eo_pygeoapi.api.http.forms import refuse_other_sites
from eo_pygeoapi.api.http.methods import allowed, answer_options, refuse_routes_of_pygeoapi
from eo_pygeoapi.api.http.parameters import refuse_unknown
from eo_pygeoapi.api.http.problems import MEDIA_TYPE, Answer, problem, problem_of, problem_of_pygeoapi
from eo_pygeoapi.api.http.security_headers import with_security_headers
from eo_pygeoapi.api.http.seen_config import show_by_viewer
from eo_pygeoapi.api.http.vain_warnings import leave_out_vain_warnings
from eo_pygeoapi.api.pages.compiled_templates import compile_once
from eo_pygeoapi.api.routes import ROUTES
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import ConfigError, EoError, ForbiddenError, QueryError, UnauthorizedError
from eo_pygeoapi.jobs.executions import JobFailedError
from eo_pygeoapi.jobs.exposure import reached_at, refuse_open_server
from eo_pygeoapi.redaction import redact_logs
from eo_pygeoapi.settings import Network, process_settings
from eo_pygeoapi.wording import nearest

LOG = logging.getLogger(__name__)
_ITEMS = re.compile(r"/collections/[^/]+/items(/[^/]+)?$")
LARGEST_BODY = 32 * 1024 * 1024

BLUEPRINT = Blueprint("eo_pygeoapi", __name__, url_prefix=stock.API_RULES.get_url_prefix("flask"))


def make_app() -> Flask:
    """Make the application: our routes, then pygeoapi's."""
    leave_out_vain_warnings()
    compile_once()
    for config in (stock.api_.config, stock.api_.tpl_config):
        use_templates(config["server"])
    settings = process_settings()
    redact_logs(settings.secrets(), ["gunicorn.error"])

    def all_datasets() -> Mapping[str, Dataset]:
        return manager_of(stock.api_).executions.datasets()

    for config in (stock.api_.config, stock.api_.tpl_config):
        show_by_viewer(config, all_datasets)
    refuse_open_server(str(stock.CONFIG["server"]["bind"]["host"]), settings)
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = stock.APP.url_map.strict_slashes
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    for path, method, function, formats in ROUTES:
        endpoint = f"{function.__name__}_{method.lower()}"
        BLUEPRINT.add_url_rule(path, endpoint, _view(path, function, formats), methods=[method])
    app.register_blueprint(BLUEPRINT)
    app.register_blueprint(stock.BLUEPRINT)
    if stock.CONFIG["server"].get("admin"):
        app.register_blueprint(stock.ADMIN_BLUEPRINT)
    compress_answers(app, bool(stock.CONFIG["server"].get("gzip")))
    if stock.CONFIG["server"].get("cors", False) and (origins := settings.origins()):
        CORS(app, origins=origins, expose_headers="*")
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_any_error)
    app.after_request(_secured)
    app.after_request(_with_links)
    app.before_request(_addressed(settings.proxies()))
    app.before_request(_checked(Access(settings, all_datasets)))
    app.before_request(lambda: refuse_routes_of_pygeoapi(stock.api_, request))
    app.after_request(lambda response: answer_options(stock.api_, request, response))
    app.after_request(_as_problem)
    app.wsgi_app = AcceptMiddleware(app.wsgi_app, app.url_map.strict_slashes)  # type: ignore[method-assign]
    return app


def _checked(access: Access) -> Callable[[], Response | None]:
    """Return what looks at a request's token before anything else does."""
    prefix = stock.API_RULES.get_url_prefix("flask")

    def check() -> Response | None:
        rule = request.url_rule.rule.removeprefix(prefix) if request.url_rule else ""
        named = request.view_args or {}
        collection = str(named.get("collection_id") or named.get("dataset_id") or "")
        try:
            authorization = request.headers.get("Authorization", "")
            if not authorization and (kept := request.cookies.get(sign_in.COOKIE)):
                authorization = f"Bearer {kept}"
                if request.method in CHANGING:
                    refuse_other_sites(dict(request.headers), stock.api_.base_url)
            relative_links.is_asked()
            access.check(request.method, rule, collection, authorization, reached_at(request.environ))
        except EoError as error:
            return _respond(*_error_answer(error))
        return None

    return check


def _addressed(trusted: list[Network]) -> Callable[[], None]:
    """Return what finds out at which address a request reached the proxy in front of us."""
    return lambda: forwarded.look_at(request.environ, stock.api_.base_url, trusted)


def _with_links(response: Response) -> Response:
    """Have an answer's links be relative where that is asked for, and lead to the proxy in front of us else."""
    with suppress(QueryError):  # which was answered already
        if relative_links.is_asked():
            return relative_links.with_relative_links(response, stock.api_.base_url)
    return forwarded.with_outside_address(response, stock.api_.base_url)


def _secured(response: Response) -> Response:
    """Tell browsers what to refuse, and caches what an answer depends on: one to a token is nobody else's."""
    templates = str(stock.api_.tpl_config["server"]["templates"]["path"])
    secured = with_security_headers(response, templates, forwarded.outside() or stock.api_.base_url)
    secured.vary.update(("Accept", "Accept-Language", "Origin"))
    if process_settings().api_tokens_file:
        secured.vary.update(("Authorization", "Cookie"))
        is_page = secured.mimetype == "text/html"  # which "Back" would show to whom signs in next
        secured.headers.setdefault("Cache-Control", "private, no-store" if is_page else "private")
    return secured


def _view(path: str, function: Callable[..., Answer], formats: Iterable[str] | None) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        try:
            read_body(request)
            api_request = APIRequest.from_flask(request, stock.api_.locales)
            if formats is not None and not api_request.is_valid(list(formats)):
                asked = api_request.format
                raise QueryError(
                    f"f: {asked!r} is not allowed; allowed: json, html{''.join(f', {f}' for f in formats)}"
                )
            refuse_unknown(path, api_request)
            answer = function(stock.api_, api_request, **arguments)
        except EoError as error:
            answer = _error_answer(error)
        return _respond(*answer)

    return view


def _error_answer(error: EoError) -> Answer:
    g.error = error
    secrets = manager_of(stock.api_).secrets
    if error.status >= 500 and not isinstance(error, JobFailedError):
        LOG.warning("%s: %s", type(error).__name__, error)
    has_tenants = bool((stock.CONFIG.get("eo") or {}).get("tenants"))
    if isinstance(error, ConfigError) and not viewer().operator and has_tenants:
        error = ConfigError("the configuration file has mistakes; `eo-pygeoapi check` tells them to the operator")
    headers, status, content = problem_of(error, secrets)
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = 'Bearer realm="eo_pygeoapi"'
    if isinstance(error, ForbiddenError):
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    return headers, status, content


def _respond(headers: dict[str, str], status: int, content: object) -> Response:
    if isinstance(content, StoredFile | StreamedText):  # sent in pieces, or the range that the request names
        if isinstance(content, StoredFile):
            stream: BinaryIO = executions_of(stock.api_).store.open(content.key)
            size = stream.seek(0, 2)
            stream.seek(0)
            pieces, close = wrap_file(request.environ, stream), stream.close
        else:
            pieces, size, close = content.pieces, content.size, content.close
        response = Response(pieces, direct_passthrough=True, headers=headers)
        response.content_length = size
        response.call_on_close(close)
        response.make_conditional(request.environ, accept_ranges=True, complete_length=size)
        return response
    response = make_response(content, status)
    for name, value in headers.items():
        response.headers[name] = value
    if status == 204:
        del response.headers["Content-Type"]
    return response


def _answer_http_error(error: HTTPException) -> Response:
    """Answer with an error of the framework (404, 405, 413 …), or with a response that a function raised."""
    if error.response is not None:
        return error.get_response()  # type: ignore[return-value]
    if isinstance(error, MethodNotAllowed) and request.path.endswith("/execution") and _wants_page():
        # a browser that follows the link `execute` of a process: its page says how to
        return redirect(f"../{request.path.split('/')[-2]}?f=html#execute", 303)  # type: ignore[return-value]
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    detail = error.description or ""
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(allowed(stock.api_, request.path, error.valid_methods or ()))
        detail = f"{detail} Allowed: {headers['Allow']}."
    return _respond(*problem(status, (error.name or "Error").replace(" ", ""), detail, headers))


def _answer_any_error(error: Exception) -> Response:
    if isinstance(error.__context__, UnicodeDecodeError):  # pygeoapi 0.24 stumbles when it reports such a filter
        return _respond(*problem(400, "InvalidParameterValue", "the body is not UTF-8 text"))
    LOG.error("unexpected error at %s", request.path, exc_info=error)
    return _respond(*problem(500, "InternalError", "something unexpected went wrong; the log of the service says more"))


def _as_problem(response: Response) -> Response:
    """Write errors as problem documents, or as pages for clients that prefer HTML."""
    if not isinstance(response.headers, Headers):
        response.headers = Headers(response.headers)  # pygeoapi puts a plain dictionary there
    if response.mimetype == "application/json" and response.status_code == 200 and _ITEMS.search(request.path):
        response.headers["Content-Type"] = "application/geo+json"  # as for those who ask for f=json
    if response.status_code < 400 or request.path.endswith("/ready"):
        return response
    # pygeoapi's errors come with the media type of what was asked for
    if response.mimetype not in (MEDIA_TYPE, "text/html") and not response.direct_passthrough:
        try:
            body = json.loads(response.get_data())
        except ValueError:
            body = None
        headers, _, content = problem_of_pygeoapi(response.status_code, _named(body), manager_of(stock.api_).secrets)
        response.set_data(content)
        response.headers.extend({k: v for k, v in headers.items() if k not in response.headers})
        response.headers["Content-Type"] = MEDIA_TYPE
    if response.mimetype == MEDIA_TYPE and _wants_page() and "shown" not in g:
        g.shown = True
        api_request = APIRequest.from_flask(request, stock.api_.locales)
        document = json.loads(response.get_data())
        path = request.path.removeprefix(stock.API_RULES.get_url_prefix("flask"))
        page, _, content = error_page(stock.api_, api_request, document, g.get("error"), request.method, path)
        response.set_data(content)
        response.headers["Content-Type"] = page["Content-Type"]
        return response
    if response.mimetype == MEDIA_TYPE and names_only_json(request.headers.get("Accept", "")):
        response.headers["Content-Type"] = "application/json"
    return response


def _named(error: object) -> object:
    """Return an error of pygeoapi; one of a collection that does not exist names it, and those that there are."""
    asked = (request.view_args or {}).get("collection_id")
    if not (isinstance(error, dict) and error.get("description") == "Collection not found" and asked):
        return error
    known = [id_ for id_, resource in stock.api_.config["resources"].items() if resource["type"] == "collection"]
    said = f"there is no collection {asked!r} (there are: {', '.join(known) or 'none'}){nearest(asked, known)}"
    return error | {"description": said}


def _wants_page() -> bool:
    asked, accepted = request.args.get("f", ""), list(request.accept_mimetypes)
    # by quality alone: werkzeug's own order puts types with parameters first, which Chrome sends among others
    best = max(accepted, key=lambda entry: entry[1])[0] if accepted else ""
    return asked == "html" or (asked not in FORMAT_TYPES and best == "text/html")


APP = make_app()
