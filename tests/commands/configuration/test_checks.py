import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.checks import (
    PROVIDER,
    Report,
    check,
    installation_problems,
    of_projected_months,
    paused_remarks,
    placeholders,
    without_limits,
)
from eo_pygeoapi.commands.configuration.tenant_checks import tenant_problems, tenant_remarks
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.settings import Settings
from tests.command_line import eo_pygeoapi

SHIPPED = Path(__file__).parents[3] / "pygeoapi-config.yml"
# what a machine lacks or has is no matter of these tests
SETTINGS = Settings().with_blocks({"ECMWF_DATASTORES_KEY": "key"})
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[Edit], Report]:
    """Check the shipped file after an edit."""

    def checked(edit: Edit) -> Report:
        config = yaml.safe_load(SHIPPED.read_text(encoding="utf-8").replace("${EO_DATA_DIR:-.eo-pygeoapi}", "data"))
        edit(config)
        path = tmp_path / "config.yml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return check(path, SETTINGS)

    return checked


def resource(config: dict[str, Any], id_: str = "chirps3-daily") -> dict[str, Any]:
    found: dict[str, Any] = config["resources"][id_]
    return found


def schedule(cron: str) -> dict[str, Any]:
    inputs = {"start": "-P3D", "end": "P0D", "dryRun": True}
    return {"name": "rain", "cron": cron, "timezone": "UTC", "active": False, "inputs": inputs}


def test_the_shipped_file_has_no_mistakes() -> None:
    report = check(SHIPPED, SETTINGS)
    assert report.problems == []
    assert len(report.datasets) == 5


def test_a_channel_without_an_address_is_said_for_nobody_would_be_told(tmp_path: Path) -> None:
    config = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    config["eo"] = {**(config.get("eo") or {}), "notify": {"ops": {}, "data-team": {"events": ["late"]}}}
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(config))
    known = {"ECMWF_DATASTORES_KEY": "key", "EO_NOTIFY_OPS_URL": "json://ops.example.org"}
    report = check(path, Settings().with_blocks(known))
    said = [remark for remark in report.remarks if remark.startswith("channel")]
    assert said == [
        "channel data-team has no address, so nothing can be sent to it: set EO_NOTIFY_DATA_TEAM_URL, "
        "or make the Prefect block notification-channel/data-team"
    ]


def test_what_cannot_be_read_is_one_mistake(tmp_path: Path) -> None:
    report = check(tmp_path / "nowhere.yml", SETTINGS)
    assert report.datasets == {}
    assert report.problems == [
        f"cannot read the configuration file {tmp_path / 'nowhere.yml'}: No such file or directory; "
        "`eo-pygeoapi init` writes one"
    ]


@pytest.mark.parametrize("cron", ["61 * * * *", "* * * * FOO", "daily", ""])
def test_cron_mistakes_are_named(checked: Callable[[Edit], Report], cron: str) -> None:
    report = checked(lambda config: resource(config)["eo"].update(schedules=[schedule("0 6 * * *") | {"cron": cron}]))
    assert report.problems == [
        f"resources.chirps3-daily.eo.schedules[0].cron: {cron!r} is no cron expression; allowed: minute hour day month "
        "weekday, such as '0 6 * * *'"
    ]


@pytest.mark.parametrize("cron", ["0 6 * * *", "*/10 * * * MON-FRI", "0 0 1 1 *", "@daily"])
def test_cron_expressions_of_prefect_are_accepted(checked: Callable[[Edit], Report], cron: str) -> None:
    assert checked(lambda config: resource(config)["eo"].update(schedules=[schedule(cron)])).problems == []


