"""Garbage of a job is collected in its own thread: NetCDF's library takes one call at a time."""

import gc
import threading
from collections.abc import Iterator

import pytest

from eo_pygeoapi.garbage import collect, collected_here


class Cycle:
    """Garbage that says in which thread it is collected."""

    def __init__(self, said: list[int]) -> None:
        self.said, self.itself = said, self

    def __del__(self) -> None:
        self.said.append(threading.get_ident())


@pytest.fixture
def said() -> Iterator[list[int]]:
    gc.collect()
    yield []
    assert gc.isenabled()


def made_in_another_thread(said: list[int]) -> None:
    def make() -> None:
        for _ in range(100_000):
            Cycle(said)
        collect()  # not its business

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()


def test_without_it_other_threads_collect(said: list[int]) -> None:
    made_in_another_thread(said)
    assert said and threading.get_ident() not in said


def test_no_other_thread_collects(said: list[int]) -> None:
    with collected_here():
        made_in_another_thread(said)
        assert said == []
        collect()
        assert len(said) == 100_000 and set(said) == {threading.get_ident()}


def test_what_has_survived_is_collected_now_and_then(said: list[int]) -> None:
    with collected_here():
        old = Cycle(said)
        collect()
        del old
        collect()
        assert said == []  # a look at all objects takes time
    with collected_here(seconds_between_whole=0):
        collect()
        assert said == [threading.get_ident()]


def test_afterwards_python_collects_as_before(said: list[int]) -> None:
    with pytest.raises(ValueError, match="broken"), collected_here():
        raise ValueError("broken")
    made_in_another_thread(said)
    assert said
