"""The world around a feed: what its providers publish day by day, a DHIS2, and the values that are right."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.stack import CHIRPS_SHAPE, PROCESS, base_config, collection
from tests.standins import cds, chc, dhis2, worldpop
from tests.standins.dhis2_metadata import DAILY, POPULATION, YEARLY, default_metadata

DAY = timedelta(days=1)
FINAL_ON = 20  # the day of a month on which CHIRPS of the month before becomes final
ERA5 = {"temperature": "2m_temperature", "rain": "total_precipitation", "sun": "surface_solar_radiation_downwards"}
ELEMENTS = {"chirps": "ElemChirps1", "temperature": "ElemEra5Te1", "rain": "ElemEra5Ra1", "sun": "ElemEra5Su1"}
# DHIS2 as it is behind a proxy when it is down
AWAY = {"path": "/api*", "status": 503, "body": "<html>Service Unavailable</html>", "contentType": "text/html"}


def metadata() -> dict[str, Any]:
    """Return DHIS2's metadata with a data element for each of the daily datasets."""
    found = default_metadata()
    daily = next(data_set for data_set in found["dataSets"] if data_set["id"] == DAILY)
    model = next(element for element in found["dataElements"] if element["code"] == "CHIRPS_PRECIPITATION")
    for name, uid in ELEMENTS.items():
        member = {"dataSet": {"id": DAILY}, "dataElement": {"id": uid}}
        own = {"id": uid, "code": name.upper(), "name": name, "dataSetElements": [member]}
        found["dataElements"].append(model | own)
        daily["dataSetElements"].append(member)
    return found


@dataclass
class World:
    """Providers and DHIS2 of one country."""

    chc: chc.StandIn
    cds: cds.StandIn
    dhis2: dhis2.StandIn
    stopped: bool = False  # CHC publishes nothing new
    preliminary: set[date] = field(default_factory=set)
    final: set[date] = field(default_factory=set)
    corrected: dict[tuple[str, str, date], float] = field(default_factory=dict)  # what a person has entered instead
    token: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return self.cds.environment | {
            "EO_DHIS2_NATIONAL_URL": self.dhis2.url,
            "EO_DHIS2_NATIONAL_TOKEN": self.token,
        }

    def publish(self, today: date) -> None:
        """Publish what providers have by the morning of a day: CHIRPS three days late, ERA5-Land five."""
        self.cds.state(latest=(today - 5 * DAY).isoformat(), final=(today.replace(day=1) - 62 * DAY).isoformat())
        if self.stopped:
            return
        newest = today - 3 * DAY
        first = min(newest, max(self.preliminary, default=newest) + DAY)
        for n in range((newest - first).days + 1):
            self._chirps(first + n * DAY, "prelim", "sat")
        if today.day == FINAL_ON:
            last = today.replace(day=1) - DAY
            for n in range(last.day):
                self._chirps(last.replace(day=n + 1), "final", "rnl")

    def _chirps(self, day: date, stage: str, flavor: str) -> None:
        (self.final if stage == "final" else self.preliminary).add(day)
        millimetres = np.full(CHIRPS_SHAPE, chirps(day, stage == "final"), "float32")
        chc.make_day(self.chc.root, day, stage, flavor, millimetres)

    def correct(self, dataset: str, unit: str, day: date, value: float) -> None:
        """Have a person enter another value in DHIS2."""
        self.corrected[dataset, unit, day] = value
        where = {"dataElement": ELEMENTS[dataset], "orgUnit": unit, "period": f"{day:%Y%m%d}"}
        self.dhis2.put_values(where | {"value": str(value)})

    def right_value(self, dataset: str, unit: str, day: date) -> float:
        """Return what DHIS2 is to hold of a day: the same for every unit, but where a person has entered another."""
        if (by_person := self.corrected.get((dataset, unit, day))) is not None:
            return by_person
        if dataset == "chirps":
            return chirps(day, day in self.final)
        summed = 2.4 * day.day + 2.76  # of the hours of `cds.rain`
        return {"rain": summed, "sun": 1000 * summed, "temperature": 290 + 11.5 - 0.1 * day.day - 273.15}[dataset]


def chirps(day: date, final: bool) -> float:
    """Return the rain of a day: final values are higher by half a millimetre."""
    return day.day + (0.5 if final else 0.0)


@contextmanager
def running(folder: Path, begin: date, today_of_dhis2: date, clock: Mapping[str, str]) -> Iterator[World]:
    """Run the providers, with the month before `begin` published, and a DHIS2 that is open until `today_of_dhis2`.

    DHIS2 sees the clock of the environment `clock`, for it says when a token has expired.
    """
    root = folder / "chc"
    root.mkdir()
    worldpop.make_year(root, "SLE", begin.year)
    with (
        chc.running(root) as chc_server,
        cds.running() as cds_server,
        dhis2.running(metadata=metadata(), today=today_of_dhis2, forget_bodies=True, environment=clock) as dhis2_server,
    ):
        world = World(chc_server, cds_server, dhis2_server)
        for n in range(40, 0, -1):
            world.publish(begin - n * DAY)
        yield world


def configuration(world: World) -> dict[str, Any]:
    """Return a ministry's file: four daily datasets and a yearly one, a channel, retention."""
    config = base_config()
    config["resources"] = {PROCESS: config["resources"][PROCESS]}
    chirps3 = {"stage": "latest", "flavor": "rnl", "baseUrl": world.chc.url}
    config["resources"]["chirps"] = _daily(
        "chirps", "chirps3", chirps3, start="-P14D", final={"cron": "0 8 21 * *", "start": "-P52D", "end": "-P18D"}
    )
    for name, variable in ERA5.items():
        options = {"provider": "cds", "variable": variable}
        config["resources"][name] = _daily(name, "era5-land", options, start="-P14D", final={})
    people = {"country": "SLE", "version": "global2", "baseUrl": world.chc.url}
    config["resources"]["people"] = collection(
        "people",
        source="worldpop",
        options=people,
        orgUnits={"source": "dhis2", "level": 2},
        dhis2={"connection": "national", "dataElement": POPULATION, "dataSet": YEARLY},
        schedules=[_schedule("yearly", "0 6 15 1 *", "-P14D", "P11M16D")],
    )
    config["eo"] = {
        **config.get("eo", {}),
        "notify": {"ops": {}},
        "retention": {"jobs": "P30D", "results": "P30D", "logs": "P14D", "downloads": "P60D"},
    }
    return config


def _daily(
    name: str, source: str, options: Mapping[str, Any], *, start: str, final: Mapping[str, str]
) -> dict[str, Any]:
    schedules = [_schedule("daily", "0 6 * * *", start, "-P4D" if source == "chirps3" else "-P6D")]
    if final:
        schedules.append(_schedule("final", final["cron"], final["start"], final["end"]))
    return collection(
        name,
        source=source,
        options=dict(options),
        orgUnits={"source": "dhis2", "level": 2},
        dhis2={"connection": "national", "dataElement": ELEMENTS[name], "dataSet": DAILY},
        schedules=schedules,
    )


def _schedule(name: str, cron: str, start: str, end: str) -> dict[str, Any]:
    inputs = {"start": start, "end": end, "dryRun": False}
    return {"name": name, "cron": cron, "timezone": "UTC", "active": True, "inputs": inputs}
