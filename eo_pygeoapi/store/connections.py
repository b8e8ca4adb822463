"""What jobs have learned of a DHIS2 connection, for the watch, which asks no DHIS2.

connections/{name}.json   when the token it logs in with expires, as the last job was told
"""

from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from eo_pygeoapi.store.store import ResultStore


class TokenFacts(BaseModel):
    """When the token of a connection expires; `tokens` is how many its user has that are still good.

    DHIS2 does not say which of several is used, so `expires` is of the one that expires first. `noted` is when a job
    was first told so, which means that it could log in.
    """

    expires: datetime | None = None
    tokens: int = 0
    noted: datetime | None = None


def note_token(store: ResultStore, connection: str, facts: TokenFacts, now: datetime) -> None:
    """Keep what a job was told of a connection's token, where it is not known yet. Raises ResultsError."""
    known = token_facts(store, connection)
    if known.noted is None or known.model_copy(update={"noted": None}) != facts:
        store.write_json(_key(connection), facts.model_copy(update={"noted": now}).model_dump(mode="json"))


def token_facts(store: ResultStore, connection: str) -> TokenFacts:
    """Return what the last job was told; nothing where no job was. Raises ResultsError."""
    return TokenFacts.model_validate(store.read_json(_key(connection), default={}))


def _key(connection: str) -> str:
    return f"connections/{quote(connection, safe='')}.json"
