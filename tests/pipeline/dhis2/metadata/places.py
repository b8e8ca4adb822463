"""DHIS2 servers to set up: stand-ins, empty but for units, and a real one of one's own (`EO_TEST_DHIS2_URL`)."""

import json
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from eo_pygeoapi.commands.dhis2.setup import Outcome, Wishes, set_up
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.settings import Dhis2Connection
from tests.pipeline.dhis2.servers import REAL
from tests.standins.dhis2 import running
from tests.standins.dhis2_metadata import COUNTRY, default_metadata, empty_metadata

PASSWORD = "Import-Cases-2026!"
UNITS = [COUNTRY, *(unit["id"] for unit in default_metadata()["organisationUnits"][1:14])]
IMPORT = {"importStrategy": "CREATE_AND_UPDATE", "atomicMode": "ALL"}


@dataclass(frozen=True)
class Place:
    """A DHIS2; `tag` keeps what one run makes apart from what others made."""

    url: str
    tag: str

    @property
    def admin(self) -> Dhis2Connection:
        password = os.environ.get("EO_TEST_DHIS2_PASSWORD", "district") if self.tag else "district"
        return Dhis2Connection(url=self.url, username="admin", password=SecretStr(password))

    @property
    def importer(self) -> Dhis2Connection:
        return Dhis2Connection(url=self.url, username=f"eo_importer{self.tag}", password=SecretStr(PASSWORD))

    def set_up(self, datasets: dict[str, Dataset], own: Dhis2Connection | None = None, **wishes: Any) -> Outcome:
        return set_up("national", own or self.importer, self.admin, list(datasets.values()), Wishes(**wishes))

    def client(self) -> httpx.Client:
        password = self.admin.password
        assert password
        return httpx.Client(base_url=self.url, auth=("admin", password.get_secret_value()), timeout=300)

    def post(self, **objects: Any) -> None:
        with self.client() as client:
            answer = client.post("/api/metadata", params=IMPORT, json=objects)
        assert answer.status_code == 200, answer.text

    def begin_anew(self) -> None:
        """Have a stand-in be as it was at the start, with units and nothing else."""
        httpx.put(f"{self.url}/_new", json=None).raise_for_status()
        make_units(self)

    def patch(self, collection: str, of: str, /, **members: Any) -> None:
        """Change an object as a person does."""
        patch = [{"op": "add", "path": f"/{name}", "value": value} for name, value in members.items()]
        headers = {"Content-Type": "application/json-patch+json"}
        with self.client() as client:
            path = f"/api/{collection}/{self.object(collection, of)['id']}"
            client.patch(path, content=json.dumps(patch), headers=headers).raise_for_status()

    def object(self, collection: str, code: str, by: str = "code", fields: str = "*") -> dict[str, Any]:
        params = {"filter": f"{by}:eq:{code}", "fields": fields, "paging": "false"}
        with self.client() as client:
            found: list[dict[str, Any]] = client.get(f"/api/{collection}", params=params).json()[collection]
        return found[0] if found else {}


@contextmanager
def empty_standin(version: str) -> Iterator[Place]:
    """Run a stand-in that has units, and nothing else but its administrator."""
    with running(version, empty_metadata()) as dhis2:
        place = Place(dhis2.url, "")
        make_units(place)
        yield place


@contextmanager
def real_server() -> Iterator[Place]:
    """Make the units in the real server."""
    place = Place(REAL, f"{random.SystemRandom().randrange(10**6):06}")
    make_units(place)
    yield place


def make_units(place: Place) -> None:
    found = default_metadata()
    units = [{name: value for name, value in unit.items() if name != "path"} for unit in found["organisationUnits"]]
    place.post(organisationUnits=units[:14], organisationUnitLevels=found["organisationUnitLevels"][:2])


def datasets(place: Place, *ids: str, levels: Sequence[int] = (1, 2), **more: dict[str, Any]) -> dict[str, Dataset]:
    """Return datasets of a configuration file that says nothing of DHIS2 but the connection."""
    blocks: dict[str, dict[str, Any]] = {
        "rain": {"source": "chirps3"},
        "heat": {"source": "era5-land", "options": {"variable": "2m_temperature", "provider": "cds"}},
        "rain-monthly": {"source": "chirps3", "periodType": "monthly"},
        "people": {"source": "worldpop", "options": {"country": "SLE"}},
    }
    eo = {"defaults": {"orgUnits": {"source": "dhis2", "level": list(levels)}, "dhis2": {"connection": "national"}}}
    resources = {
        f"{id_}{place.tag}": {
            "type": "collection",
            "title": f"The {id_}{f' {place.tag}' if place.tag else ''}",
            "eo": blocks[id_] | more.get(id_.replace("-", "_"), {}),
        }
        for id_ in ids or blocks
    }
    return read_datasets({"eo": eo, "resources": resources}, Path("."))


def lines(outcome: Outcome) -> list[str]:
    return [f"{step.action} {step.in_words()}" for step in outcome.steps]
