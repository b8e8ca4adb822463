"""Payloads and stand-ins for the tests of the import."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.client import Dhis2, connect
from eo_pygeoapi.pipeline.dhis2.data_values import build_dhis2_payload
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from eo_pygeoapi.settings import Dhis2Connection
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.made import dataset
from tests.standins.dhis2 import StandIn
from tests.standins.dhis2_metadata import BO, DAILY, DISTRICTS, RAIN, default_metadata

KONO = "Vth0fbpFcsO"
TARGET = DatasetTarget(data_element=RAIN, data_set=DAILY)
TODAY = date(2025, 7, 20)
JULY = [f"202507{day:02}" for day in range(1, 11)]
SUMMED = {"spatial": "sum", "temporal": "sum"}  # what RAIN is in DHIS2, so that nothing is remarked

Connector = Callable[[], AbstractContextManager[Dhis2]]
Cells = Mapping[tuple[str, str], float] | Mapping[tuple[str, str, str], float]


def connector(dhis2: StandIn, read_timeout: float = 10, **other: Any) -> Connector:
    """Return what opens the stand-in."""
    connection = Dhis2Connection(**{"url": dhis2.url, "username": dhis2.username, "password": dhis2.password} | other)
    return partial(connect, connection, read_timeout=read_timeout)


def july() -> dict[tuple[str, str], float]:
    """Return ten days of all districts."""
    return {(unit, period): n + 0.5 for n, unit in enumerate(DISTRICTS) for period in JULY}


def files(folder: Path, cells: Cells, target: DatasetTarget = TARGET, job: str = "job") -> ImportFiles:
    """Write the payload of the cells as the job has it in the store."""
    kept = JobFolder(ResultStore(str(folder)), job)
    made = ImportFiles(kept)
    given = ((unit, period, value, "".join(group)) for (unit, period, *group), value in cells.items())
    rows = sorted(given, key=lambda row: row[1])
    with kept.new_file(job_folder.PAYLOAD_JSON) as as_json, kept.new_file(job_folder.PAYLOAD_CSV) as csv:
        made.write_payload(build_dhis2_payload(rows, target, as_json, csv))
    return made


class Importer:
    """Imports as one job after another would, with one results store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs = 0

    def __call__(
        self, dhis2: StandIn, cells: Cells, dry_run: bool = False, target: DatasetTarget = TARGET, **other: Any
    ) -> ImportSummary:
        self.jobs += 1
        eo = {"aggregation": SUMMED, **other.pop("eo", {})}
        opens = other.pop("connect", None) or connector(dhis2)
        options = {"pauses": (), **other}
        made = files(self.folder, cells, target, f"job{self.jobs}")
        summary = import_to_dhis2(made, dataset(dhis2=target.to_json(), **eo), dry_run, opens, **options)
        stopped = summary.status == "SKIPPED" or any(finding.severity == "error" for finding in summary.findings)
        if not stopped:  # every value is in one count, whatever happened
            assert accounted(summary) == made.payload().count
        return summary

    def json(self, name: str) -> Any:
        """Return a file of the last job."""
        return JobFolder(ResultStore(str(self.folder)), f"job{self.jobs}").read_json(name)

    def text(self, name: str) -> str:
        """Return a file of the last job as text."""
        return JobFolder(ResultStore(str(self.folder)), f"job{self.jobs}").read_bytes(name).decode()


def accounted(summary: ImportSummary) -> int:
    """Return of how many values the summary says what became of them."""
    return summary.imported + summary.updated + summary.deleted + summary.ignored + summary.unchanged


def stored(dhis2: StandIn) -> dict[tuple[str, str], float]:
    """Return what the stand-in holds."""
    return {(value["orgUnit"], value["period"]): float(value["value"]) for value in dhis2.values()}


def sent(dhis2: StandIn) -> list[tuple[str, str]]:
    """Return the cells of all values that were sent, each as often as it was."""
    bodies = [entry["body"]["dataValues"] for entry in dhis2.log("POST")]
    return [(value["orgUnit"], value["period"]) for body in bodies for value in body]


def put(dhis2: StandIn, unit: str, period: str, value: str, **other: str) -> None:
    """Store a value as somebody else would."""
    dhis2.put_values({"dataElement": RAIN, "period": period, "orgUnit": unit, "value": value, **other})


def big_metadata(villages: int = 1000) -> dict[str, Any]:
    """Return metadata with so many units more, all of them assigned to the daily data set."""
    metadata = default_metadata()
    bo = next(unit for unit in metadata["organisationUnits"] if unit["id"] == BO)
    names = [f"V{n:010}" for n in range(villages)]
    metadata["organisationUnits"] += [bo | {"id": uid, "code": uid, "path": f"{bo['path']}/{uid}"} for uid in names]
    metadata["dataSets"][0]["organisationUnits"] = [{"id": uid} for uid in names]
    return metadata


def big_cells(villages: int = 1000, days: int = 50) -> dict[tuple[str, str], float]:
    """Return so many values of these units."""
    periods = [f"{date(2025, 1, 1) + timedelta(n):%Y%m%d}" for n in range(days)]
    return {(f"V{n:010}", period): n % 97 / 4 + day for day, period in enumerate(periods) for n in range(villages)}


BIG_METADATA = big_metadata()
