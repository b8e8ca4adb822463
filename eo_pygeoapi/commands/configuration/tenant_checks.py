"""What `eo-pygeoapi check` says of tenants and tokens: does the separation hold that the file promises?"""

from collections.abc import Iterator, Mapping

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.settings import Settings


def tenant_problems(tenants: Mapping[str, Tenant], settings: Settings) -> Iterator[str]:
    """Yield a sentence where other machines reach the server without a token, for then all is everybody's."""
    if tenants and settings.insecure and settings.api_tokens_file is None:
        yield "eo.tenants: EO_INSECURE=true without EO_API_TOKENS_FILE shows everybody the things of all tenants"


def tenant_remarks(tenants: Mapping[str, Tenant], settings: Settings) -> Iterator[str]:
    """Yield a sentence where nobody is told apart, and one for each token of a tenant that is not there."""
    if settings.api_tokens_file is None:
        if tenants:
            yield "eo.tenants: without EO_API_TOKENS_FILE whoever works at this machine sees the things of all tenants"
        return
    for token in TokenFile(settings.api_tokens_file).tokens():
        if token.tenant and token.tenant not in tenants:
            undeclared = f"token {token.name} is of the tenant {token.tenant!r}, which eo.tenants does not declare"
            yield f"{undeclared}; it sees nothing"
