import socket
from collections.abc import Iterator

import pytest

from eo_pygeoapi.errors import ConfigError, ForbiddenError
from eo_pygeoapi.jobs.exposure import is_loopback, listened_at, reached_at, refuse_open_server, refuse_unprotected
from eo_pygeoapi.settings import Settings


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    """The server's side of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with accepted:
            yield accepted


@pytest.mark.parametrize("name", ["gunicorn.socket", "werkzeug.socket"])
def test_a_request_is_reached_at_the_address_of_its_connection(name: str, connection: socket.socket) -> None:
    assert reached_at({name: connection}) == ["127.0.0.1"]


def test_a_socket_of_the_file_system_is_reached_by_this_machine_alone() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert reached_at({"gunicorn.socket": one}) == []


@pytest.mark.parametrize("environ", [{}, {"gunicorn.socket": None}, {"gunicorn.socket": "closed"}])
def test_where_the_server_does_not_say_all_that_is_listened_at_counts(environ: dict[str, object]) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert "0.0.0.0" in listened_at()
        if environ.get("gunicorn.socket"):
            environ = {"gunicorn.socket": server}
            server.close()
            assert reached_at(environ) == listened_at()
        else:
            assert "0.0.0.0" in reached_at(environ)


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "::ffff:192.168.1.5", "api.example.org"]
)
def test_an_address_that_others_reach_is_refused_unless_it_is_allowed(address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(ForbiddenError) as refused:
        refuse_unprotected(["127.0.0.1", address], Settings(), "set EO_API_TOKENS_FILE")
    assert str(refused.value) == (
        f"other machines can reach this server, at {address}, and it asks for no token; set EO_API_TOKENS_FILE, "
        "or allow it with EO_INSECURE=true"
    )
    refuse_unprotected([address], Settings(EO_INSECURE=True), "")  # type: ignore[call-arg]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "::ffff:127.0.0.1", "localhost"])
def test_this_machine_alone_is_not(address: str) -> None:
    refuse_unprotected([address], Settings(), "")


def test_in_a_container_what_is_published_counts() -> None:
    inside = ["172.18.0.5"]
    refuse_unprotected(inside, Settings(EO_BIND="127.0.0.1"), "")  # type: ignore[call-arg]
    for everywhere in ("0.0.0.0", "::", "192.168.1.5"):
        settings = Settings(EO_BIND=everywhere)  # type: ignore[call-arg]
        with pytest.raises(ForbiddenError, match=f"at {everywhere}"):
            refuse_unprotected(["127.0.0.1"], settings, "")
        with pytest.raises(ConfigError, match=f"EO_BIND: '{everywhere}' lets other machines in"):
            refuse_open_server("127.0.0.1", settings)
