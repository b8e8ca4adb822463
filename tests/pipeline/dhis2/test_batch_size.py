"""Batches follow the time that DHIS2 takes, and a repetition cuts as the first attempt did."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.batch_size import MOST, BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import batches
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from tests.pipeline.dhis2.imports import BIG_METADATA, TODAY, Importer, big_cells, sent, stored
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2.cost import NEW, at


class Clock:
    """A clock that the sending moves, which asks it before and after."""

    def __init__(self) -> None:
        self.now, self.then = 0.0, 0.0

    def took(self, seconds: float) -> None:
        self.then = self.now + seconds

    def __call__(self) -> float:
        now, self.now = self.now, self.then
        return now


def sizes_with(seconds: list[float], share: float = 1.0, *, fixed: int = 0, most: int = MOST) -> list[int]:
    """Return the sizes of the batches after DHIS2 took so long for each, and stored that share of it."""
    clock, found = Clock(), list[int]()
    sizes = BatchSizes(clock=clock, fixed=fixed, most=most)
    for took in seconds:
        size = sizes.next().values
        found.append(size)
        clock.took(took)
        sizes.timed(lambda: int(size * share), int)  # noqa: B023  called at once
    return [*found, sizes.next().values]


def settled(from_243: bool, share: float = 1.0) -> int:
    """Return the size in the end at a server that takes this share of the time that was measured."""
    sizes = BatchSizes()
    for _ in range(20):
        size = sizes.next().values
        sizes.learn(size, share * at(NEW[from_243], size))
    return sizes.next().values


def test_a_batch_grows_while_a_value_costs_no_more() -> None:
    assert sizes_with([2.2, 4.0, 8.4, 8.4]) == [2000, 4000, 8000, 8000, 8000]
    assert sizes_with([2.2, 6.5, 2.2, 2.2]) == [2000, 4000, 2000, 2000, 2000]  # dearer: back, and never again
    assert sizes_with([0.1] * 4) == [2000, 4000, 8000, 10_000, 10_000]


def test_a_batch_shrinks_where_dhis2_takes_long() -> None:
    assert sizes_with([20.0, 7.0, 2.0, 4.1]) == [2000, 700, 700, 1400, 1400 * 2]
    assert sizes_with([4000.0] * 5)[-1] == 100


def test_what_dhis2_took_when_it_was_busy_does_not_keep_batches_small() -> None:
    # 700 after a slow batch; 1,400 cost more when they were measured, and do not in the end
    assert sizes_with([20.0, 0.7, 3.0, 0.7, 1.4, 2.0]) == [2000, 700, 1400, 700, 1400, 2000, 2000]


def test_what_is_only_read_says_nothing_about_sending() -> None:
    assert sizes_with([0.1] * 3, share=0.2) == [2000] * 4


def test_limits_hold() -> None:
    assert sizes_with([0.1] * 3, most=600) == [600] * 4
    assert sizes_with([0.1, 100.0], fixed=50) == [50] * 3


def test_what_fails_after_a_long_time_makes_batches_smaller() -> None:
    clock = Clock()
    sizes = BatchSizes(clock=clock)

    def send() -> int:
        raise Dhis2Error("away")

    for seconds, size in ((1.0, 2000), (60.0, 500)):
        clock.took(seconds)
        with pytest.raises(Dhis2Error):
            sizes.timed(send, int)
        assert sizes.next().values == size


def test_a_batch_that_was_cut_before_says_nothing_about_the_size_after() -> None:
    """Batches are cut while DHIS2 stores the one before: two of each size come one after the other."""
    sizes = BatchSizes()
    for count, seconds, size in ((2000, 2.2, 4000), (2000, 2.9, 4000), (4000, 6.5, 2000), (4000, 6.5, 2000)):
        sizes.learn(count, seconds)
        assert sizes.next().values == size


def test_where_nearly_all_is_equal_more_is_compared_at_once_and_sent_in_parts() -> None:
    sizes = BatchSizes()
    found = [2000]
    for _ in range(4):
        sizes.compared(found[-1], found[-1] // 20)
        found.append(sizes.next().values)
    assert found == [2000, 4000, 8000, 10_000, 10_000]
    parts = sizes.parts(range(10_000))
    assert len(next(parts)) == 2000
    sizes.learn(2000, 1.0)  # a part that is soon stored makes the next one larger
    assert [len(part) for part in parts] == [4000, 4000]
    sizes.compared(10_000, 5_000)
    assert sizes.next().values == 4000


def test_each_version_gets_the_batches_that_suit_it() -> None:
    assert settled(from_243=False) == 8000
    assert settled(from_243=True) == 2000
    assert settled(from_243=False, share=10) < 1000
    for from_243 in (False, True):
        size = settled(from_243)
        assert at(NEW[from_243], size) / size < 0.0012  # seconds a value


def test_what_has_begun_is_cut_alike() -> None:
    values = [DataValue(f"u{n}", period, "1") for period in ("202501", "202502", "202503") for n in range(4)]
    first = [len(batch) for batch in batches(values, BatchSizes(fixed=5))]
    assert first == [4, 4, 4]
    assert [len(batch) for batch in batches(values, BatchSizes([3, 6], fixed=5))] == [3, 6, 3]
    assert [len(batch) for batch in batches(values, BatchSizes([3, 6], fixed=5), one_period=True)] == [3, 1, 4, 4]


def as_cell(value: dict[str, str]) -> tuple[str, str]:
    return value["orgUnit"], value["period"]


@pytest.fixture(scope="module")
def dear() -> Iterator[StandIn]:
    """A DHIS2 that takes time for each value: a fiftieth of what a real one takes."""
    with running("2.42", BIG_METADATA, TODAY, cost=0.02) as server:
        yield server


def test_an_import_that_broke_off_knows_its_larger_batches(dear: StandIn, tmp_path: Path) -> None:
    run, cells = Importer(tmp_path), big_cells(days=20)
    dear.faults({"method": "POST", "path": "/api/dataValueSets", "skip": 2, "status": 401, "body": "{}"})
    with pytest.raises(Dhis2Error):
        run(dear, cells)
    before = [len(entry["body"]["dataValues"]) for entry in dear.log("POST")]
    assert before == [2000, 2000, 4000]
    dear.faults()
    run.jobs -= 1  # the same job once more
    summary = run(dear, cells)
    assert (summary.imported, summary.unchanged, stored(dear)) == (20_000, 0, cells)
    assert Counter(Counter(sent(dear)).values()) == {1: 20_000 - before[2], 2: before[2]}  # the refused batch alone
    refused, *parts = ({as_cell(v) for v in entry["body"]["dataValues"]} for entry in dear.log("POST")[2:5])
    assert [len(part) for part in parts] == [2000, 2000] and parts[0] | parts[1] == refused
