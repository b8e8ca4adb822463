"""Hosts that are cut off while a job downloads, imports or is dismissed, for good and for two minutes."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from eo_pygeoapi.gateway.work_pool import ON_DEMAND
from tests.hosts import Host, can_have_hosts, network
from tests.pipeline.dhis2.imports import BIG_METADATA, SUMMED, TODAY, big_cells, stored
from tests.stack import collection, make_rain
from tests.standins import chc, dhis2
from tests.standins.dhis2_metadata import DAILY, RAIN
from tests.store.results_data import square
from tests.test_import_cut_short import rain_of_villages, villages
from tests.worker.backfilling import Backfills
from tests.worker.farm import ENDED, Farm, Worker, farm, patiently, until

LOST_AFTER, CUT_FOR = 240, 120.0
# of each host: the month that a job downloads, and the month of the job that is dismissed
MONTHS = {"lost": (1, 2), "back": (3, 4)}
SLOW_IMPORT = {"path": "/api/dataValueSets", "method": "POST", "stall": 2}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not can_have_hosts(), reason="network namespaces cannot be made here"),
]


@dataclass
class Drill:
    """Two hosts, the servers that they reach through the network, and the jobs on them."""

    work: Farm
    hosts: dict[str, Host]
    rain: chc.StandIn
    targets: dict[str, dhis2.StandIn]  # one for each host: a lost job holds the turn of its data element for a while
    folder: Path
    environment: dict[str, Any]
    slow: list[dict[str, Any]] = field(default_factory=list)

    def worker(self, host: str) -> Worker:
        prefix = self.hosts[host].prefix
        return self.work.worker(self.folder / host, prefix=prefix, EO_CONCURRENCY="4", **self.environment)

    def submit(self, dataset: str, start: str, end: str, dry_run: bool = True) -> str:
        inputs = {"datasetId": dataset, "start": start, "end": end, "dryRun": dry_run}
        submit = self.work.gateway.runs.submit
        return patiently(lambda: submit(dataset, {"inputs": inputs}, ON_DEMAND)).id

    def downloading(self, month: int) -> str:
        """Start a job, and wait until the provider lets it wait for a file, as it does with each until `hurry`."""
        self.slow.append({"path": f"*{date(2024, month, 1):%Y.%m}.*", "method": "GET", "stall": 25})
        self.rain.faults(*self.slow)
        before = self.rain.stalls()
        job = self.submit("rain", f"2024-{month:02}-01", f"2024-{month:02}-20")
        until(lambda: self.rain.stalls() > before, 180)
        return job

    def hurry(self) -> None:
        """Have the provider be as quick as ever."""
        self.rain.faults()

    def importing(self, host: str) -> str:
        """Start an import of 50,000 values, and wait until DHIS2 has taken two batches."""
        self.targets[host].faults(SLOW_IMPORT)
        job = self.import_again(host)
        until(lambda: self.targets[host].imports() >= 2, 240)
        return job

    def import_again(self, host: str) -> str:
        return self.submit(f"villages-{host}", "2025-01-01", "2025-02-19", dry_run=False)

    def jobs_of(self, host: str) -> dict[str, str]:
        """Start a job of each kind; the last is dismissed once its host is cut off."""
        download, dismissed = MONTHS[host]
        found = {"download": self.downloading(download), "dismissed": self.downloading(dismissed)}
        return {f"{host}: {kind}": job for kind, job in {**found, "import": self.importing(host)}.items()}

    def said(self, job: str) -> dict[str, Any]:
        """What `/jobs` says."""

        def ask() -> dict[str, Any] | None:
            answer = requests.get(f"{self.work.url}/jobs/{job}?f=json", timeout=30)
            return answer.json() if answer.ok else None  # 503 where SQLite is locked

        return until(ask, 120)

    def dismiss(self, job: str) -> None:
        patiently(lambda: self.work.gateway.runs.cancel(job))


@contextmanager
def drill(folder: Path) -> Iterator[Drill]:
    for month in sorted(month for months in MONTHS.values() for month in months):
        make_rain(folder / "chc", (2024, month))
    with network() as net, farm(folder, host=net.address) as work, chc.running(folder / "chc", net.address) as rain:
        with (
            dhis2.running("2.42", BIG_METADATA, TODAY, host=net.address) as one,
            dhis2.running("2.42", BIG_METADATA, TODAY, host=net.address) as other,
        ):
            targets = {"lost": one, "back": other}
            credentials = {f"EO_DHIS2_{host.upper()}_URL": server.url for host, server in targets.items()}
            credentials |= {f"EO_DHIS2_{host.upper()}_TOKEN": server.token for host, server in targets.items()}
            made = Backfills(work, credentials, folder, datasets(folder, rain, targets))
            shared = {"EO_RESULTS_URL": str(folder / "results"), "EO_CACHE_URL": str(folder / "cache")}
            hosts = {name: net.host(name) for name in targets}
            yield Drill(work, hosts, rain, targets, folder, made.environment | shared)


def datasets(folder: Path, rain: chc.StandIn, targets: dict[str, dhis2.StandIn]) -> dict[str, Any]:
    units = {"type": "FeatureCollection", "features": [{"type": "Feature", "id": "OuA", "properties": {"name": "A"}}]}
    units["features"][0]["geometry"] = square(-12.5, 7.5)  # type: ignore[index]
    (folder / "units.geojson").write_text(json.dumps(units))
    grid, places = str(rain_of_villages(folder)), str(villages(folder))
    found = {
        f"villages-{host}": collection(
            f"villages-{host}",
            source="file",
            options={"href": grid, "variable": "rain"},
            periodType="daily",
            aggregation=SUMMED,
            decimals=None,
            orgUnits={"source": "geojson", "href": places, "id": "id", "name": "name"},
            dhis2={"connection": host, "dataElement": RAIN, "dataSet": DAILY},
        )
        for host in targets
    }
    found["rain"] = collection(
        "rain",
        source="chirps3",
        options={"stage": "final", "flavor": "rnl", "baseUrl": rain.url},
        orgUnits={"source": "geojson", "href": str(folder / "units.geojson"), "id": "id", "name": "name"},
    )
    return found


def test_what_jobs_say_when_their_host_is_cut_off_in_mid_work(tmp_path: Path) -> None:
    with drill(tmp_path) as made:
        patiently(lambda: made.work.gateway.put_lost_runs(LOST_AFTER))
        gone = made.worker("lost")
        jobs = made.jobs_of("lost")
        made.hosts["lost"].cut()
        begun = time.monotonic()
        made.dismiss(jobs["lost: dismissed"])
        taken = len(stored(made.targets["lost"]))
        made.worker("back")
        jobs |= made.jobs_of("back")
        made.hosts["back"].cut()
        cut = time.monotonic()
        made.dismiss(jobs["back: dismissed"])
        seen: dict[str, dict[str, Any]] = {}
        while time.monotonic() - begun < 1200:
            if cut and time.monotonic() - cut > CUT_FOR:
                made.hosts["back"].heal()
                made.hurry()
                cut = 0.0
                print("   'back' is connected again")
            seen = {name: made.said(job) for name, job in jobs.items()}
            print(f"{(time.monotonic() - begun) / 60:.1f} min")
            for name, each in seen.items():
                print(f"   {name}: {each['status']}, {each['message']}")
            if all(each["status"] in ENDED for each in seen.values()):
                break
            time.sleep(20)
        gone.kill()
        silent = f"no sign of life for {LOST_AFTER // 60} minutes: the machine of the run is lost or cut off"
        assert {name: each["status"] for name, each in seen.items()} == {
            "lost: download": "failed",
            "lost: dismissed": "dismissed",
            "lost: import": "failed",
            "back: download": "successful",
            "back: dismissed": "dismissed",
            "back: import": "successful",
        }
        assert seen["lost: download"]["message"] == seen["lost: import"]["message"] == silent
        assert "what DHIS2 has taken stays there" in seen["lost: dismissed"]["message"]
        # the cut did not reach DHIS2 twice: each value is there once, and none was changed
        assert stored(made.targets["back"]) == big_cells() and not made.targets["back"].audit()
        # the next job downloads what the lost one was at, and sends what it had not sent
        assert len(stored(made.targets["lost"])) - taken in (0, 2500)  # one batch may have been on its way
        again = {"download": made.submit("rain", "2024-01-01", "2024-01-20"), "import": made.import_again("lost")}
        ended = {name: until(lambda j=job: _if_ended(made.said(j)), 600) for name, job in again.items()}  # type: ignore[misc]
        assert {name: each["status"] for name, each in ended.items()} == dict.fromkeys(again, "successful"), ended
        assert stored(made.targets["lost"]) == big_cells() and not made.targets["lost"].audit()


def _if_ended(said: dict[str, Any]) -> dict[str, Any] | None:
    return said if said["status"] in ENDED else None
