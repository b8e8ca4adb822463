"""Threads that ask the same at the same time share reads, and nobody is given an answer older than his question."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from eo_pygeoapi.gateway.joint_reads import PATIENCE_SECONDS, REST_SECONDS, JointReads

THREADS = 12


class Server:
    """Counts the reads of a value, each of which waits until it is let go on."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0
        self.go_on = threading.Event()

    def read(self) -> int:
        self.reads += 1
        found = self.value
        assert self.go_on.wait(10)
        return found


@pytest.fixture
def server() -> Server:
    return Server()


def begun[T](pool: ThreadPoolExecutor, ask: Callable[[], T], server: Server) -> Future[T]:
    """Ask in a thread; returns when its read has begun."""
    known, asked = server.reads, pool.submit(ask)
    while server.reads == known:
        time.sleep(0.005)
    return asked


def test_all_who_wait_for_a_read_share_the_next_one(server: Server) -> None:
    joint = JointReads()
    with ThreadPoolExecutor(THREADS + 1) as pool:
        first = begun(pool, lambda: joint.read("job", server.read), server)
        server.value = 1  # is written while that read goes on
        later = [pool.submit(joint.read, "job", server.read) for _ in range(THREADS)]
        time.sleep(0.1)
        assert server.reads == 1
        server.go_on.set()
        assert first.result() == 0
        assert [asked.result() for asked in later] == [1] * THREADS
    assert server.reads == 2


@pytest.mark.parametrize(("patience", "key"), [(PATIENCE_SECONDS, "another"), (0.1, "job")])
def test_other_questions_do_not_wait_and_none_waits_for_a_read_that_hangs(
    server: Server, patience: float, key: str
) -> None:
    joint = JointReads(patience)
    with ThreadPoolExecutor(1) as pool:
        first = begun(pool, lambda: joint.read("job", server.read), server)
        assert joint.read(key, lambda: 5) == 5
        server.go_on.set()
        assert first.result() == 0


def test_all_are_told_of_an_error_and_the_next_question_is_asked_anew(server: Server) -> None:
    joint = JointReads()

    def fail() -> int:
        server.read()
        raise LookupError("no such job")

    with ThreadPoolExecutor(3) as pool:
        asked = [begun(pool, lambda: joint.read("job", fail), server)]
        asked += [pool.submit(joint.read, "job", fail) for _ in range(2)]
        time.sleep(0.1)
        server.go_on.set()
        for one in asked:
            with pytest.raises(LookupError, match="no such job"):
                one.result()
    assert server.reads == 2
    assert joint.read("job", lambda: 7) == 7


def test_a_question_rests_for_as_long_as_is_set_and_those_who_ask_meanwhile_share_the_next_read() -> None:
    begun: list[float] = []

    def read() -> float:
        begun.append(time.monotonic())
        time.sleep(0.05)
        return begun[-1]

    joint = JointReads(rest=2.0)
    with ThreadPoolExecutor(THREADS) as pool:
        joint.read("job", read)
        asked = time.monotonic()
        answers = [answer.result() for answer in [pool.submit(joint.read, "job", read) for _ in range(THREADS)]]
    assert len(begun) == 2 and answers == [begun[1]] * THREADS
    assert begun[1] > asked and 0.15 <= begun[1] - begun[0] < 1  # 0.05 s of reading, and twice that


def test_a_long_read_rests_no_longer_than_a_short_one_and_others_do_not_wait_for_its_rest() -> None:
    joint = JointReads(rest=100.0)
    joint.read("job", lambda: time.sleep(0.1))
    began = time.monotonic()
    assert joint.read("another", lambda: 5) == 5
    assert time.monotonic() - began < REST_SECONDS / 2
    joint.read("job", lambda: 0)
    assert 0.9 * REST_SECONDS <= time.monotonic() - began < 1
