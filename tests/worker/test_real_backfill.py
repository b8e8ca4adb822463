"""A year of days by a backfill on a real DHIS2 (`EO_TEST_DHIS2_URL`), beside what the estimate said of it."""

import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.status import RECONCILE_ID, UNDO_ID
from eo_pygeoapi.datasets.read import load_datasets
from tests.pipeline.dhis2.metadata.places import PASSWORD, Place, real_server
from tests.pipeline.dhis2.servers import REAL
from tests.pipeline.sources.test_costs import sent, size_of, world_of_rain
from tests.stack import collection
from tests.standins import chc
from tests.standins.dhis2_metadata import COUNTRY
from tests.worker.backfilling import Backfills
from tests.worker.farm import Farm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not REAL, reason="set EO_TEST_DHIS2_URL"),
]
YEAR = Interval(start=date(2023, 1, 1), end=date(2023, 12, 31))
UNITS, WITHIN, MIB = 13, 0.3, 2**20


@pytest.fixture
def place() -> Iterator[Place]:
    with real_server() as found:
        yield found


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    """A year of days as large as CHC's."""
    root = tmp_path_factory.mktemp("chc")
    first = root / chc.day_path(YEAR.start)
    world_of_rain(first)
    for day in days(YEAR)[1:]:
        os.link(first, root / chc.day_path(day))
    with chc.running(root) as standin:
        yield standin


def held(place: Place, element: str) -> dict[tuple[str, str], str]:
    """All that DHIS2 holds of a data element, by unit and period."""
    params = {"dataSet": place.object("dataSets", "EO_DAILY", fields="id")["id"], "orgUnit": COUNTRY}
    params |= {"children": "true", "startDate": "1900-01-01", "endDate": "2100-01-01"}
    with place.client() as client:
        answer = client.get("/api/dataValueSets", params=params)
    answer.raise_for_status()
    uid, common = place.object("dataElements", element, fields="id")["id"], answer.json()
    found = [{**common, **value} for value in common.get("dataValues", [])]
    return {(v["orgUnit"], v["period"]): v["value"] for v in found if v.get("dataElement") == uid}


def test_a_year_of_days_takes_what_the_estimate_says(
    work: Farm, place: Place, provider: chc.StandIn, tmp_path: Path
) -> None:
    name = f"year{place.tag}"
    rain = collection(
        name,
        source="chirps3",
        options={"baseUrl": provider.url},
        orgUnits={"source": "dhis2", "level": 2},
        dhis2={"connection": "national"},
    )
    user = {"URL": place.url, "USERNAME": str(place.importer.username), "PASSWORD": PASSWORD}
    credentials = {f"EO_DHIS2_NATIONAL_{what}": value for what, value in user.items()}
    backfills = Backfills(work, credentials, tmp_path, {name: rain})
    datasets = load_datasets(tmp_path / "backfill.yml")
    made = place.set_up({name: datasets[name]}, apply=True)
    assert made.problems == []
    work.worker(backfills.data, zygote=True, EO_CONCURRENCY="3", **backfills.environment)

    asked = {"datasetId": name, "start": "2023", "end": "2023"}
    estimate = backfills.submit(**asked)
    assert (ended := backfills.ended(estimate)).status == "successful", ended.message
    said, begun = backfills.result(estimate), time.monotonic()
    done = backfills.ended(job := backfills.submit(**asked, dryRun=False), 2400)
    minutes = (time.monotonic() - begun) / 60
    assert done.status == "successful", done.message

    values = held(place, f"EO_{name.upper()}")
    downloaded = sent(provider.log(), provider.root) / MIB
    kept = sum(size_of(backfills.data / part) for part in ("cache", "results")) / MIB
    print(
        f"a year of days on {place.url}: {minutes:.1f} min, {len(values)} values, {downloaded:.0f} MiB downloaded, "
        f"{kept:.0f} MiB kept; the estimate: {said['minutes']} min, {said['values']} values, {said['downloadMiB']} MiB "
        f"downloaded, {said['storeMiB']} MiB kept",
        flush=True,
    )
    assert len(values) == pytest.approx(said["values"], rel=WITHIN) and len(values) == UNITS * len(days(YEAR))
    assert downloaded == pytest.approx(said["downloadMiB"], rel=WITHIN)
    assert kept == pytest.approx(said["storeMiB"], rel=WITHIN)

    for process, inputs, words in (
        (RECONCILE_ID, asked, f"DHIS2 holds {len(values)} of {len(values)} values"),
        (UNDO_ID, {"jobId": job, "dryRun": False}, f"of {len(values)} values: {len(values)} deleted"),
    ):
        ended = backfills.ended(backfills.submit(process, **inputs))
        assert ended.status == "successful" and words in ended.message, ended.message
    assert held(place, f"EO_{name.upper()}") == {}
