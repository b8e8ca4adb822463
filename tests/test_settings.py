import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Dhis2Connection, Settings, dhis2_connection, variables_for_jobs

NATIONAL = {
    "EO_DHIS2_NATIONAL_URL": "https://national.example.org",
    "EO_DHIS2_NATIONAL_TOKEN": "d2pat_national",
    "EO_DHIS2_NATIONAL_USERNAME": "clerk",
    "EO_DHIS2_NATIONAL_PASSWORD": "national-password",
    "EO_DHIS2_NATIONAL_CA_FILE": "/etc/ca.pem",
}
DEFAULT = {"DHIS2_BASE_URL": "https://dhis2.example.org", "DHIS2_USERNAME": "admin", "DHIS2_PASSWORD": "district"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("EO_", "DHIS2_", "PREFECT_", "PYGEOAPI_", "ECMWF_", "AWS_")):
            monkeypatch.delenv(name)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


# DHIS2 connections


def test_a_connection_is_found_by_its_name() -> None:
    assert dhis2_connection("national", NATIONAL) == Dhis2Connection(
        url="https://national.example.org",
        token=SecretStr("d2pat_national"),
        username="clerk",
        password=SecretStr("national-password"),
        ca_file=Path("/etc/ca.pem"),
    )


@pytest.mark.parametrize("name", ["west-africa", "West.Africa", "west_africa", "WEST AFRICA"])
def test_what_is_no_letter_or_digit_is_an_underscore(name: str) -> None:
    found = dhis2_connection(name, {"EO_DHIS2_WEST_AFRICA_URL": "https://x.org"})
    assert found == Dhis2Connection(url="https://x.org")


def test_the_default_connection_has_two_names() -> None:
    found = dhis2_connection("default", DEFAULT)
    assert found == Dhis2Connection(url="https://dhis2.example.org", username="admin", password=SecretStr("district"))
    own = {"EO_DHIS2_DEFAULT_URL": "https://own.example.org", "EO_DHIS2_DEFAULT_TOKEN": "t"}
    assert dhis2_connection("default", DEFAULT | own) == Dhis2Connection(
        url="https://own.example.org", token=SecretStr("t")
    )


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("national", {}),
        ("national", DEFAULT),
        ("national", {"EO_DHIS2_NATIONAL_TOKEN": "x"}),
        ("national", {"EO_DHIS2_NATIONAL_URL": ""}),
        ("default", {}),
        ("default", {"DHIS2_BASE_URL": "", "DHIS2_USERNAME": "admin"}),
        ("", DEFAULT | NATIONAL),
        ("nation", NATIONAL),
    ],
)
def test_without_an_address_there_is_no_connection(name: str, environment: dict[str, str]) -> None:
    assert dhis2_connection(name, environment) is None


def test_empty_variables_are_not_set() -> None:
    found = dhis2_connection("default", {**DEFAULT, "DHIS2_USERNAME": "", "DHIS2_PASSWORD": ""})
    assert found == Dhis2Connection(url="https://dhis2.example.org")
    assert found.username is None and found.password is None


def test_settings_find_connections_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert settings.dhis2_connection() is None and settings.dhis2_connection("national") is None
    set_all(monkeypatch, NATIONAL | DEFAULT)
    default, national = settings.dhis2_connection(), settings.dhis2_connection("national")
    assert default and default.url == "https://dhis2.example.org"
    assert national and national.url == "https://national.example.org"


def test_what_jobs_elsewhere_have_is_known_by_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = variables_for_jobs(
        NATIONAL | DEFAULT | {"ECMWF_DATASTORES_KEY": "k", "EO_DESTINE_KEY": "", "HOME": "/root"}
    )
    assert set(names) == set(NATIONAL | DEFAULT) | {"ECMWF_DATASTORES_KEY"}
    here = Settings()
    there = here.where_set(names)
    for name in ("national", "default"):
        assert there.has_dhis2_connection(name) and not here.has_dhis2_connection(name)
    assert there.has("ECMWF_DATASTORES_KEY") and not there.has("EO_DESTINE_KEY")
    assert there.with_blocks({"EO_DESTINE_KEY": "of a block"}).has("EO_DESTINE_KEY")
    set_all(monkeypatch, {"EO_DESTINE_KEY": "of whoever asks"})
    assert not there.has("EO_DESTINE_KEY") and there.where_set(None).has("EO_DESTINE_KEY")


# Everything else


def test_without_variables_everything_lies_in_the_data_folder() -> None:
    settings = Settings()
    assert settings.config == Path("pygeoapi-config.yml")
    assert settings.results == str(Path.cwd() / ".eo-pygeoapi" / "results")
    assert settings.cache == str(Path.cwd() / ".eo-pygeoapi" / "cache")
    assert (settings.openapi, settings.prefect_api_url) == (None, None)


