"""Counts that are kept beside the files they were made of, and made again only when these have changed.

A job that has changed a dataset counts what is asked of it every minute, so that the watch and the pages read JSON.
"""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache

from pydantic import BaseModel, ValidationError

from eo_pygeoapi.errors import EoError, ResultsError
from eo_pygeoapi.store.store import ResultStore

DIGEST = "digest"  # of the names of the files; beside the counts, in one JSON object


class _ChangedError(EoError):
    """The files are others than those that the counts were made of."""


def counted[M: BaseModel](
    store: ResultStore, key: str, files: Iterable[str], kind: type[M], count: Callable[[], M]
) -> M:
    """Return the counts that are kept under the key where they are of these files; else count, and keep that.

    No name of a file is ever used twice. Nobody may change what this returns, for it is kept in memory too. Raises
    ResultsError.
    """
    digest = hashlib.sha256("\n".join(files).encode()).hexdigest()
    with suppress(_ChangedError):
        kept: M = _kept(store, key, digest, kind)
        return kept
    found = count()
    store.write_json(key, {DIGEST: digest, **found.model_dump(mode="json")})
    return found


# of daily data the coverage of a year takes 70 kB
@lru_cache(maxsize=1000)
def _kept[M: BaseModel](store: ResultStore, key: str, digest: str, kind: type[M]) -> M:
    """Return the counts as the store keeps them; _ChangedError where they are of other files, or unreadable."""
    try:
        found = store.read_json(key)
        if found.pop(DIGEST) == digest:
            return kind.model_validate(found)
    except (ResultsError, ValidationError, LookupError, AttributeError, TypeError) as error:
        raise _ChangedError(key) from error
    raise _ChangedError(key)
