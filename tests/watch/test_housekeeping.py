"""Housekeeping as a whole: once a day, beside the watch, and by the command."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from eo_pygeoapi.cli import app
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Retention
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.daily import DONE, DailyHousekeeping
from eo_pygeoapi.watch.housekeeping import Housekeeping
from tests.servers import free_port, prefect_server

DAY = timedelta(days=1)
FILE = """
server: {url: "http://eo.example/"}
eo: {retention: {logs: P90D, downloads: P365D}}
resources: {rain: {type: collection, title: Rain, eo: {source: chirps3, orgUnits: {source: dhis2, level: 2}}}}
"""


@pytest.fixture
def keeper(tmp_path: Path, prefect_api: str) -> Iterator[Housekeeping]:
    settings = Settings().model_copy(update={"data_dir": tmp_path})
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    yield Housekeeping(settings, gateway, ResultStore(settings.results))
    gateway.close()


def datasets() -> dict[str, Dataset]:
    block = {"source": "chirps3", "orgUnits": {"source": "dhis2", "level": 2}}
    return read_datasets({"resources": {"rain": {"type": "collection", "title": "Rain", "eo": block}}}, Path("/"))


def old_log(folder: Path) -> Path:
    path = folder / "logs" / "web-2020-01-01.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * 1000)
    return path


def test_it_is_done_once_a_day(keeper: Housekeeping, tmp_path: Path, prefect_api: str) -> None:
    now, retention = datetime.now(UTC), Retention(logs=90 * DAY)
    settings = keeper.settings.model_copy(update={"prefect_api_url": prefect_api})
    daily = DailyHousekeeping(settings, keeper.store)
    first = old_log(tmp_path)
    daily.begin_if_due(datasets(), retention, now)
    daily.wait(60)
    assert not first.exists()
    done = keeper.store.read_json(DONE)
    assert done == {"at": now.isoformat(), "removed": [{"what": "logs", "count": 1, "size": 1000}]}

    second = old_log(tmp_path)
    after_a_restart = DailyHousekeeping(settings, keeper.store)
    for hours in (2, 23):
        after_a_restart.begin_if_due(datasets(), retention, now + timedelta(hours=hours))
        after_a_restart.wait(60)
    assert second.exists()
    after_a_restart.begin_if_due(datasets(), retention, now + DAY)
    after_a_restart.wait(60)
    assert not second.exists()


def test_while_prefect_is_away_it_is_tried_every_hour(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    away = f"http://127.0.0.1:{free_port()}/api"
    settings = Settings().model_copy(update={"data_dir": tmp_path, "prefect_api_url": away})
    daily, now = DailyHousekeeping(settings, ResultStore(settings.results)), datetime.now(UTC)

    def tried(minutes: int) -> bool:
        daily.begin_if_due(datasets(), Retention(jobs=DAY), now + timedelta(minutes=minutes))
        daily.wait(60)
        return "INFO housekeeping waits: " in capfd.readouterr().err

    assert [tried(minutes) for minutes in (0, 30, 60)] == [True, False, True]
    assert not daily.store.exists(DONE)


def test_files_of_the_coverage_are_merged_and_say_the_same(keeper: Housekeeping) -> None:
    table, unit = CoverageTable(keeper.store, "rain"), CoverageUnit(id="bo", name="Bo", level=2)
    for day in ("01", "02", "03"):
        cells = {name: np.array([text], dtype=object) for name, text in
                 {"orgUnit": "bo", "period": f"202507{day}", "start": f"2025-07-{day}", "end": f"2025-07-{day}",
                  "state": "V", "reason": ""}.items()}  # fmt: skip
        table.add_values(cells, [unit], f"job-{day}", day)
    before = table.summary()
    keeper.merge(datasets())
    assert len(keeper.store.keys("coverage/rain/values")) == len(keeper.store.keys("coverage/rain/units")) == 1
    assert table.summary() == before and len(before) == 3


@pytest.mark.slow
def test_a_prefect_that_deletes_runs_itself_is_remarked(keeper: Housekeeping, tmp_path: Path) -> None:
    assert keeper.remarks() == []
    variables = {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "true"}
    folder = tmp_path / "other"
    folder.mkdir()
    with prefect_server(folder, variables=variables) as api:
        other = Housekeeping(keeper.settings, PrefectGateway(api, read_timeout=30.0), keeper.store)
        (remark,) = other.remarks()
        other.gateway.close()
    assert remark.startswith("this Prefect server deletes runs, and so jobs, by itself after 90 days")


def test_the_command_says_what_would_go_and_then_removes_it(tmp_path: Path, prefect_api: str) -> None:
    config, data = tmp_path / "my.yml", tmp_path / "data"
    config.write_text(FILE)
    log = old_log(data)
    download = data / "cache/worldpop/SLE-0123456789abcdef/people_2020.tif"
    download.parent.mkdir(parents=True)
    download.write_bytes(b"x" * 5000)
    os.utime(download, (0, 0))
    arguments = ["prune", "--config", str(config), "--data-dir", str(data)]
    environment = {"PREFECT_API_URL": prefect_api, "COLUMNS": "200"}

    def run(*more: str) -> str:
        done = CliRunner().invoke(app, [*arguments, *more], env=environment)
        assert done.exit_code == 0, done.output
        return done.output

    said = run("--dry-run")
    assert "would go" in said and "would free 6.0 kB" in said and log.exists() and download.exists()
    found = json.loads(run("--json"))
    assert found["removed"]["logs"] == {"count": 1, "bytes": 1000}
    assert found["removed"]["downloads"] == {"count": 1, "bytes": 5000}
    assert not log.exists() and not download.exists()
    config.write_text(FILE.replace("eo: {retention: {logs: P90D, downloads: P365D}}", ""))
    assert "eo.retention is not set: everything is kept for ever" in run()
