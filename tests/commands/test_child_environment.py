"""What the processes of `eo-pygeoapi up` have in their environment."""

import os
import subprocess
import sys
from pathlib import Path
from zoneinfo import available_timezones

import pytest

from eo_pygeoapi.commands.up.stack import child_environment

API = "http://127.0.0.1:4200/api"


def test_time_zones_are_those_of_the_package_and_none_is_missing(tmp_path: Path) -> None:
    code = "import zoneinfo as z; z.ZoneInfo('Africa/Freetown'); print(*z.TZPATH, *z.available_timezones())"
    environment = child_environment(os.environ, tmp_path, API)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert not any(name.startswith("/usr/") for name in found)
    assert found >= available_timezones() - {"localtime", "posixrules"}


def test_where_the_stack_lies_is_not_to_be_changed_and_what_it_waits_for_is(tmp_path: Path) -> None:
    given = {"PREFECT_API_URL": "https://elsewhere.example.org/api", "EO_STOP_GRACE_SECONDS": "600"}
    made = child_environment(given, tmp_path, API)
    assert (made["PREFECT_API_URL"], made["EO_DATA_DIR"]) == (API, str(tmp_path))
    assert made["EO_STOP_GRACE_SECONDS"] == "600"
    assert child_environment({}, tmp_path, API)["EO_STOP_GRACE_SECONDS"] == "10"


def test_paths_are_meant_from_where_up_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("EO_RESULTS_URL", "EO_CACHE_URL", "EO_API_TOKENS_FILE", "EO_DHIS2_NATIONAL_CA_FILE")
    made = child_environment(dict.fromkeys(names, "here/it"), tmp_path / "data", API)
    assert {made[name] for name in names} == {str(tmp_path / "here" / "it")}
    made = child_environment(dict.fromkeys(names, "s3://bucket/here"), tmp_path / "data", API)
    assert {made[name] for name in names} == {"s3://bucket/here"}
