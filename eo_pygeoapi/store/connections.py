"""What jobs have learned of a DHIS2 connection, for the watch, which asks no DHIS2.

connections/{name}.json   when the token it logs in with expires, as the last job was told
"""

from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from eo_pygeoapi.store.store import ResultStore


class TokenFacts(BaseModel):
    """When the token of a connection expires; `tokens` is how many its user has that are still good.

    DHIS2 does not say which of several is used, so `expires` is of the one that expires first.
    """

    expires: datetime | None = None
    tokens: int = 0


def note_token(store: ResultStore, connection: str, facts: TokenFacts) -> None:
    """Keep what a job was told of a connection's token, where it is not known yet. Raises ResultsError."""
    if token_facts(store, connection) != facts:
        store.write_json(_key(connection), facts.model_dump(mode="json"))


def token_facts(store: ResultStore, connection: str) -> TokenFacts:
    """Return what the last job was told; nothing where no job was. Raises ResultsError."""
    return TokenFacts.model_validate(store.read_json(_key(connection), default={}))


def _key(connection: str) -> str:
    return f"connections/{quote(connection, safe='')}.json"
