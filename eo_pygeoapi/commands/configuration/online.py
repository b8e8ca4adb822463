"""`eo-pygeoapi check --online`: ask each DHIS2 and provider that the datasets name, and the store, for an answer."""

import uuid
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import requests

from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore

SECONDS = 20.0
# what object stores say, as s3fs and botocore hand it on, and what it means
WHAT_S3_MEANS = {
    "bucket does not exist": "the bucket does not exist; make it, or correct the address",
    "NoSuchBucket": "the bucket does not exist; make it, or correct the address",
    "Unable to locate credentials": "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "NoCredentials": "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "the store does not know the key; correct AWS_ACCESS_KEY_ID",
    "Access Key Id": "the store does not know the key; correct AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret does not belong to the key; correct AWS_SECRET_ACCESS_KEY",
    "signature": "the secret does not belong to the key; correct AWS_SECRET_ACCESS_KEY",
    "PermissionError": "the key may not do that in this bucket; allow it s3:ListBucket, s3:GetObject, s3:PutObject and "
    "s3:DeleteObject",
}


def unanswered(datasets: Mapping[str, Dataset], settings: Settings) -> Iterator[str]:
    """Yield a sentence for each DHIS2, provider and store that does not answer, or does not let us in."""
    yield from _store_problems(settings)
    needing = [d for d in datasets.values() if isinstance(d.org_units, OrgUnitsFromDhis2) or d.dhis2.data_element]
    for name in dict.fromkeys(dataset.dhis2.connection for dataset in needing):
        connection = settings.dhis2_connection(name)
        if connection is None:  # a remark says so
            continue
        try:
            with connect(connection, read_timeout=SECONDS, connect_timeout=SECONDS) as dhis2:
                dhis2.me()
        except EoError as error:
            yield f"DHIS2 connection {name!r}: {redact(str(error), settings.secrets())}"
    for address in dict.fromkeys(dataset.options.address() for dataset in datasets.values()):
        if urlsplit(address).scheme not in ("http", "https"):
            continue
        try:
            status = requests.get(address, timeout=SECONDS, stream=True).status_code
        except requests.RequestException as error:
            yield f"{redact(address)}: does not answer ({type(error).__name__})"
        else:
            # an answer such as 403 or 404 will do: these addresses need a key, or hold nothing themselves
            if status >= 500:
                yield f"{redact(address)}: answers {status}"


def _store_problems(settings: Settings) -> Iterator[str]:
    """Write a file into the results store, and the shared cache where there is one; read it and delete it again."""
    for variable, url in (("EO_RESULTS_URL", settings.results), ("EO_CACHE_URL", settings.shared_cache)):
        if url and (problem := _store_problem(url)):
            yield f"{variable} {redact(url, settings.secrets())}: {redact(problem, settings.secrets())}"


def _store_problem(url: str) -> str:
    """Return what is wrong with a store, '' where nothing is."""
    store, key = ResultStore(url), f"check/{uuid.uuid4()}.json"
    doing = "write a file"
    try:
        store.write_json(key, {"check": True})
        doing = "read the file it has just written"
        store.read_json(key)
        doing = "delete the file it has just written"
        store.delete(key)
    except EoError as error:
        meant = (said for words, said in WHAT_S3_MEANS.items() if words in str(error))
        return next((f"cannot {doing}: {said}" for said in meant), str(error))
    return ""
