"""Addresses of stores: say what is wrong with one before anything is written there."""

import re

import fsspec

ALLOWED = "a folder, such as a file system that all machines share, or an object store such as s3://bucket/folder"
# what fsspec knows, and nobody can write to, or no other process reads
_NO_STORES = frozenset({"http", "https", "data", "memory", "zip", "tar", "libarchive", "reference", "git", "github"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?(.*)", re.DOTALL)


def address_problem(url: str) -> str:
    """Say why nothing can be stored at an address; nothing where it looks right. It is not asked."""
    found = _SCHEME.fullmatch(url)
    if found is None:
        return ""
    scheme, slashes, place = found.groups()
    if scheme in _NO_STORES:
        return f"{scheme} addresses are not allowed; allowed: {ALLOWED}"
    try:
        fsspec.get_filesystem_class(scheme)
    except ValueError:
        return f"{scheme} addresses are not known; allowed: {ALLOWED}"
    except ImportError as error:
        return f"{scheme} addresses need a package that is not installed: {error}"
    if not slashes or not place.strip("/"):
        return f"it is not a whole address; allowed: {ALLOWED}"
    return ""
