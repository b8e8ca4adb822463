"""Look for variables of the environment that nothing reads, for they are misspelt, and for values that are no good."""

import re
from collections.abc import Collection, Iterator, Mapping

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import Dhis2Connection, Settings, connection_prefix
from eo_pygeoapi.store.addresses import address_problem
from eo_pygeoapi.wording import nearest

_OF_CONNECTION = tuple(member.upper() for member in Dhis2Connection.model_fields)
_OF_ADMIN = ("ADMIN_TOKEN", "ADMIN_USERNAME", "ADMIN_PASSWORD")
_CONNECTION = re.compile(rf"EO_DHIS2_(\w+?)_({'|'.join((*_OF_ADMIN, *_OF_CONNECTION))})")
_CHANNEL = re.compile(r"EO_NOTIFY_\w+_URL")
# read besides what `Settings` reads
_OTHERS = ("EO_COG_TOKEN", "EO_DESTINE_KEY")


def unread_variables(names: Collection[str], datasets: Mapping[str, Dataset]) -> Iterator[str]:
    """Yield a sentence for each variable whose name is nearly one of those that are read; packages may have others."""
    prefixes = sorted({connection_prefix(dataset.dhis2.connection) for dataset in datasets.values()})
    of_connections = [prefix + member for prefix in prefixes for member in (*_OF_CONNECTION, *_OF_ADMIN)]
    of_settings = [str(field.validation_alias) for field in Settings.model_fields.values()]
    known = [*of_settings, *_OTHERS, *of_connections]
    for name in sorted(names):
        if not name.startswith("EO_") or name in known or _CHANNEL.fullmatch(name):
            continue
        if (connection := _CONNECTION.fullmatch(name)) and not nearest(name, of_connections):
            yield f"{name}: no dataset names a DHIS2 connection {connection[1].lower()!r}"
        elif near := nearest(name, known):
            yield f"{name} is set, and nothing reads it{near}"


def wrong_values(settings: Settings, datasets: Mapping[str, Dataset]) -> Iterator[str]:
    """Yield a sentence for each address that is none, of the stores, the proxies, and the DHIS2 of the datasets."""
    for variable, url in (("EO_RESULTS_URL", settings.results_url), ("EO_CACHE_URL", settings.shared_cache)):
        if problem := address_problem(url):
            yield f"{variable} {redact(url, settings.secrets())}: {problem}"
    try:
        settings.proxies()
        settings.cache_folder()
    except ConfigError as error:
        yield from error.problems
    for name in sorted({dataset.dhis2.connection for dataset in datasets.values()}):
        connection = settings.dhis2_connection(name)
        if connection and (problem := connection.address_problem()):
            yield f"DHIS2 connection {name!r}: {problem}"
