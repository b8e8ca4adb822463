import multiprocessing
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.store.published import FILES_BEFORE_MERGE, compact
from eo_pygeoapi.store.reader import DEFAULT_ORDER, Order, Page, PublishedReader
from eo_pygeoapi.store.store import ResultStore
from tests.store.results_data import daily, publish, square, table, units


def values_of(reader: PublishedReader) -> dict[tuple[str, str], tuple[float | None, str]]:
    page = reader.page("rain", [], DEFAULT_ORDER, 0, 100_000)
    assert page.matched == len(page.rows)
    return {(row["orgUnit"], row["period"]): (row["value"], row["jobID"]) for row in page.rows}


def files(store: ResultStore, kind: str) -> list[str]:
    return [key for key in store.keys("published/rain") if f"/{kind}-" in key]


def test_a_row_is_what_was_published(store: ResultStore) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.5), ("OuB", "20250701", float("nan"))]))

    page = PublishedReader(store).page("rain", [], DEFAULT_ORDER, 0, 10)

    assert page == Page(
        [
            {
                "orgUnit": unit,
                "name": f"Unit {unit}",
                "level": 2,
                "period": "20250701",
                "start": date(2025, 7, 1),
                "end": date(2025, 7, 1),
                "value": value,
                "validFraction": 1.0,
                "jobID": "job-1",
                "geometry": geometry,
            }
            for unit, value, geometry in (("OuA", 1.5, square(0, 0)), ("OuB", None, square(2, 0)))
        ],
        2,
    )


def test_nothing_published_is_an_empty_page(store: ResultStore) -> None:
    assert PublishedReader(store).page("rain", [], DEFAULT_ORDER, 0, 10) == Page([], 0)


def test_the_job_that_publishes_later_wins_and_the_rest_stays(store: ResultStore) -> None:
    reader = PublishedReader(store)
    publish(store, "job-1", table([("OuA", "20250701", 1.0), ("OuB", "20250701", 2.0)]))
    publish(store, "job-2", table([("OuA", "20250701", 10.0), ("OuA", "20250702", 11.0)]), hours=1)
    publish(store, "job-0", table([("OuA", "20250701", -1.0)]), hours=-1)

    expected = {
        ("OuA", "20250701"): (10.0, "job-2"),
        ("OuB", "20250701"): (2.0, "job-1"),
        ("OuA", "20250702"): (11.0, "job-2"),
    }
    assert values_of(reader) == expected
    compact(store, "rain")
    assert len(files(store, "values")) == 1
    assert values_of(reader) == expected


def test_null_that_comes_later_wins_too(store: ResultStore) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]))
    publish(store, "job-2", table([("OuA", "20250701", float("nan"))]), hours=1)

    assert values_of(PublishedReader(store)) == {("OuA", "20250701"): (None, "job-2")}


def test_the_higher_job_id_wins_at_the_same_moment(store: ResultStore) -> None:
    publish(store, "job-2", table([("OuA", "20250701", 2.0)]))
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]))

    assert values_of(PublishedReader(store)) == {("OuA", "20250701"): (2.0, "job-2")}


def test_repeating_a_job_changes_nothing(store: ResultStore) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]))
    publish(store, "job-2", table([("OuA", "20250701", 2.0)]), hours=1)
    kept = store.read_json("jobs/job-1/result.json")

    publish(store, "job-1", table([("OuA", "20250701", 1.0)]), hours=2)

    assert store.read_json("jobs/job-1/result.json") == kept
    assert values_of(PublishedReader(store)) == {("OuA", "20250701"): (2.0, "job-2")}


@pytest.mark.parametrize("merged_between", [False, True])
def test_the_last_attempt_of_a_job_counts(store: ResultStore, merged_between: bool) -> None:
    publish(store, "job-0", table([("OuA", "20250701", 0.0)]))
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]), hours=1)
    if merged_between:
        compact(store, "rain")

    publish(store, "job-1", table([("OuA", "20250701", 1.25)]), hours=2)

    assert values_of(PublishedReader(store)) == {("OuA", "20250701"): (1.25, "job-1")}


def test_a_geometry_is_stored_once(store: ResultStore) -> None:
    publish(store, "job-1", daily(["OuA", "OuB"], date(2025, 7, 1), 3))
    publish(store, "job-2", daily(["OuA", "OuC"], date(2025, 8, 1), 3), hours=1)
    assert len(files(store, "geometries")) == 1

    moved = units({"OuA": square(0, 0), "OuB": square(50, 50)})
    publish(store, "job-3", daily(["OuA", "OuB"], date(2025, 9, 1), 1), hours=2, of=moved)
    assert len(files(store, "geometries")) == 2

    compact(store, "rain")
    assert len(files(store, "geometries")) == 1
    rows = PublishedReader(store).page("rain", [], DEFAULT_ORDER, 0, 100).rows
    found = {(row["orgUnit"], row["period"][:6]): row["geometry"] for row in rows}
    assert found["OuB", "202507"] == square(2, 0)  # what was published with the values
    assert found["OuB", "202509"] == square(50, 50)


