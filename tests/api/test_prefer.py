import pytest

from eo_pygeoapi.api.prefer import Preferences, parse_prefer


@pytest.mark.parametrize(
    ("header", "asynchronous", "wait"),
    [
        ("", False, None),
        ("respond-async", True, None),
        ("Respond-Async", True, None),
        ("respond-async; x=1", True, None),
        ("return=minimal, respond-async", True, None),
        ("respond-async; profile=https://example.org/a", True, None),
        ('respond-async; profile="https://example.org/a,b; wait=5", wait=2', True, 2),
        ("respond-async, wait=10", True, 10),
        ("wait=10, respond-async", True, 10),
        ("wait=10,respond-async", True, 10),
        ("  wait = 10 ,, respond-async  ", True, 10),
        ("wait=1, wait=9", False, 1),
        ('wait="7"', False, 7),
        ("WAIT=3", False, 3),
        ("respond-sync", False, None),
        ("wait", False, None),
        ("wait=", False, None),
        ("wait=-1", False, None),
        ("wait=1.5", False, None),
        ("wait=abc", False, None),
        ("wait=٣", False, None),
        ('x="respond-async"', False, None),
        ('x="respond-async, wait=5', False, 5),  # a quotation that does not end
        (",;=,", False, None),
        ("=respond-async, wait=2", False, 2),
    ],
)
def test_preferences_are_read_as_rfc_7240_says(header: str, asynchronous: bool, wait: int | None) -> None:
    assert parse_prefer(header) == Preferences(asynchronous, wait)
