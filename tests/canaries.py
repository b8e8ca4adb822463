"""Secrets that are easy to recognise, for the search of everything that the system writes."""

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from tests.standins.cds import KEY as CDS_KEY
from tests.standins.dhis2 import StandIn
from tests.standins.dhis2_metadata import default_metadata
from tests.standins.stac import TOKEN as RASTER_TOKEN

TOKEN = "d2pat_CanaryTokenOfTheMinistry1"
PASSWORD = 'Canary/Pass+"word" & ünïcode'
WRONG_PASSWORD = "CanaryPasswordThatIsWrong7"
BLOCK_TOKEN = "d2pat_CanaryTokenOfABlock22222"
DESTINE_KEY = "CanaryDestinationEarthKey88"
AWS_KEY = "CanaryAwsSecretAccessKey9999"
ALL = (TOKEN, PASSWORD, WRONG_PASSWORD, BLOCK_TOKEN, CDS_KEY, DESTINE_KEY, AWS_KEY, RASTER_TOKEN)
USER, WRONG_USER = "admin", "nobody"


def metadata() -> dict[str, Any]:
    """Return the stand-in's metadata, with users who log in by canaries."""
    content = default_metadata()
    content["users"][0] |= {"username": USER, "password": PASSWORD, "token": TOKEN}
    content["users"].append(content["users"][0] | {"id": "UserBlock01", "username": "block", "token": BLOCK_TOKEN})
    return content


def environment(server: StandIn) -> dict[str, str]:
    """Put canaries into every variable that may hold a secret; that of the Climate Data Store is its stand-in's."""
    return {
        "EO_DHIS2_NATIONAL_URL": server.url,
        "EO_DHIS2_NATIONAL_TOKEN": TOKEN,
        "EO_DHIS2_BASIC_URL": server.url,
        "EO_DHIS2_BASIC_USERNAME": USER,
        "EO_DHIS2_BASIC_PASSWORD": PASSWORD,
        "EO_DHIS2_WRONG_URL": server.url,
        "EO_DHIS2_WRONG_USERNAME": WRONG_USER,
        "EO_DHIS2_WRONG_PASSWORD": WRONG_PASSWORD,
        "EO_DESTINE_KEY": DESTINE_KEY,
        "EO_COG_TOKEN": RASTER_TOKEN,
        "AWS_SECRET_ACCESS_KEY": AWS_KEY,
    }


def forms(secrets: Iterable[str] = ALL) -> Mapping[bytes, str]:
    """Return the secrets as they may stand somewhere, each with the secret that it gives away."""
    return {form.encode(): secret for secret in secrets for form in _forms(secret)}


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)
    yield repr(secret)[1:-1]
    yield base64.b64encode(secret.encode()).decode()
    for user in (USER, WRONG_USER):
        yield base64.b64encode(f"{user}:{secret}".encode()).decode()
