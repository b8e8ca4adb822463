"""API tokens: who may execute and who may read, and for which tenant, in a file that holds only hashes.

A token is 32 random bytes, so a plain SHA-256 is hash enough: there is nothing to guess. The file is JSON; it is read
again when it has changed, so that a revoked token is refused at once.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from eo_pygeoapi.contract.models import GivenIdentifier, Model
from eo_pygeoapi.datasets.viewer import Viewer
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.files import Reread, write_whole

Scope = Literal["read", "execute", "operator"]
PREFIX = "eo_"


class Token(Model):
    """What is kept of a token; `connection`, where given, is the only DHIS2 connection it may execute for.

    `tenant` is whose things it sees; empty, it sees what belongs to no tenant, and with the scope `operator` all.
    """

    name: GivenIdentifier
    scopes: list[Scope] = Field(min_length=1)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: str
    connection: str = ""
    tenant: str = ""

    @property
    def viewer(self) -> Viewer:
        """What its bearer sees."""
        return Viewer(self.tenant, "operator" in self.scopes, self.connection, self.name)

    def may(self, scope: Scope) -> bool:
        """Whether it allows this; who may execute may also read."""
        return scope in self.scopes or (scope == "read" and "execute" in self.scopes)


class _File(Model):
    tokens: list[Token] = []


class TokenFile:
    """The tokens in the file at `path`; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tokens = Reread(path, _read)

    def tokens(self) -> list[Token]:
        """Return the tokens as the file has them now, none where there is no file; ConfigError for a broken one."""
        try:
            return self._tokens.value()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"EO_API_TOKENS_FILE: cannot read {self.path}: {error.strerror}") from error

    def find(self, presented: str) -> Token | None:
        """Return the token that was presented; takes as long for one that is wrong."""
        digest = _hash(presented)
        found = None
        for token in self.tokens():
            if hmac.compare_digest(token.hash, digest):
                found = token
        return found

    def create(self, name: str, scopes: Sequence[Scope], connection: str = "", tenant: str = "") -> str:
        """Add a token and return it; it cannot be had again. ConfigError for a name that is taken."""
        if any(token.name == name for token in self.tokens()):
            raise ConfigError(f"there is a token {name!r} already; revoke it first")
        value = PREFIX + secrets.token_urlsafe(32)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            added = Token(
                name=name, scopes=list(scopes), hash=_hash(value), created=now, connection=connection, tenant=tenant
            )
        except ValidationError as error:
            raise ConfigError(f"{name!r} is no name; allowed: up to 255 characters without spaces") from error
        self._write([*self.tokens(), added])
        return value

    def revoke(self, name: str) -> None:
        """Take a token out of the file; ConfigError where there is none of this name."""
        kept = [token for token in self.tokens() if token.name != name]
        if len(kept) == len(self.tokens()):
            names = ", ".join(token.name for token in kept) or "none"
            raise ConfigError(f"there is no token {name!r} (there are: {names})")
        self._write(kept)

    def _write(self, tokens: Sequence[Token]) -> None:
        """Write the file in one go, readable by this user alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, json.dumps(_File(tokens=list(tokens)).to_json(), indent=1), mode=0o600)


def _read(path: Path) -> list[Token]:
    try:
        return _File.model_validate_json(path.read_bytes()).tokens
    except ValidationError as error:
        # without pydantic's words, which would show what is in the file
        raise ConfigError(f"EO_API_TOKENS_FILE: {path} is not what `eo-pygeoapi token` writes") from error


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