def test_each_dataset_is_published_under_its_own_id(checked: Callable[[Edit], Report]) -> None:
    def other_data(config: dict[str, Any]) -> None:
        resource(config)["providers"][0]["data"] = "chirps"

    def other_provider(config: dict[str, Any]) -> None:
        resource(config)["providers"][0]["name"] = "eo_pygeoapi.provider.ResultProvider"

    assert checked(other_data).problems == [
        "resources.chirps3-daily.providers[0].data: 'chirps' is not allowed; allowed: chirps3-daily"
    ]
    assert checked(other_provider).problems == [
        f"resources.chirps3-daily.providers: is missing {{type: feature, name: {PROVIDER}, data: chirps3-daily, "
        "id_field: id}"
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("eo_pygeoapi.process.AggregateImportProcesser", "has no attribute 'AggregateImportProcesser'"),
        ("nowhere.Processor", "No module named 'nowhere'"),
        ("Nowhere", "Plugin Nowhere not found"),
        ("pathlib.Path", ""),
        (".x", ""),
    ],
)
def test_processors_that_cannot_be_loaded_are_named(checked: Callable[[Edit], Report], name: str, reason: str) -> None:
    report = checked(lambda config: config["resources"].update(x={"type": "process", "processor": {"name": name}}))
    (problem,) = report.problems
    assert problem.startswith(f"resources.x.processor.name: cannot load {name!r}: ") and reason in problem


def test_a_manager_that_runs_no_jobs_is_named(checked: Callable[[Edit], Report]) -> None:
    def none(config: dict[str, Any]) -> None:
        del config["server"]["manager"]

    for edit, said in (
        (
            lambda config: config["server"]["manager"].update(name="eo_pygeoapi.manager.Manager"),
            "'eo_pygeoapi.manager.Manager'",
        ),
        (lambda config: config["server"]["manager"].update(name="TinyDB"), "'TinyDB'"),
        (none, "null"),
    ):
        assert checked(edit).problems == [
            f"server.manager.name: {said} is not allowed; allowed: eo_pygeoapi.manager.PrefectManager"
        ]


@pytest.mark.parametrize("url", ["localhost:5000", "", "ftp://host", "http://[", "http://host:port", "/eo"])
def test_an_address_that_no_link_can_begin_with_is_named(checked: Callable[[Edit], Report], url: str) -> None:
    assert checked(lambda config: config["server"].update(url=url)).problems == [
        f"server.url: {url!r} is not allowed; allowed: http(s)://host/path"
    ]


def test_a_process_of_ours_under_another_id_is_named(checked: Callable[[Edit], Report]) -> None:
    def renamed(config: dict[str, Any]) -> None:
        config["resources"]["eo-agregate-import"] = config["resources"].pop("eo-aggregate-import")

    assert checked(renamed).problems == [
        "resources.eo-agregate-import: 'eo-agregate-import' is not allowed as the id of "
        "eo_pygeoapi.process.AggregateImportProcessor; allowed: eo-aggregate-import"
    ]


def test_processors_of_pygeoapi_are_loaded(checked: Callable[[Edit], Report]) -> None:
    hello = {"type": "process", "processor": {"name": "HelloWorld"}}
    assert checked(lambda config: config["resources"].update(hello=hello)).problems == []


@pytest.mark.parametrize(
    ("units", "problem"),
    [
        ({"from": "K", "to": "mm"}, "units: 'K' cannot be converted to 'mm'"),
        ({"from": "Kelvins of warmth", "to": "degC"}, "units: unknown unit 'Kelvins of warmth' in `from`"),
        ({"from": "K", "to": "degrees"}, "units: 'K' cannot be converted to 'degrees'"),
    ],
)
def test_units_that_do_not_convert_are_named(
    checked: Callable[[Edit], Report], units: dict[str, str], problem: str
) -> None:
    report = checked(lambda config: resource(config)["eo"].update(units=units))
    (found,) = report.problems
    assert found.startswith(f"resources.chirps3-daily.eo.{problem}")


def test_pygeoapi_s_own_schema_is_checked_too(checked: Callable[[Edit], Report]) -> None:
    def edit(config: dict[str, Any]) -> None:
        del config["server"]["manager"]["connection"]
        config["logging"]["level"] = "LOUD"
        resource(config)["keywords"] = "rain"

    report = checked(edit)
    assert [problem.split(": ")[0] for problem in report.problems] == [
        "logging.level",
        "resources.chirps3-daily.keywords",
        "server.manager",
    ]
    assert "'LOUD' is not one of" in report.problems[0] and "'connection' is a required" in report.problems[2]