def test_each_year_has_its_files(store: ResultStore) -> None:
    publish(store, "job-1", daily(["OuA"], date(2024, 12, 30), 4))

    assert sorted(key.split("/")[-1][:11] for key in files(store, "values")) == ["values-2024", "values-2025"]
    assert [period for _, period in values_of(PublishedReader(store))] == [
        "20241230",
        "20241231",
        "20250101",
        "20250102",
    ]


def test_publishing_merges_when_files_pile_up(store: ResultStore) -> None:
    for n in range(3 * FILES_BEFORE_MERGE):
        publish(store, f"job-{n:03}", daily(["OuA", "OuB"], date(2025, 7, 1 + n), 3), hours=n)
        assert len(files(store, "values")) <= FILES_BEFORE_MERGE

    assert len(values_of(PublishedReader(store))) == 2 * (3 * FILES_BEFORE_MERGE + 2)


@pytest.mark.parametrize("descending", [False, True])
def test_every_page_is_the_slice_of_the_whole(store: ResultStore, descending: bool) -> None:
    publish(store, "job-1", daily(["OuA", "OuB", "OuC"], date(2024, 12, 25), 14))
    publish(store, "job-2", daily(["OuB"], date(2025, 1, 2), 3), hours=1)
    reader = PublishedReader(store)
    order = [Order("period", descending)]
    rows = reader.page("rain", [], order, 0, 1000).rows
    ids = [(row["period"], row["orgUnit"]) for row in rows]
    assert ids == sorted(sorted(ids, key=lambda pair: pair[1]), key=lambda pair: pair[0], reverse=descending)
    assert len(ids) == 42

    for limit in (1, 2, 3, 5, 100):
        for offset in range(0, 44):
            page = reader.page("rain", [], order, offset, limit)
            assert (page.rows, page.matched) == (rows[offset : offset + limit], 42)


@pytest.mark.parametrize("descending", [False, True])
def test_weeks_come_in_the_order_of_time(store: ResultStore, descending: bool) -> None:
    weeks = [f"2026W{number}" for number in range(1, 13)]
    columns = daily(["OuA"], date(2026, 1, 5), len(weeks))
    publish(store, "job-1", columns | {"period": np.array(weeks[::-1], dtype=object)})
    reader, order = PublishedReader(store), [Order("period", descending)]
    expected = weeks[::-1] if descending else weeks

    for limit in (1, 2, 5, 12):
        for offset in range(12):
            rows = reader.page("rain", [], order, offset, limit).rows
            assert [row["period"] for row in rows] == expected[offset : offset + limit]


def test_sorts_by_anything_null_last(store: ResultStore) -> None:
    rows = [
        ("OuA", "20250701", 2.0),
        ("OuB", "20250701", float("nan")),
        ("OuC", "20250701", 3.0),
        ("OuA", "20250702", 2.0),
    ]
    publish(store, "job-1", table(rows))
    reader = PublishedReader(store)

    def ids(*order: Order) -> list[str]:
        return [f"{row['orgUnit']}-{row['period'][-1]}" for row in reader.page("rain", [], order, 0, 9).rows]

    assert ids(Order("value")) == ["OuA-1", "OuA-2", "OuC-1", "OuB-1"]
    assert ids(Order("value", True)) == ["OuC-1", "OuA-1", "OuA-2", "OuB-1"]
    assert ids(Order("orgUnit", True), Order("period", True)) == ["OuC-1", "OuB-1", "OuA-2", "OuA-1"]


class BreaksOff(ResultStore):
    """A store whose process dies at the first deletion."""

    def delete(self, prefix: str) -> None:
        raise KeyboardInterrupt


def test_breaking_off_between_merging_and_deleting_does_no_harm(tmp_path: Path) -> None:
    store, reader = ResultStore(str(tmp_path)), PublishedReader(ResultStore(str(tmp_path)))
    for n in range(3):
        publish(store, f"job-{n}", daily(["OuA", "OuB"], date(2025, 7, 1 + n), 3, value=n), hours=n)
    before = values_of(reader)

    with pytest.raises(KeyboardInterrupt):
        compact(BreaksOff(str(tmp_path)), "rain")

    assert len(files(store, "values")) == 4
    assert values_of(reader) == before
    compact(store, "rain")
    compact(store, "rain")
    assert len(files(store, "values")) == 1
    assert values_of(reader) == before


