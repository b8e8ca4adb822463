"""When the personal access token that somebody is logged in with expires, as far as DHIS2 says so."""

from datetime import UTC, datetime

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.store.connections import TokenFacts


def token_expiry(dhis2: Dhis2, username: str, now: datetime) -> TokenFacts | None:
    """Return what DHIS2 says of the tokens of the user `username`; None where it does not say.

    That keeps no import from being made. Who logs in with a password has no token that counts.
    """
    if not dhis2.by_token:
        return TokenFacts()
    try:
        tokens = dhis2.tokens()
    except Dhis2Error:
        return None
    # an administrator may see those of others too
    own = [token for token in tokens if (token.get("createdBy") or {}).get("username", username) == username]
    ends = [datetime.fromtimestamp(token["expire"] / 1000, UTC) for token in own if token.get("expire")]
    good = [end for end in ends if end > now]  # it is one of these, for it was let in
    return TokenFacts(expires=min(good, default=None), tokens=len(good))
