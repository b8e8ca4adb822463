"""What the viewer of the request that is being answered may do, as pages ask it; `access.py` finds it out."""

from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlencode

from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import ForbiddenError


@dataclass(frozen=True)
class Rights:
    """Whether a viewer may be told of jobs and of what they left, and why it may not execute: empty where it may."""

    read: bool = False
    lacking: str = "Sign in with a token that has the scope execute to do this."


ALL, NONE = Rights(read=True, lacking=""), Rights()
_rights: ContextVar[Rights] = ContextVar("rights", default=NONE)


def grant(rights: Rights) -> None:
    """Have all that follows in this request be answered to one with these rights."""
    _rights.set(rights)


def may_read() -> bool:
    """Tell whether the request that is being answered may be told of jobs, at an address that anybody may ask for."""
    return _rights.get().read


def lacking(connection: str | None = None) -> str:
    """Return why the viewer may not execute, nor change what is of this DHIS2 connection; nothing where it may.

    The connection is None where none is concerned, and empty where it is not known any more.
    """
    if (said := _rights.get().lacking) or connection is None:
        return said
    try:
        viewer().permit(connection)
    except ForbiddenError as error:
        return in_words(error)
    return ""


def in_words(error: ForbiddenError) -> str:
    """Return what is missing, and what to do about it, as pages say it."""
    return f"{sentence(str(error))}. {error.what_to_do}"


def sentence(said: str) -> str:
    """Return a text with a capital at its beginning, unless this is a name: `limit: 0 is not allowed`."""
    return said if said.partition(" ")[0].endswith(":") else f"{said[:1].upper()}{said[1:]}"


def sign_in_address(base_url: str, path: str, query: Collection[tuple[str, str]]) -> str:
    """Return the address of the page that takes a token, and then shows the page at this path."""
    return f"{base_url}/sign-in?{urlencode({'f': 'html', 'next': page_path(path, query)})}"


def page_path(path: str, query: Collection[tuple[str, str]]) -> str:
    """Return a path with a query as a page."""
    return f"{path}?{urlencode([('f', 'html'), *((name, text) for name, text in query if name != 'f')])}"