def test_variables_are_read_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(
        monkeypatch,
        {
            "PYGEOAPI_CONFIG": "/etc/c.yml",
            "PYGEOAPI_OPENAPI": "/etc/o.yml",
            "PREFECT_API_URL": "http://127.0.0.1:4200/api",
            "ECMWF_DATASTORES_KEY": "cds-key",
            "EO_DATA_DIR": "/srv/eo",
            "EO_CACHE_URL": "/scratch",
        },
    )
    settings = Settings()
    assert (settings.config, settings.openapi) == (Path("/etc/c.yml"), Path("/etc/o.yml"))
    assert settings.prefect_api_url == "http://127.0.0.1:4200/api"
    assert settings.has("ECMWF_DATASTORES_KEY") and not settings.has("EO_DESTINE_KEY")
    assert (settings.results, settings.cache) == ("/srv/eo/results", "/scratch")
    monkeypatch.setenv("EO_RESULTS_URL", "s3://bucket/results")
    assert Settings().results == "s3://bucket/results"


def test_variables_of_others_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Settings()
    names = ("DATA_DIR", "data_dir", "CONFIG", "OPENAPI", "RESULTS_URL", "CACHE_URL")
    set_all(monkeypatch, dict.fromkeys(names, "/of/others"))
    assert Settings() == expected


def test_variables_that_are_set_to_nothing_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Settings()
    names = ("PYGEOAPI_CONFIG", "PYGEOAPI_OPENAPI", "PREFECT_API_URL", "EO_DATA_DIR", "EO_RESULTS_URL")
    set_all(monkeypatch, dict.fromkeys(names, ""))
    assert Settings() == expected


def test_arguments_go_before_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EO_DATA_DIR", "/srv/eo")
    assert Settings(data_dir=Path("/srv/x")).results == "/srv/x/results"


# Secrets

SECRETS = {
    "ECMWF_DATASTORES_KEY": "secret-cds",
    "EO_DHIS2_NATIONAL_TOKEN": "secret-token",
    "EO_DHIS2_NATIONAL_PASSWORD": "secret-national",
    "EO_DHIS2_WEST_AFRICA_PASSWORD": "secret-west",
    "DHIS2_PASSWORD": "secret-default",
    "PREFECT_API_KEY": "secret-prefect",
    "PREFECT_API_AUTH_STRING": "admin:secret-auth",
    "AWS_SECRET_ACCESS_KEY": "secret-aws",
    "AWS_SESSION_TOKEN": "secret-session",
}
NO_SECRETS = {
    "EO_DHIS2_NATIONAL_URL": "https://national.example.org",
    "EO_DHIS2_NATIONAL_USERNAME": "clerk",
    "EO_DHIS2_OTHER_TOKEN": "",
    "EO_API_TOKENS_FILE": "/etc/tokens",
    "ECMWF_DATASTORES_URL": "https://cds.example.org",
    "PREFECT_API_URL": "http://127.0.0.1:4200/api",
    "DHIS2_USERNAME": "admin",
    "AWS_ACCESS_KEY_ID": "AKIA",
}


def test_secrets_are_exactly_the_values_that_must_not_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().secrets() == []
    set_all(monkeypatch, SECRETS | NO_SECRETS)
    assert sorted(Settings().secrets()) == sorted(SECRETS.values())


def test_nothing_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, SECRETS | NO_SECRETS)
    settings = Settings()
    connection = settings.dhis2_connection("national")
    for shown in (repr(settings), str(settings), repr(connection), str(connection), str(settings.model_dump())):
        assert "secret-" not in shown
    assert "national.example.org" in repr(connection)


@pytest.mark.parametrize(("url", "folder"), [("/srv/cache", "/srv/cache"), ("file:///srv/cache", "/srv/cache")])
def test_the_cache_is_a_folder(monkeypatch: pytest.MonkeyPatch, url: str, folder: str) -> None:
    monkeypatch.setenv("EO_CACHE_URL", url)
    assert Settings().cache_folder() == Path(folder)


def test_a_cache_in_which_files_cannot_be_opened_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EO_CACHE_URL", "http://host/cache")
    with pytest.raises(ConfigError, match="EO_CACHE_URL: http addresses are not allowed; allowed: a folder, such as"):
        Settings().cache_folder()


def test_a_cache_on_s3_has_its_copies_in_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EO_CACHE_URL", "s3://bucket/cache")
    settings = Settings().placed(data_dir=tmp_path)
    assert (settings.cache_folder(), settings.shared_cache) == (tmp_path / "cache", "s3://bucket/cache")
    monkeypatch.setenv("EO_CACHE_URL", "/srv/cache")
    assert Settings().shared_cache == ""


def test_every_value_that_is_not_allowed_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "EO_CONCURRENCY": "abc",
        "EO_RESUME": "11",
        "EO_LOST_AFTER_SECONDS": "1",
        "EO_WATCH_SECONDS": "0",
        "EO_STOP_GRACE_SECONDS": "long",
        "EO_INSECURE": "yess",
    }
    set_all(monkeypatch, wrong)
    with pytest.raises(ConfigError) as caught:
        Settings()
    assert sorted(caught.value.problems) == [
        "EO_CONCURRENCY: 'abc' is not allowed; allowed: a whole number",
        "EO_INSECURE: 'yess' is not allowed; allowed: true or false",
        "EO_LOST_AFTER_SECONDS: '1' is not allowed; allowed: 90 or more",
        "EO_RESUME: '11' is not allowed; allowed: 10 or less",
        "EO_STOP_GRACE_SECONDS: 'long' is not allowed; allowed: a number",
        "EO_WATCH_SECONDS: '0' is not allowed; allowed: more than 0",
    ]
