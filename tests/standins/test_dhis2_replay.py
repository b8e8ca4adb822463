"""The stand-in answers every request as the servers did that were recorded: all cases, in their order."""

import base64
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import pytest

from tests.standins import recorded
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import empty_metadata

VERSIONS = {"2.42": "2.42.7-SNAPSHOT", "2.43": "2.43.2-SNAPSHOT"}
RECORDED_ON = date(2026, 11, 28)
ADDRESS, AGENT, PASSWORD = "http://dhis2.test", "Python-urllib/3.11", "Rec-Test-2026!"
IMPORT = {"importStrategy": "CREATE_AND_UPDATE", "atomicMode": "ALL"}
RACE = "26-race-of-new-periods"
# what differs from run to run: instants as the recording replaced them, time spans, and numbers of jobs
VARYING = [
    (re.compile(r"\b(?!1970|2024|2099)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d{4}|Z)?"), "<instant>"),
    (re.compile(r"^\d+ [hms](, \d+ [ms])*$"), "<interval>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b"), "<duration>"),
    (re.compile(r"\(\d{13}\)"), "(<millis>)"),
    (re.compile(r"^d2p\w+_?\w{30,}$"), "<token>"),
]
UID = re.compile(r"\b[A-Za-z][A-Za-z0-9]{10}\b")
# sets, which DHIS2 lists in any order
UNORDERED = [
    *("dataValues", "conflicts", "dataSetElements", "categoryOptionCombos", "organisationUnits", "dataSets"),
    *("dataInputPeriods", "skipTableTypes", "rows", "typeReports"),
]
GENERATED = ("id", "uid", "codes")  # members whose values DHIS2 chooses, unless we did


@dataclass
class Replay:
    """A stand-in on which the requests of the recording are repeated.

    `known`: the ids that were chosen when recording; any other was generated, here and there, and is held to stand
    for the same thing wherever it comes again.
    """

    dhis2: StandIn
    version: str
    known: set[str]
    ours: dict[str, str] = field(default_factory=dict)
    token: str = ""
    answers: dict[str, list[tuple[recorded.Step, Any]]] = field(default_factory=dict)

    def send(self, step: recorded.Step) -> tuple[int, str, str, Any]:
        """Send a request, and return status, media type, location and body."""
        step = replace(step, params=self._with_ours(step.params), body=self._with_ours(step.body))
        query = urllib.parse.urlencode(step.params, doseq=True)
        url = f"{self.dhis2.url}{self._with_ours(step.path)}{'?' + query if query else ''}"
        text = step.text if step.text is not None or step.body is None else json.dumps(step.body)
        headers = {"Accept": "application/json", "User-Agent": AGENT, **self._login(step.user)}
        headers |= {"Content-Type": step.sent_type} if text is not None else {}
        data = None if text is None else text.encode()
        request = urllib.request.Request(url, data, headers, method=step.method)
        try:
            with OPENER.open(request, timeout=60) as response:
                return self._read(response.status, response)
        except urllib.error.HTTPError as error:
            return self._read(error.code, error)

    def _read(self, status: int, response: Any) -> tuple[int, str, str, Any]:
        raw = response.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = {"__text": raw.decode(), "__length": len(raw)}
        if isinstance(body, dict) and "key" in (body.get("response") or {}):
            self.token = body["response"]["key"]
        return status, response.headers.get("Content-Type", ""), response.headers.get("Location", ""), body

    def _login(self, user: str | None) -> dict[str, str]:
        if user is None:
            return {}
        if user in ("token", "badtoken"):
            return {"Authorization": f"ApiToken {self.token if user == 'token' else f'd2pat_{0:043}'}"}
        name = {"admin": "admin", "wrong": "rec_importer"}.get(user, f"rec_{user}")
        password = {"admin": "district", "wrong": "wrong"}.get(user, PASSWORD)
        return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}

    def _with_ours(self, found: Any) -> Any:
        """Return a request with the ids that were generated here."""
        dumped = json.dumps(found)
        return json.loads(UID.sub(lambda match: self.ours.get(match[0], match[0]), dumped))

    def learn(self, theirs: Any, ours: Any, name: str = "") -> None:
        """Note which generated id stands for which."""
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for key in theirs.keys() & ours.keys():
                self.learn(theirs[key], ours[key], key)
        elif isinstance(theirs, list) and isinstance(ours, list):
            for one, other in zip(by_name(theirs), by_name(ours), strict=False):
                self.learn(one, other, name)
        elif name in GENERATED and theirs not in self.known and ours not in self.known:
            self.ours.setdefault(theirs, ours)

    def plain(self, found: Any, theirs: bool) -> Any:
        """Return a body without what differs from run to run."""
        dumped = json.dumps(found).replace(self.dhis2.url, ADDRESS)
        if theirs:
            dumped = UID.sub(lambda match: self.ours.get(match[0], match[0]), dumped)
        return normal(json.loads(dumped))


def by_name(found: list[Any]) -> list[Any]:
    return sorted(found, key=lambda entry: str(entry.get("name", "")) if isinstance(entry, dict) else "")


