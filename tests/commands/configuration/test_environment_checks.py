import pytest

from eo_pygeoapi.commands.configuration.environment_checks import unread_variables, wrong_values
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.settings import Settings
from tests.pipeline.made import dataset


@pytest.fixture
def datasets() -> dict[str, Dataset]:
    return {"rain": dataset(dhis2={"connection": "national", "dataElement": "RAIN"})}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("EO_CONCURENCY", "EO_CONCURENCY is set, and nothing reads it; did you mean EO_CONCURRENCY?"),
        ("EO_RESULT_URL", "EO_RESULT_URL is set, and nothing reads it; did you mean EO_RESULTS_URL?"),
        ("EO_DESTIN_KEY", "EO_DESTIN_KEY is set, and nothing reads it; did you mean EO_DESTINE_KEY?"),
        (
            "EO_DHIS2_NATIONAL_TOCKEN",
            "EO_DHIS2_NATIONAL_TOCKEN is set, and nothing reads it; did you mean EO_DHIS2_NATIONAL_TOKEN?",
        ),
        (
            "EO_DHIS2_NATONAL_URL",
            "EO_DHIS2_NATONAL_URL is set, and nothing reads it; did you mean EO_DHIS2_NATIONAL_URL?",
        ),
        ("EO_DHIS2_OTHER_URL", "EO_DHIS2_OTHER_URL: no dataset names a DHIS2 connection 'other'"),
    ],
)
def test_a_variable_that_nothing_reads_is_said(datasets: dict[str, Dataset], name: str, said: str) -> None:
    assert list(unread_variables([name], datasets)) == [said]


def test_variables_that_are_read_and_those_of_others_are_not_mentioned(datasets: dict[str, Dataset]) -> None:
    names = [
        *("EO_CONCURRENCY", "EO_DATA_DIR", "EO_COG_TOKEN", "EO_NOTIFY_MAIL_URL", "EO_MY_OWN_KEY", "CONCURENCY", "PATH"),
        *("EO_DHIS2_NATIONAL_URL", "EO_DHIS2_NATIONAL_CA_FILE", "EO_DHIS2_NATIONAL_ADMIN_PASSWORD"),
    ]
    assert list(unread_variables(names, datasets)) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EO_TRUSTED_PROXIES", "proxy", "EO_TRUSTED_PROXIES: 'proxy' does not appear to be an IPv4 or IPv6 network"),
        ("EO_CACHE_URL", "gs://bucket", "EO_CACHE_URL: gs addresses are not allowed"),
        ("EO_CACHE_URL", "s3://", "EO_CACHE_URL s3://: it is not a whole address; allowed: a folder, such as"),
        (
            "EO_RESULTS_URL",
            "gopher://host/a",
            "EO_RESULTS_URL gopher://host/a: gopher addresses are not known",
        ),
        ("EO_RESULTS_URL", "https://a.org/b", "EO_RESULTS_URL https://a.org/b: https addresses are not allowed"),
        ("EO_RESULTS_URL", "memory://b", "EO_RESULTS_URL memory://b: memory addresses are not allowed; allowed"),
        ("EO_RESULTS_URL", "s3:/bucket/a", "EO_RESULTS_URL s3:/bucket/a: it is not a whole address; allowed"),
        ("EO_RESULTS_URL", "oci://bucket/a", "EO_RESULTS_URL oci://bucket/a: oci addresses need a package that is not"),
        (
            "EO_DHIS2_NATIONAL_URL",
            "dhis2.example.org",
            "DHIS2 connection 'national': 'dhis2.example.org' is no address",
        ),
        ("EO_DHIS2_NATIONAL_URL", "http://[", "DHIS2 connection 'national': 'http://[' is no address of a DHIS2"),
        (
            "EO_DHIS2_NATIONAL_URL",
            "https://host:port",
            "DHIS2 connection 'national': 'https://host:port' is no address",
        ),
        (
            "EO_DHIS2_NATIONAL_URL",
            "https://me:secret-1@host",
            "DHIS2 connection 'national': the address of the DHIS2 at",
        ),
    ],
)
def test_a_value_that_is_no_good_is_said(
    monkeypatch: pytest.MonkeyPatch, datasets: dict[str, Dataset], name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = wrong_values(Settings(), datasets)
    assert problem.startswith(said) and "secret-1" not in problem


def test_values_that_are_good_are_not_mentioned(monkeypatch: pytest.MonkeyPatch, datasets: dict[str, Dataset]) -> None:
    monkeypatch.setenv("EO_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")
    for folder in ("results", "/srv/results", "file:///srv/results", "s3://bucket/results"):
        monkeypatch.setenv("EO_RESULTS_URL", folder)
        assert list(wrong_values(Settings(), datasets)) == []
    monkeypatch.setenv("EO_DHIS2_NATIONAL_URL", "https://dhis2.example.org:8443/dev/")
    assert list(wrong_values(Settings(), datasets)) == []
