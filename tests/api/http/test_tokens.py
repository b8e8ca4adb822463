"""The file of tokens."""

import stat
from pathlib import Path

import pytest

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.errors import ConfigError


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "etc" / "tokens.json")


def test_a_token_is_found_and_only_its_hash_is_kept(tokens: TokenFile) -> None:
    value = tokens.create("maps", ["read"], "national")
    found = tokens.find(value)
    assert found and (found.name, found.scopes, found.connection) == ("maps", ["read"], "national")
    kept = tokens.path.read_text()
    assert value not in kept and value.removeprefix("eo_") not in kept
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert tokens.find(value + "x") is None and tokens.find("") is None


def test_execute_includes_read_and_not_the_reverse(tokens: TokenFile) -> None:
    execute, read = (tokens.find(tokens.create(scope, [scope])) for scope in ("execute", "read"))
    assert execute and execute.may("read") and execute.may("execute")
    assert read and read.may("read") and not read.may("execute")


def test_a_revoked_token_is_worthless_at_once_also_for_others(tokens: TokenFile) -> None:
    value, other = tokens.create("a", ["read"]), TokenFile(tokens.path)
    assert other.find(value)
    tokens.revoke("a")
    assert other.find(value) is None
    with pytest.raises(ConfigError, match=r"there is no token 'a' \(there are: none\)"):
        tokens.revoke("a")


def test_names_are_used_once_and_are_names(tokens: TokenFile) -> None:
    tokens.create("a", ["read"])
    with pytest.raises(ConfigError, match="there is a token 'a' already"):
        tokens.create("a", ["execute"])
    with pytest.raises(ConfigError, match="'two words' is no name"):
        tokens.create("two words", ["read"])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tokens": [{"name": "secret-name"}]}'])
def test_a_broken_file_lets_nobody_in_and_shows_nothing(tokens: TokenFile, content: str) -> None:
    tokens.path.parent.mkdir()
    tokens.path.write_text(content)
    with pytest.raises(ConfigError, match="is not what `eo-pygeoapi token` writes") as error:
        tokens.find("x")
    assert "secret-name" not in str(error.value)
