"""A child of `up` that dies now and then, and one that dies each time."""

from eo_pygeoapi.commands.up.restarts import MOST_DEATHS, WITHIN_SECONDS, Restarts


def test_a_child_that_dies_once_a_day_is_started_again_for_years() -> None:
    now = [0.0]
    restarts = Restarts(lambda: now[0])
    for day in range(1000):
        now[0] = day * 24 * 3600.0
        assert restarts.after_death("worker") == 0, day


def test_one_that_dies_each_time_is_waited_for_longer_and_then_given_up() -> None:
    now = [0.0]
    restarts, pauses = Restarts(lambda: now[0]), list[float | None]()
    for _ in range(MOST_DEATHS + 1):
        pauses.append(pause := restarts.after_death("worker"))
        now[0] += (pause or 0) + 1
    assert pauses == [0, 1, 2, 4, 8, None]
    assert restarts.after_death("watch") == 0  # the deaths of one are not another's
    now[0] += WITHIN_SECONDS
    assert restarts.after_death("worker") == 0