def normal(found: Any, name: str = "", top: bool = True) -> Any:
    """Return values without what varies, and sets in one order."""
    if isinstance(found, dict):
        return {key: normal(value, key, top and name == "") for key, value in found.items()}
    if isinstance(found, list):
        entries = [normal(entry, name, False) for entry in found]
        listed = top and name.endswith("s") and name not in ("dataValues", "dataSets", "rows")  # metadata, by name
        return sorted(entries, key=partial(json.dumps, sort_keys=True)) if name in UNORDERED and not listed else entries
    if isinstance(found, str):
        for pattern, put in VARYING:
            found = pattern.sub(put, found)
    return found


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def set_up(replay: Replay) -> None:
    """Make what was made before the cases, as it was made."""
    for entry in recorded.metadata():
        where = "/api/users" if entry["what"] == "user" else "/api/metadata"
        body = {**entry["body"], "password": PASSWORD} if entry["what"] == "user" else entry["body"]
        made = replay.send(recorded.Step("POST", where, "admin", 0, {} if "username" in body else IMPORT, body))
        assert made[0] in (200, 201), made
        if entry["what"] == "units":
            root = [{"id": entry["body"]["organisationUnits"][0]["id"]}]
            names = ("organisationUnits", "dataViewOrganisationUnits")
            patch = [{"op": "add", "path": f"/{name}", "value": root} for name in names]
            admin = recorded.Step("PATCH", "/api/users/M5zQapPyTZI", "admin", 0, body=patch)
            assert replay.send(replace(admin, sent_type="application/json-patch+json"))[0] == 200
        if entry["what"] == "categories":
            combos = {"categoryOptionComboUpdate": "true"}
            assert replay.send(recorded.Step("POST", "/api/maintenance", "admin", 0, combos))[0] in (200, 204)


@pytest.fixture(scope="module", params=VERSIONS)
def replay(request: pytest.FixtureRequest) -> Iterator[Replay]:
    """Replay all cases of a version against an empty stand-in."""
    version = request.param
    known = {*UID.findall(json.dumps([recorded.metadata(), empty_metadata()])), "HllvX50cXC0", "X8RLkMetM0H"}
    with running(VERSIONS[version], empty_metadata(), RECORDED_ON) as dhis2:
        made = Replay(dhis2, version, known)
        set_up(made)
        for case in recorded.cases(version):
            if case.name == RACE and version == "2.42":  # the requests to 2.43 did not collide when they were recorded
                dhis2.collide()
            steps = made.answers.setdefault(case.name, [])
            for step in case.steps:
                answer = made.send(step)
                made.learn(step.answer, answer[-1])
                steps.append((step, answer))
        yield made


NAMES = [case.name for case in recorded.cases("2.42")]


@pytest.mark.parametrize("name", [name for name in NAMES if name != RACE])
def test_all_cases_are_answered_as_recorded(replay: Replay, name: str) -> None:
    for number, (step, (status, type_, location, body)) in enumerate(replay.answers[name]):
        asked = f"{name}, step {number}: {step.method} {step.path} {step.params}"
        assert (status, type_) == (step.status, step.type), (asked, body)
        assert replay.plain(location, theirs=False) == replay.plain(step.location, theirs=True), asked
        theirs, ours = replay.plain(step.answer, theirs=True), replay.plain(body, theirs=False)
        assert cut_alike(theirs, ours) == theirs, asked


def test_new_periods_collide_as_recorded(replay: Replay) -> None:
    """Which request fails differs from run to run; what it says does not."""
    steps = replay.answers[RACE]
    if replay.version == "2.43":
        for step, (status, _, _, body) in steps:
            assert (status, normal(body)) == (step.status, normal(step.answer))
        return
    reads = [(step, answer) for step, answer in steps if step.method == "GET"]
    texts = {step.answer["message"] for step, _ in reads if step.status == 409}
    assert [answer[0] for _, answer in reads] == [409, 200, 200, 200, 200, 200]
    assert {answer[-1]["message"] for _, answer in reads if answer[0] == 409} == texts
    for dry in ("true", "false"):
        imports = [(step, answer) for step, answer in steps if step.params.get("dryRun") == dry]
        theirs = {c["object"]: c for step, _ in imports for c in step.answer["response"]["conflicts"]}
        (step, (status, type_, _, body)), *others = imports
        summary = body["response"]
        assert (status, type_, body["status"]) == (step.status, step.type, step.answer["status"])
        assert summary["importCount"] == {"imported": 37, "updated": 0, "ignored": 19, "deleted": 0}
        assert all(theirs.get(conflict["object"], conflict) == conflict for conflict in summary["conflicts"])
        assert {conflict["errorCode"] for conflict in summary["conflicts"]} == {"E7611"}
        assert {answer[-1]["response"]["status"] for _, answer in others} == {"SUCCESS"}
        again = replay.send(step)[-1]["response"]["importCount"]
        assert (again["imported"], again["ignored"]) == ((56, 0) if dry == "true" else (19, 37))


def cut_alike(theirs: Any, ours: Any) -> Any:
    """Return our answer cut as the recording cut long lists: two of the rows, and how many there are."""
    rows = theirs.get("dataValues", []) if isinstance(theirs, dict) else []
    cut = next((row for row in rows if isinstance(row, str)), None)
    if not cut or not isinstance(ours, dict):
        return ours
    kept = [
        row
        for row in rows
        if row in ours["dataValues"] or (row == cut and f"… {len(ours['dataValues'])} in all" == cut)
    ]
    return {**ours, "dataValues": kept}