def test_a_damaged_file_is_an_error_and_not_a_gap(store: ResultStore) -> None:
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]))
    store.write_text(f"published/rain/values-2025-{uuid.uuid4().hex}.parquet", "nonsense")

    with pytest.raises(ResultsError, match="cannot read what is published of 'rain'"):
        values_of(PublishedReader(store))
    with pytest.raises(ResultsError, match="cannot publish values of 'rain'"):
        compact(store, "rain")


def test_copies_of_files_that_are_gone_are_dropped() -> None:
    store = ResultStore(f"memory://{uuid.uuid4()}")
    reader = PublishedReader(store)
    for n in range(3):
        publish(store, f"job-{n}", table([("OuA", "20250701", n)]), hours=n)
        values_of(reader)
    compact(store, "rain")
    values_of(reader)

    copies = [path.name for path in reader._folder.rglob("*.parquet")]
    assert sorted(copies) == sorted(key.split("/")[-1] for key in store.keys("published"))


def test_many_threads_share_a_reader_from_the_first_moment(store: ResultStore) -> None:
    publish(store, "job-1", daily(["OuA", "OuB", "OuC"], date(2025, 1, 1), 50, value=0))
    reader = PublishedReader(store)

    def first_value(offset: int) -> float:
        row = reader.page("rain", [], DEFAULT_ORDER, offset, 10).rows[0]
        assert row["geometry"]["type"] == "Polygon"
        return float(row["value"])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(first_value, range(100))) == [float(n) for n in range(100)]


def _publish_and_merge(url: str, number: int) -> None:
    store = ResultStore(url)
    for n in range(6):
        publish(store, f"job-{number}-{n}", daily(["OuA", "OuB", "OuC"], date(2025, 1, 1), 30, value=n), hours=n)
        compact(store, "rain")


def test_readers_are_right_while_others_publish_and_merge(tmp_path: Path) -> None:
    publish(ResultStore(str(tmp_path)), "job", daily(["OuA", "OuB", "OuC"], date(2025, 1, 1), 30, value=-1), hours=-1)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_publish_and_merge, args=(str(tmp_path), n)) for n in range(2)]
    reader = PublishedReader(ResultStore(str(tmp_path)))
    problems: list[str] = []

    def read() -> None:
        lowest = -1.0
        while any(writer.is_alive() for writer in writers):
            try:
                page = reader.page("rain", [], DEFAULT_ORDER, 30, 30)
            except ResultsError as error:
                problems.append(str(error))
                return
            # a job's values rise by one per row, so this is what its first row says
            firsts = {row["value"] - 30 - n for n, row in enumerate(page.rows)}
            if page.matched != 90 or len(firsts) != 1 or min(firsts) < lowest:
                problems.append(f"{page.matched} rows, first value {firsts} after {lowest}")
            lowest = min(firsts)
            time.sleep(0.01)  # the writers are to have some of the processors

    for writer in writers:
        writer.start()
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join()
    for writer in writers:
        writer.join()

    assert problems == []
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert {job for _, job in values_of(reader).values()} == {"job-1-5"}


JOBS = st.lists(
    st.tuples(
        st.integers(0, 3),  # the job
        st.integers(0, 3),  # when it published
        st.dictionaries(
            st.tuples(st.sampled_from(["OuA", "OuB"]), st.sampled_from(["20241231", "20250101"])), st.integers(0, 9)
        ),
        st.booleans(),  # whether files are merged afterwards
    ),
    max_size=6,
    unique_by=lambda job: job[0],
)


@given(JOBS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_published_is_the_latest_of_all_jobs(
    done: list[tuple[int, int, dict[tuple[str, str], int], bool]],
) -> None:
    store = ResultStore(f"memory://{uuid.uuid4()}")
    expected: dict[tuple[str, str], tuple[int, str, float]] = {}
    for job, hours, rows, merged in done:
        publish(
            store, f"job-{job}", table([(unit, period, value) for (unit, period), value in rows.items()]), hours=hours
        )
        for key, value in rows.items():
            expected[key] = max(expected.get(key, (-1, "", 0)), (hours, f"job-{job}", float(value)))
        if merged:
            compact(store, "rain")

    assert values_of(PublishedReader(store)) == {key: (value, job) for key, (_, job, value) in expected.items()}


def test_a_reader_of_this_machine_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    store = ResultStore(str(tmp_path / "results"))
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]))

    reader = PublishedReader(store)

    assert len(values_of(reader)) == 1 and list(temporary.iterdir()) == []


def test_a_reader_of_a_store_elsewhere_removes_its_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = ResultStore(f"memory://{uuid.uuid4()}/results")
    publish(store, "job-1", table([("OuA", "20250701", 1.0)]))
    reader = PublishedReader(store)
    assert len(values_of(reader)) == 1
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0

    del reader

    assert list(tmp_path.iterdir()) == []
