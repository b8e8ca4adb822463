from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec import get_filesystem_class

from eo_pygeoapi.commands.configuration.online import unanswered
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from tests.servers import free_port
from tests.standins import chc, dhis2, failing_s3, s3


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    with chc.running(tmp_path_factory.mktemp("chc")) as server:
        yield server


def rain(base_url: str) -> dict[str, Dataset]:
    eo: dict[str, Any] = {
        "source": "chirps3",
        "options": {"baseUrl": base_url},
        "orgUnits": {"source": "dhis2", "level": 2},
        "dhis2": {"connection": "far"},
    }
    return read_datasets({"resources": {"rain": {"type": "collection", "eo": eo}}}, Path())


def test_what_answers_is_no_problem_and_what_does_not_is_named(
    dhis2_server: dhis2.StandIn, provider: chc.StandIn
) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    known = {"EO_DHIS2_FAR_URL": dhis2_server.url, "EO_DHIS2_FAR_USERNAME": dhis2_server.username}
    right = Settings().with_blocks({**known, "EO_DHIS2_FAR_PASSWORD": dhis2_server.password})
    assert list(unanswered(rain(provider.url), right)) == []
    wrong = Settings().with_blocks({**known, "EO_DHIS2_FAR_PASSWORD": "not-this-one"})
    (refused,) = unanswered(rain(provider.url), wrong)
    assert refused.startswith("DHIS2 connection 'far': ") and "401" in refused and "not-this-one" not in refused
    away = Settings().with_blocks({**known, "EO_DHIS2_FAR_URL": closed, "EO_DHIS2_FAR_PASSWORD": dhis2_server.password})
    first, second = unanswered(rain(closed), away)
    assert first.startswith("DHIS2 connection 'far': ") and second == f"{closed}: does not answer (ConnectionError)"
    assert list(unanswered(rain(provider.url), Settings())) == []  # a remark says that there is no connection


def test_the_store_is_tried_by_writing_reading_and_deleting(tmp_path: Path) -> None:
    results = tmp_path / "results"
    settings = Settings().model_copy(update={"results_url": str(results)})
    assert list(unanswered({}, settings)) == []
    assert not [path for path in results.rglob("*") if path.is_file()]
    (in_the_way := tmp_path / "file").write_text("where a folder should be")
    (said,) = unanswered({}, settings.model_copy(update={"results_url": str(in_the_way)}))
    assert said.startswith(f"EO_RESULTS_URL {in_the_way}: results store: cannot write 'check/")


def test_an_object_store_without_its_bucket_or_without_an_answer_is_named(tmp_path: Path) -> None:
    with s3.serving(tmp_path) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        there = Settings().model_copy(update={"results_url": server.new_bucket()})
        assert list(unanswered({}, there)) == []
        assert list(ResultStore(there.results).keys()) == []
        (said,) = unanswered({}, there.model_copy(update={"results_url": "s3://no-such-bucket/eo"}))
        assert said.startswith("EO_RESULTS_URL s3://no-such-bucket/eo: ") and said.endswith(
            "make it, or correct the address"
        )
        cached = there.model_copy(update={"cache_url": "s3://no-such-bucket/cache"})
        (said,) = unanswered({}, cached)
        assert said.startswith("EO_CACHE_URL s3://no-such-bucket/cache: cannot write a file: the bucket does not exist")
        with failing_s3.before(server) as proxy:
            patch.setenv("AWS_ENDPOINT_URL", proxy.url)
            for method, doing in (("PUT", "write a"), ("GET", "read the"), ("POST", "delete the")):
                proxy.fail(method, "*", status=403)
                (said,) = unanswered({}, there)
                assert f": cannot {doing} file" in said and "the key may not do that in this bucket" in said
                proxy.heal()


def test_wrong_and_absent_credentials_of_an_object_store_are_named(tmp_path: Path) -> None:
    settings = Settings().model_copy(update={"results_url": "s3://bucket/eo"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", "0")  # moto asks for credentials that it knows from the first on
        with s3.serving(tmp_path) as server:
            for name, value in server.environment.items():
                patch.setenv(name, value)
            (said,) = unanswered({}, settings)
            assert said.endswith("cannot write a file: the store does not know the key; correct AWS_ACCESS_KEY_ID")
            assert server.environment["AWS_SECRET_ACCESS_KEY"] not in said
        get_filesystem_class("s3").clear_instance_cache()
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        (said,) = unanswered({}, settings)
        assert said.endswith("there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
