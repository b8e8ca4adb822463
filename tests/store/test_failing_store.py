"""An object store that fails: what may pass is told from what lasts, at each kind of access."""

from collections.abc import Callable
from pathlib import Path

import pytest

from eo_pygeoapi.errors import ResultsError, StoreUnavailableError
from eo_pygeoapi.store.store import ResultStore
from tests.standins import failing_s3, s3

ACCESSES: dict[str, tuple[str, Callable[[ResultStore, Path], object]]] = {
    "read": ("GET", lambda store, _: store.read_bytes("a/b.json")),
    "copy": ("GET", lambda store, folder: store.copy_to("a/b.json", folder / "copy")),
    "write": ("PUT", lambda store, _: store.write_json("a/c.json", {})),
    "create": ("PUT", lambda store, _: store.create_bytes("a/lock", b"x")),
    "list": ("GET", lambda store, _: store.keys("a")),
    "delete": ("POST", lambda store, _: store.delete("a/b.json")),
}


@pytest.mark.slow  # botocore and s3fs try for six seconds before they give up
@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("status", [500, 503])
def test_a_store_that_answers_5xx_is_away_and_a_refusal_is_not(
    s3_server: s3.StandIn, tmp_path: Path, access: str, status: int
) -> None:
    method, attempt = ACCESSES[access]
    url = s3_server.new_bucket()
    with failing_s3.before(s3_server) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = ResultStore(url)
        store.write_json("a/b.json", {})
        proxy.fail(method, "*", status=403)
        with pytest.raises(ResultsError) as refused:
            attempt(store, tmp_path)
        assert not isinstance(refused.value, StoreUnavailableError)
        proxy.heal()
        proxy.fail(method, "*", status=status)
        with pytest.raises(StoreUnavailableError, match="results store: cannot"):
            attempt(store, tmp_path)
        proxy.heal()
        attempt(store, tmp_path)
        assert list(tmp_path.iterdir()) == ([tmp_path / "copy"] if access == "copy" else [])
