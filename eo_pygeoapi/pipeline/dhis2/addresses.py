"""How many identifiers a request may name in its address."""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

# Tomcat refuses requests whose head is over 8 KiB; the rest is for the other parameters and headers, proxies' too
LONGEST = 6_000
COMMA = "%2C"


def addressable(identifiers: Iterable[str], between: str) -> Iterator[list[str]]:
    """Yield the identifiers in lists that fit into an address, where each follows `between`."""
    some: list[str] = []
    length = 0
    for identifier in identifiers:
        more = len(between) + len(quote(identifier, safe=""))
        if some and length + more > LONGEST:
            yield some
            some, length = [], 0
        some.append(identifier)
        length += more
    if some:
        yield some
