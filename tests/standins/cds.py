"""Stand-in for the Climate Data Store: jobs that make ERA5-Land files of hours, faults on demand, a log of requests.

    python -m tests.standins.cds --port 0

prints the base URL (`…/api`) as the first line, then serves until it is terminated. The key is `KEY`. As the real one
does, it gives the days that it has and refuses a request of which it has none, lets jobs wait in a queue, and tells
final from provisional data by `expver`.

`PUT /_state` sets `latest` (the last day published), `final` (the last day that is not provisional), `polls` (how
often a job is looked at before it is done) and `fields` (how many hours of variables a request may name).
`PUT /_faults` takes rules as the stand-in of CHC does, with `json` for the body of a `status`, and for the asset
`truncate`, `drop`, `stall`, and `content` (another file's text).
`GET /_log` gives the requests since `DELETE /_log`: `method`, `path`, `status`, `inputs` of executions.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.standins.chc import CHECKOUT, Faults

KEY = "00000000-test-key-of-nobody"
HOURS, DAYS = "reanalysis-era5-land", "derived-era5-land-daily-statistics"
PROCESS, DAYS_PROCESS = (f"/api/retrieve/v1/processes/{name}" for name in (HOURS, DAYS))
# the daily statistics, as "ERA5 family post-processed daily statistics documentation" of ECMWF has them
STATISTICS: dict[str, Callable[..., Any]] = {"daily_mean": np.mean, "daily_minimum": np.min, "daily_maximum": np.max}
FREQUENCIES = {"1_hourly": 1, "3_hourly": 3, "6_hourly": 6}
ZONES = [f"utc{offset:+03}:00" for offset in range(-12, 15)]
ACCUMULATED = ("total_precipitation", "surface_solar_radiation_downwards")  # there are no daily statistics of these
SHORT = {
    "total_precipitation": "tp",
    "2m_temperature": "t2m",
    "2m_dewpoint_temperature": "d2m",
    "surface_pressure": "sp",
    "10m_u_component_of_wind": "u10",
    "10m_v_component_of_wind": "v10",
    "surface_solar_radiation_downwards": "ssrd",
}
UNITS = {"tp": "m", "t2m": "K", "d2m": "K", "sp": "Pa", "u10": "m s**-1", "v10": "m s**-1", "ssrd": "J m**-2"}
SEA = (3, 3)  # row and column of a cell without data, from the north-west
LICENCE = {
    "title": "required licences not accepted",
    "detail": "Not all the required licences have been accepted; please visit https://cds.example/licences to accept",
}

# the same status, as the real one had it in 2024
TOO_LARGE = {
    "title": "cost limits exceeded",
    "detail": "Your request is too large, please reduce your selection.",
}


def rain(moment: np.datetime64) -> float:
    """Millimetres that fall in the hour that starts at this moment: 0.1 a day of the month and 0.01 an hour."""
    day = (moment.astype("M8[D]") - moment.astype("M8[M]")).astype(int) + 1
    hour = (moment.astype("M8[h]") - moment.astype("M8[D]")).astype(int)
    return float(0.1 * day + 0.01 * hour)


def accumulated(moment: np.datetime64) -> float:
    """Metres since 00 UTC, as ERA5-Land counts: at 00:00 the total of the day before."""
    moment = moment.astype("M8[h]")
    start = (moment - np.timedelta64(1, "h")).astype("M8[D]").astype("M8[h]")
    return sum(rain(hour) for hour in np.arange(start, moment)) / 1000


def temperature(moment: np.datetime64) -> float:
    """Kelvin at this moment: 290 and the hour, less a tenth of the day of the month."""
    day = (moment.astype("M8[D]") - moment.astype("M8[M]")).astype(int) + 1
    hour = (moment.astype("M8[h]") - moment.astype("M8[D]")).astype(int)
    return float(290 + hour - 0.1 * day)


def energy(moment: np.datetime64) -> float:
    """Joules per square metre since 00 UTC."""
    return 1e6 * accumulated(moment)


def dewpoint(moment: np.datetime64) -> float:
    """Kelvin at this moment: 285 and a quarter of the hour."""
    return 285 + hour_of(moment) / 4


def pressure(moment: np.datetime64) -> float:
    """Pascal at this moment: 10 more each hour."""
    return 95000 + 10 * hour_of(moment)


def wind_east(moment: np.datetime64) -> float:
    """Metres a second: 3 until noon, 4 from then on."""
    return 3.0 if hour_of(moment) < 12 else 4.0


def wind_north(moment: np.datetime64) -> float:
    """Metres a second: -4 until noon, 3 from then on."""
    return -4.0 if hour_of(moment) < 12 else 3.0


def hour_of(moment: np.datetime64) -> int:
    """Return the hour of the day."""
    return int((moment.astype("M8[h]") - moment.astype("M8[D]")).astype(int))


MADE = {
    "tp": accumulated,
    "t2m": temperature,
    "d2m": dewpoint,
    "sp": pressure,
    "u10": wind_east,
    "v10": wind_north,
    "ssrd": energy,
}


@dataclass
class State:
    """What the provider has, and the jobs it was asked for."""

    latest: date = date(2100, 1, 1)
    final: date = date(2100, 1, 1)
    polls: int = 0
    varied: bool = False
    fields: int = 1_000_000
    says_version_once: bool = False
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def set(self, given: Mapping[str, Any]) -> None:
        self.latest = date.fromisoformat(given.get("latest", "2100-01-01"))
        self.final = date.fromisoformat(given.get("final", "2100-01-01"))
        self.polls = given.get("polls", 0)
        self.varied = given.get("varied", False)
        self.fields = given.get("fields", 1_000_000)
        self.says_version_once = given.get("says_version_once", False)


def fields_of(inputs: Mapping[str, Any]) -> int:
    """Return what a request costs: its hours, or days of a statistic, of each variable."""
    return len(inputs["variable"]) * len(inputs["day"]) * len(inputs.get("time", [""]))


def days_of(inputs: Mapping[str, Any]) -> list[date]:
    """Return the days that a request names, as CDS takes them: those of the product that exist."""
    found = []
    for month in inputs["month"]:
        for day in inputs["day"]:
            with contextlib.suppress(ValueError):
                found.append(date(int(inputs["year"]), int(month), int(day)))
    return sorted(found)


def make_file(inputs: Mapping[str, Any], state: State) -> bytes:
    """Make the NetCDF that CDS makes of a request."""
    shorts = [SHORT[variable] for variable in inputs["variable"]]
    days = [day for day in days_of(inputs) if day <= state.latest]
    hours = [int(text[:2]) for text in inputs["time"]]
    times = np.array([np.datetime64(day, "h") + np.timedelta64(hour, "h") for day in days for hour in hours])
    return write_file(inputs, state, times, [(short, [MADE[short](time) for time in times]) for short in shorts])


def statistics_problem(inputs: Mapping[str, Any]) -> str:
    """Return what CDS would not take of a request for daily statistics, '' where it takes it."""
    allowed = {"daily_statistic": STATISTICS, "time_zone": ZONES, "frequency": FREQUENCIES}
    for name, values in allowed.items():
        if inputs.get(name) not in values:
            return f"{name}: {inputs.get(name)!r} is not one of {', '.join(values)}"
    if not isinstance(inputs.get("year"), str) or set(inputs["variable"]) & set(ACCUMULATED):
        return "year must be one, and variables must not accumulate"
    unknown = set(inputs) - {*allowed, "variable", "year", "month", "day", "area"}
    return f"unknown: {', '.join(sorted(unknown))}" if unknown else ""


def make_statistics(inputs: Mapping[str, Any], state: State) -> bytes:
    """Make the NetCDF of daily statistics, without days that lack an hour; it says no `expver`."""
    offset, statistic = int(inputs["time_zone"][3:6]), STATISTICS[inputs["daily_statistic"]]
    every, end = FREQUENCIES[inputs["frequency"]], np.datetime64(state.latest, "D") + 1
    starts = {np.datetime64(day, "D"): np.datetime64(day, "h") - np.timedelta64(offset, "h") for day in days_of(inputs)}
    hours = {
        day: start + np.arange(0, 24, every) for day, start in starts.items() if start + np.timedelta64(24, "h") <= end
    }
    variables = [
        (SHORT[name], [statistic([MADE[SHORT[name]](h) for h in each]) for each in hours.values()])
        for name in inputs["variable"]
    ]
    return write_file(inputs, state, np.array(list(hours), "M8[D]"), variables, versions=False)


def write_file(
    inputs: Mapping[str, Any],
    state: State,
    times: NDArray[Any],
    variables: Sequence[tuple[str, Sequence[float]]],
    *,
    versions: bool = True,
) -> bytes:
    """Write variables, each with its numbers by time, the same in all cells."""
    import netCDF4  # here, so that the server starts at once

    north, west, south, east = inputs["area"]
    latitudes = north - 0.1 * np.arange(round((north - south) * 10) + 1)
    longitudes = west + 0.1 * np.arange(round((east - west) * 10) + 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.nc")
        with netCDF4.Dataset(path, "w") as file:
            for name, values in (("valid_time", times), ("latitude", latitudes), ("longitude", longitudes)):
                file.createDimension(name, len(values))
            axis = file.createVariable("valid_time", "i8", ("valid_time",))
            axis.setncatts({"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"})
            axis[:] = times.astype("M8[s]").astype("int64")
            for name, values in (("latitude", latitudes), ("longitude", longitudes)):
                file.createVariable(name, "f8", (name,))[:] = values
            file.createVariable("number", "i8", ())[:] = 0
            if versions:
                final = times.astype("M8[D]") <= np.datetime64(state.final, "D")
                one = state.says_version_once
                expver = file.createVariable("expver", str, () if one else ("valid_time",))
                expver[...] = "0005" if one else np.where(final, "0001", "0005").astype(object)
            for short, values in variables:
                _add(file, short, np.array(values, "float32"), len(latitudes), len(longitudes), state)
        return path.read_bytes()


def _add(file: Any, short: str, values: NDArray[np.float32], rows: int, columns: int, state: State) -> None:
    dimensions = ("valid_time", "latitude", "longitude")
    variable = file.createVariable(short, "f4", dimensions, zlib=True, fill_value=np.float32(np.nan))
    variable.setncatts({"units": UNITS[short], "coordinates": "number valid_time latitude longitude expver"})
    cube = np.broadcast_to(values[:, None, None], (len(values), rows, columns)).copy()
    if state.varied:  # as large as real ones: other in every cell, in steps of what GRIB keeps of a range
        spread = float(np.ptp(values)) or 1.0
        noise = np.random.default_rng(1).integers(0, 2**12, cube.shape) / 2**16 * spread
        cube += noise.astype("float32")
    cube[:, SEA[0], SEA[1]] = np.nan
    variable[:] = cube


def _replaced(content: bytes, rule: Mapping[str, Any]) -> bytes:
    """Return the file, or what a fault puts in its place."""
    return str(rule["content"]).encode() if "content" in rule else content[: rule.get("truncate")]


class Handler(BaseHTTPRequestHandler):
    """The parts of the API that ECMWF's client calls."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, state: State, faults: Faults) -> None:
        self.state, self.faults = state, faults
        self.inputs: dict[str, Any] = {}
        super().__init__(*args)

    @property
    def root(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        if self.path == "/_log":
            self._answer(200, self.faults.log)
        elif not self._stumbled():
            self._get(self.path.partition("?")[0])

    def do_HEAD(self) -> None:
        if not self._stumbled():
            self._get(self.path.partition("?")[0])

    def do_PUT(self) -> None:
        given = self._body()
        if self.path == "/_faults":
            self.faults.rules = given
        else:
            self.state.set(given)
        self._answer(200, {})

    def do_DELETE(self) -> None:
        self.faults.log.clear()
        self._answer(200, {})

    def do_POST(self) -> None:
        self.inputs = (self._body() or {}).get("inputs", {})
        if self._stumbled():
            return
        if self.path == "/api/profiles/v1/account/verification/pat":
            self._answer(200, {"id": 1})
        elif self.path in (f"{PROCESS}/execution", f"{DAYS_PROCESS}/execution"):
            collection = self.path.split("/")[-2]
            if collection == DAYS and (problem := statistics_problem(self.inputs)):
                self._answer(400, {"title": "invalid request", "detail": problem})
            elif fields_of(self.inputs) > self.state.fields:
                self._answer(403, TOO_LARGE)
            else:
                self._submit(collection)
        else:
            self._answer(404, {"title": "not found"})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; `/_log` has it."""

    def _stumbled(self) -> bool:
        """Answer as a fault or a wrong key demands; return whether that was so."""
        rule = self.faults.take(self.command, self.path.partition("?")[0])
        time.sleep(rule.get("stall", 0))
        if status := rule.get("status"):
            self._answer(status, rule.get("json", {"title": "made to fail"}))
            return True
        self.rule = rule
        public = ("/api/catalogue", "/asset")
        if not self.path.startswith(public) and self.headers.get("PRIVATE-TOKEN") != KEY:
            self._answer(401, {"title": "Authentication failed", "detail": "the key is not known here"})
            return True
        return False

    def _get(self, path: str) -> None:
        job = self.state.jobs.get(next((part for part in path.split("/") if part in self.state.jobs), ""))
        if path == "/api/catalogue/v1/messages":
            self._answer(200, {"messages": []})
        elif path.rpartition("/")[0] == "/api/catalogue/v1/collections" and path.endswith((HOURS, DAYS)):
            interval = ["1950-01-01T00:00:00Z", f"{self.state.latest}T00:00:00Z"]
            self._answer(200, {"id": path.rpartition("/")[2], "extent": {"temporal": {"interval": [interval]}}})
        elif path in (PROCESS, DAYS_PROCESS):
            self._answer(200, {"id": path.rpartition("/")[2]})
        elif job is None:
            self._answer(404, {"title": "not found"})
        elif path.startswith("/asset/"):
            self._send_asset(job)
        elif path.endswith("/results"):
            self._results(job)
        else:
            self._answer(200, self._looked_at(job))

    def _submit(self, collection: str) -> None:
        job: dict[str, Any] = {
            "collection": collection,
            "id": f"job-{len(self.state.jobs) + 1}",
            "inputs": self.inputs,
            "polls": self.state.polls,
        }
        self.state.jobs[job["id"]] = job
        self._answer(201, self._status(job, "accepted"))

    def _looked_at(self, job: dict[str, Any]) -> dict[str, Any]:
        job["polls"] -= 1
        if job["polls"] >= 0:
            return self._status(job, "accepted")
        return self._status(job, "successful" if self._available(job) else "failed")

    def _available(self, job: Mapping[str, Any]) -> bool:
        known = set(job["inputs"]["variable"]) <= set(SHORT)
        return known and any(day <= self.state.latest for day in days_of(job["inputs"]))

    def _status(self, job: Mapping[str, Any], status: str) -> dict[str, Any]:
        url = f"{self.root}/api/retrieve/v1/jobs/{job['id']}"
        links = [{"rel": "monitor", "href": url}, {"rel": "self", "href": url}]
        if status in ("successful", "failed"):
            links.append({"rel": "results", "href": f"{url}/results"})
        return {"processID": job["collection"], "jobID": job["id"], "status": status, "links": links}

    def _results(self, job: dict[str, Any]) -> None:
        if self._available(job):
            make = make_statistics if job["collection"] == DAYS else make_file
            job["file"] = make(job["inputs"], self.state)
            href = f"{self.root}/asset/{job['id']}/{job['id']}.nc"
            value = {"href": href, "file:size": self._size(job["file"]), "type": "application/netcdf"}
            return self._answer(200, {"asset": {"value": value}})
        if set(job["inputs"]["variable"]) <= set(SHORT):
            text = (
                "None of the data you have requested is available yet, please revise the period requested. "
                f"The latest date available for this dataset is: {self.state.latest} 23:00"
            )
        else:
            text = "MultiAdaptor: the request has not produced a valid combination of values"
        self._answer(400, {"title": "The job failed", "traceback": text})

    def _size(self, content: bytes) -> int:
        """Return the size that the results tell: that of the file which a fault puts in its place, if it does."""
        rule: Mapping[str, Any] = next((r for r in self.faults.rules if r["path"].startswith("/asset")), {})
        return len(_replaced(content, rule if rule.get("times", 1) else {}))

    def _send_asset(self, job: Mapping[str, Any]) -> None:
        content = _replaced(job["file"], self.rule)
        self._log(200)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        drop = self.rule.get("drop")
        if slow := self.rule.get("slow"):
            self.wfile.write(content[:1000])
            self.wfile.flush()
            time.sleep(slow)
            content = content[1000:]
        self.wfile.write(content[:drop])
        self.close_connection = self.close_connection or drop is not None

    def _body(self) -> Any:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return json.loads(text) if text else None

    def _log(self, status: int) -> None:
        entry = {"method": self.command, "path": self.path.partition("?")[0], "status": status}
        if not self.path.startswith("/_"):
            with self.faults.lock:
                self.faults.log.append(entry | ({"inputs": self.inputs} if self.inputs else {}))

    def _answer(self, status: int, body: Any) -> None:
        self._log(status)
        text = json.dumps(body).encode()
        self.send_response(HTTPStatus(status))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


@dataclass(frozen=True)
class StandIn:
    """A running stand-in, as a test sees it."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What points ECMWF's client to it."""
        return {"ECMWF_DATASTORES_URL": self.url, "ECMWF_DATASTORES_KEY": KEY}

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put these rules in force, in place of those before."""
        self._call("PUT", "/_faults", rules)

    def state(self, **given: Any) -> None:
        """Set members of `State`, such as `latest`, `final` and `polls`; what is not given is as at the start."""
        self._call("PUT", "/_state", given)

    def executions(self) -> list[dict[str, Any]]:
        """Return the inputs of the executions so far."""
        return [entry["inputs"] for entry in self.log() if entry["path"].endswith("/execution")]

    def log(self) -> list[dict[str, Any]]:
        """Return the requests so far."""
        entries: list[dict[str, Any]] = self._call("GET", "/_log")
        return entries

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self._call("DELETE", "/_log")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url.removesuffix("/api") + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())


@contextlib.contextmanager
def running() -> Iterator[StandIn]:
    """Run the stand-in in a process of its own."""
    command = [sys.executable, "-m", "tests.standins.cds", "--port", "0"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the stand-in ended before it listened"
            yield StandIn(url)
        finally:
            process.terminate()


def serve(port: int) -> None:
    """Serve on the loopback address until the process ends."""
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, state=State(), faults=Faults()))
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}/api", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    serve(parser.parse_args().port)