def test_ten_mistakes_are_named_at_once(checked: Callable[[Edit], Report]) -> None:
    def edit(config: dict[str, Any]) -> None:
        del config["metadata"]["license"]
        config["eo"]["defaults"]["timeZone"] = "Freetown"
        config["eo"]["defaults"]["units"] = {}
        config["resources"]["eo-aggregate-import"]["processor"]["name"] = "eo_pygeoapi.process.Nothing"
        sample = config["resources"]["sample-temperature"]
        sample["eo"] |= {"timeZone": "UTC", "units": {"from": "K", "to": "mm"}}
        sample["providers"][0]["data"] = "sample"
        rain = config["resources"]["chirps3-daily"]["eo"]
        rain |= {"periodTyp": "daily", "options": {"stage": "finl"}}
        heat = config["resources"]["era5-land-temperature-daily"]["eo"]
        heat["timeZone"] = "UTC"
        heat["schedules"][0] |= {"cron": "99 6 * * *", "inputs": {"start": "-P14D"}}
        config["resources"]["worldpop-yearly"]["eo"] |= {"options": {"country": False}, "timeZone": "UTC"}

    report = checked(edit)
    assert sorted(problem.split(": ")[0] for problem in report.problems) == sorted(
        [
            "metadata",
            "eo.defaults.timeZone",
            "eo.defaults.units",
            "resources.eo-aggregate-import.processor.name",
            "resources.sample-temperature.eo.units",
            "resources.sample-temperature.providers[0].data",
            "resources.chirps3-daily.eo.periodTyp",
            "resources.chirps3-daily.eo.options.stage",
            "resources.era5-land-temperature-daily.eo.schedules[0].cron",
            "resources.era5-land-temperature-daily.eo.schedules[0].inputs.end",
            "resources.worldpop-yearly.eo.options.country",
        ]
    )
    assert list(report.datasets) == ["sample-temperature"]


@pytest.mark.parametrize("resources", [None, [], "x", {"a": None, "b": 5, 2025: {"type": "collection", "eo": {}}}])
def test_a_file_of_another_shape_is_no_reason_to_fail(checked: Callable[[Edit], Report], resources: Any) -> None:
    assert checked(lambda config: config.update(resources=resources)).problems


def test_schedules_that_cannot_run_are_remarked_upon(checked: Callable[[Edit], Report]) -> None:
    nowhere = {"connection": "nowhere"}
    active = schedule("0 6 * * *") | {"active": True}
    report = checked(lambda config: resource(config)["eo"].update(dhis2=nowhere, schedules=[active]))
    assert report.problems == []
    assert any(
        remark.startswith(
            "schedule chirps3-daily/rain is paused: there is no DHIS2 connection 'nowhere' (set EO_DHIS2_NOWHERE_URL"
        )
        for remark in report.remarks
    )


def test_schedules_that_are_paused_for_the_same_reason_are_one_remark() -> None:
    assert list(paused_remarks([("a/x", "no key"), ("b/y", "no key"), ("c/z", "no connection")])) == [
        "schedules a/x, b/y are paused: no key",
        "schedule c/z is paused: no connection",
    ]


# The installation


def test_what_is_installed_works_with_prefect() -> None:
    assert installation_problems() == []


def test_versions_that_break_prefect_are_named() -> None:
    bad = [("pytest", "1.0", "it breaks"), ("pytest", "999.0", "it breaks")]
    assert installation_problems(bad) == [
        f"pytest {version('pytest')} is installed: it breaks; install pytest<1.0",
    ]


# The environment


