import pytest

from eo_pygeoapi.api.http.prefer import Preferences, parse_prefer


@pytest.mark.requirement("core/process-execute-honor-prefer#forms")
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


@pytest.mark.requirement("wait-is-bounded")
@pytest.mark.parametrize(
    ("wait", "synchronous", "held"),
    [(None, True, 30), (None, False, 0), (1, True, 1), (1, False, 1), (0, True, 0), (99999, True, 30), (31, False, 30)],
)
def test_an_answer_is_held_as_long_as_the_client_waits_and_no_longer_than_we_do(
    wait: int | None, synchronous: bool, held: int
) -> None:
    assert Preferences(wait=wait).held_seconds(synchronous, 30) == held
