"""What the watch counts for `/metrics`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eo_pygeoapi.contract.history import ImportRecord
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.numbers import Counting, last_numbers
from tests.watch.test_detect import facts

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path))


def note(store: ResultStore, job_id: str, imported: int) -> None:
    line = ImportRecord(
        job_id=job_id, dataset="rain", dry_run=False, status="successful", imported=imported, finished=NOW
    )
    History(store, "rain").add(line, NOW)


def test_of_each_dataset_until_when_and_how_much(store: ResultStore, prefect_api: str, tmp_path: Path) -> None:
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    counting = Counting(gateway, store)
    note(store, "a", 12)
    counting.keep([facts()], NOW - timedelta(minutes=1), tmp_path, NOW)
    first = last_numbers(store)
    note(store, "b", 3)
    counting.keep([facts()], NOW, tmp_path, NOW)
    second = last_numbers(store)
    gateway.close()

    assert first is not None and second is not None and first.prefect and first.disk_total > first.disk_free > 0
    (rain,) = first.datasets
    assert (rain.id, str(rain.published_until), str(rain.imported_until)) == ("rain", "2026-11-24", "2026-11-24")
    assert (rain.totals.values, rain.totals.jobs, rain.late, rain.gaps) == (12, {"successful": 1}, False, 0)
    assert second.datasets[0].totals.values == 15


def test_while_prefect_is_away_what_was_counted_last_stays(
    store: ResultStore, prefect_api: str, tmp_path: Path
) -> None:
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    counting = Counting(gateway, store)
    counting.keep([facts()], NOW, tmp_path, NOW)
    counting.keep(None, None, tmp_path, NOW + timedelta(minutes=1))
    numbers = last_numbers(store)
    gateway.close()
    assert numbers is not None and not numbers.prefect
    assert (numbers.at, numbers.worker_seen) == (NOW + timedelta(minutes=1), NOW)
    assert [dataset.id for dataset in numbers.datasets] == ["rain"]
