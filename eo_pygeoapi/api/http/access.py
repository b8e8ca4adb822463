"""Who may do what: a table of routes and the scope that each needs of a token, and who the viewer of a request is.

Without a file of tokens all is open, but to this machine alone.
"""

from collections.abc import Callable, Mapping, Sequence

from eo_pygeoapi.api.http.allowed import ALL, NONE, Rights, grant, in_words
from eo_pygeoapi.api.http.tokens import Scope, Token, TokenFile
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.viewer import ANYBODY, OPERATOR, answer_to, viewer
from eo_pygeoapi.errors import ForbiddenError, UnauthorizedError, token_wanted
from eo_pygeoapi.jobs.exposure import refuse_unprotected
from eo_pygeoapi.settings import Settings

CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_COLLECTION = "/collections/<path:collection_id>"
# what says how a collection is made, and shows none of its values
_DESCRIPTIONS = (_COLLECTION, f"{_COLLECTION}/schema", f"{_COLLECTION}/queryables")

_LATEST = "/datasets/<dataset_id>/latest"
# the second is what a Route of DHIS2 sends whose `auth` is `api-token`
_SCHEMES = ("bearer", "apitoken")

# what tells of jobs and of what they left
OF_JOBS = ("/jobs", "/datasets", "/problems", "/schedules", "/metrics")

# what pygeoapi answers from the whole configuration file
_OF_ALL = ("/admin", "/asyncapi")

Datasets = Callable[[], Mapping[str, Dataset]]


class Access:
    """Checks requests against the tokens of this process's environment."""

    def __init__(self, settings: Settings, datasets: Datasets) -> None:
        self.tokens = TokenFile(settings.api_tokens_file) if settings.api_tokens_file else None
        self._settings = settings
        self._datasets = datasets

    def check(self, method: str, rule: str, collection: str, authorization: str, addresses: Sequence[str]) -> None:
        """Have the request answered to the bearer of its token, or to anybody.

        `rule` is the route as it was declared, `addresses` are those of this server that it may have come in at.
        Raises UnauthorizedError without a known token where one is needed, ForbiddenError for one of another scope,
        and where there are no tokens and other machines can reach the server.
        """
        answer_to(ANYBODY)
        grant(NONE)
        if self.tokens is None:
            self._without_tokens(self._needed(method, rule, collection) is not None, addresses)
            return
        scheme, _, presented = authorization.partition(" ")
        token = self.tokens.find(presented.strip()) if scheme.lower() in _SCHEMES else None
        answer_to(token.viewer if token else ANYBODY)
        if token:
            grant(Rights(token.may("read"), "" if token.may("execute") else in_words(_refused(token, "execute"))))
        scope = self._needed(method, rule, collection)
        if scope is None:
            return
        if token is None:
            why = "this token is not known" if authorization else "a bearer token is needed"
            raise UnauthorizedError(f"{why}; `eo-pygeoapi token create NAME --scope {scope}` makes one")
        if not token.may(scope):
            raise _refused(token, scope)
        if self._shows_all(rule) and not token.viewer.operator:
            raise ForbiddenError(
                f"token {token.name!r} is not the operator's; {rule} shows all tenants",
                "operator",
                token_wanted("--scope read --operator"),
            )

    def _without_tokens(self, protected: bool, addresses: Sequence[str]) -> None:
        """Take who reaches a server without tokens for its operator, where nobody else can."""
        try:
            refuse_unprotected(addresses, self._settings, "set EO_API_TOKENS_FILE")
        except ForbiddenError as error:
            grant(Rights(lacking=in_words(error)))
            if protected:
                raise
            return
        answer_to(OPERATOR)
        grant(ALL)

    def _shows_all(self, rule: str) -> bool:
        """Return whether a route shows what several tenants have, whoever asks."""
        return rule.startswith(_OF_ALL) and any(dataset.tenant for dataset in self._datasets().values())

    def _needed(self, method: str, rule: str, collection: str) -> Scope | None:
        if method == "OPTIONS":  # what a browser asks before it asks
            return None
        if rule.startswith("/admin"):
            return "execute"
        if rule.endswith(("/execution", "/form")):
            return "execute"
        if rule == _LATEST and (dataset := self._datasets().get(collection)) and dataset.public:
            return None
        if rule.startswith(OF_JOBS):
            return "execute" if method in CHANGING else "read"
        if rule.startswith(_COLLECTION) and rule not in _DESCRIPTIONS:
            # one that is not seen is answered like one that does not exist
            dataset = viewer().datasets(self._datasets()).get(collection)
            return "read" if dataset and not dataset.public else None
        return "read" if self._shows_all(rule) else None


def _refused(token: Token, scope: Scope) -> ForbiddenError:
    return ForbiddenError(f"token {token.name!r} has the scope {', '.join(token.scopes)}; needed: {scope}", scope)