@pytest.mark.parametrize("command", ["check", "status", "datasets", "history", "worker", "watch"])
def test_a_variable_that_cannot_be_read_is_one_line_of_every_command(tmp_path: Path, command: str) -> None:
    ended = eo_pygeoapi(command, environment={"EO_CONCURRENCY": "many"}, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "error: EO_CONCURRENCY: 'many' is not allowed; allowed: a whole number\n"


def test_a_folder_that_nobody_can_write_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    # in a process of its own: `up` leaves signals and variables as it set them
    command = [sys.executable, "-m", "eo_pygeoapi", "up", "--data-dir", str(tmp_path / "file" / "data")]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert f"error: {tmp_path}/file/data/logs: Not a directory" in ended.stderr.replace("\n", "")


def test_what_the_environment_gets_wrong_is_said(tmp_path: Path) -> None:
    environment = {"EO_TRUSTED_PROXIES": "proxy", "EO_CONCURENCY": "3", "EO_DATA_DIR": str(tmp_path)}
    ended = eo_pygeoapi("check", "--config", str(SHIPPED), environment=environment, cwd=tmp_path)
    assert ended.returncode == 1 and "error: EO_TRUSTED_PROXIES: 'proxy' does not appear to be" in ended.stderr
    assert "note: EO_CONCURENCY is set, and nothing reads it; did you mean EO_CONCURRENCY?" in ended.stdout


# Tenants


def test_a_separation_that_does_not_hold_is_said(tmp_path: Path) -> None:
    tenants, tokens = {"north": Tenant()}, TokenFile(tmp_path / "tokens.json")
    tokens.create("ours", ["read"], tenant="north")
    tokens.create("theirs", ["read"], tenant="south")
    closed = Settings().model_copy(update={"api_tokens_file": tokens.path})
    open_ = Settings().model_copy(update={"insecure": True})

    assert list(tenant_problems(tenants, open_)) == [
        "eo.tenants: EO_INSECURE=true without EO_API_TOKENS_FILE shows everybody the things of all tenants"
    ]
    assert [*tenant_problems(tenants, closed), *tenant_problems({}, open_), *tenant_remarks({}, open_)] == []
    assert list(tenant_remarks(tenants, Settings())) == [
        "eo.tenants: without EO_API_TOKENS_FILE whoever works at this machine sees the things of all tenants"
    ]
    assert list(tenant_remarks(tenants, closed)) == [
        "token theirs is of the tenant 'south', which eo.tenants does not declare; it sees nothing"
    ]


def test_an_import_of_values_that_nothing_limits_is_said() -> None:
    def dataset(id_: str, **eo: Any) -> Dataset:
        block = {"source": "file", "options": {"href": "a.nc"}, "dhis2": {"dataElement": "A"}}
        return Dataset.model_validate({"id": id_} | block | eo)

    rain = {"source": "chirps3", "options": {}}
    right = [dataset("b", plausible=[0, None]), dataset("c", dhis2={}), dataset("d", **rain)]
    assert list(without_limits({each.id: each for each in right})) == []
    assert list(without_limits({each.id: each for each in [dataset("a"), *right]})) == [
        "a: nothing but a standard name in the data says what the values can be; give plausible: [low, high], such as "
        "[0, null] for rain, so that what cannot be is never imported"
    ]


def test_nepali_months_of_years_that_tables_only_project_are_said() -> None:
    def dataset(id_: str, period_type: str) -> Dataset:
        return Dataset.model_validate({"id": id_, "source": "chirps3", "options": {}, "periodType": period_type})

    found = {each.id: each for each in (dataset("a", "monthlyNepali"), dataset("b", "monthly"))}
    assert list(of_projected_months(found, date(2030, 12, 31))) == []
    assert list(of_projected_months({"b": found["b"]}, date(2031, 1, 1))) == []
    assert list(of_projected_months(found, date(2031, 1, 1))) == [
        "a: after 2030 the lengths of Nepali months are projections, in which DHIS2 may differ from this service; "
        "compare the first days of months with DHIS2 before you import"
    ]


def test_the_block_of_fine_dust_is_refused_until_its_address_is_filled_in(tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace("${EO_DATA_DIR:-.eo-pygeoapi}", "data")
    start = text.index("  # cams-pm25-daily:")
    path = tmp_path / "config.yml"
    path.write_text(text[:start] + re.sub(r"^  # ", "  ", text[start:], flags=re.MULTILINE))
    (said,) = check(path, SETTINGS).problems
    assert said.startswith("resources.cams-pm25-daily.eo.options.href: https://example.org/cams/{YYYY}/{MM}/")
    assert "is a placeholder, at which there is nothing; fill in the address at which you keep the files" in said
    path.write_text(path.read_text().replace("https://example.org/cams", "/srv/cams"))
    assert check(path, SETTINGS).problems == []


@pytest.mark.parametrize(
    ("href", "is_one"),
    [
        ("https://example.org/a.tif", True),
        ("http://data.example.com:8080/a.tif", True),
        ("https://EXAMPLE.net", True),
        ("https://my-example.org/a.tif", False),
        ("https://example.organisation.int/a.tif", False),
        ("https://data.int/example.org/a.tif", False),
    ],
)
def test_hosts_of_examples_are_placeholders(href: str, is_one: bool) -> None:
    dataset = Dataset.model_validate({"id": "dust", "source": "cog", "options": {"href": href}})
    assert bool(list(placeholders({"dust": dataset}))) == is_one
