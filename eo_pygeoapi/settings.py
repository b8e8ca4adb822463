"""The settings of a process: what its environment says.

Two more places read the environment: `datasets/config_file.py` for `${VAR}`, and `datasets/source.py` for the netrc. A
process gets the environment for those that it starts as an argument, from `cli.py` or the last lines of a module.

`docs/configuration.md` documents the names; a test keeps the two in step.
"""

import os
import re
from collections.abc import Collection, Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.redaction import redact

Network = IPv4Network | IPv6Network
DEFAULT_CONNECTION = "default"
DEFAULT_CONFIG = Path("pygeoapi-config.yml")
# names of variables whose values are secrets, of whatever source, store or service
_SECRET = re.compile(r"\w+_(TOKEN|PASSWORD|KEY|SECRET|AUTH_STRING)|EO_NOTIFY_\w+_URL")


# what a number or a yes can be, by what pydantic finds wrong with the text of a variable
_ALLOWED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than_equal": "{le:g} or less",
}


class Dhis2Connection(BaseModel):
    """The address of a DHIS2 and the login; `token` wins over `username` and `password`."""

    model_config = ConfigDict(frozen=True)

    url: str
    token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None

    def address_problem(self) -> str:
        """Say why the address is not one of a DHIS2; nothing where it is."""
        if not is_web_address(self.url):
            return f"{redact(self.url)!r} is no address of a DHIS2; allowed: http(s)://host/path, without /api"
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            return (
                f"the address of the DHIS2 at {parts.hostname} holds a user name or password; "
                "set EO_DHIS2_<NAME>_USERNAME and _PASSWORD, or _TOKEN, instead"
            )
        return ""


class Settings(BaseSettings):
    """Settings of one process, which makes them once: see `process_settings`, and `cli.py` for options of a command."""

    model_config = SettingsConfigDict(env_prefix="EO_", populate_by_name=True, env_ignore_empty=True)

    config: Path = Field(DEFAULT_CONFIG, validation_alias="PYGEOAPI_CONFIG")
    openapi: Path | None = Field(None, validation_alias="PYGEOAPI_OPENAPI")
    prefect_api_url: str | None = Field(None, validation_alias="PREFECT_API_URL")
    prefect_home: Path | None = Field(None, validation_alias="PREFECT_HOME")
    prefect_database: SecretStr = Field(SecretStr(""), validation_alias="PREFECT_SERVER_DATABASE_CONNECTION_URL")
    data_dir: Path = Field(Path(".eo-pygeoapi"), validation_alias="EO_DATA_DIR")
    results_url: str = Field("", validation_alias="EO_RESULTS_URL")
    cache_url: str = Field("", validation_alias="EO_CACHE_URL")
    concurrency: int = Field(2, ge=1, validation_alias="EO_CONCURRENCY")
    backfill_jobs: int = Field(2, ge=1, validation_alias="EO_BACKFILL_JOBS")
    stop_grace_seconds: float = Field(60.0, ge=0, validation_alias="EO_STOP_GRACE_SECONDS")
    resume: int = Field(1, ge=0, le=10, validation_alias="EO_RESUME")
    memory_limit_mib: int = Field(0, ge=0, validation_alias="EO_MEMORY_LIMIT_MIB")
    lost_after_seconds: int = Field(480, ge=90, validation_alias="EO_LOST_AFTER_SECONDS")
    watch_seconds: float = Field(60.0, gt=0, validation_alias="EO_WATCH_SECONDS")
    use_zygote: bool = Field(True, validation_alias="EO_ZYGOTE_ENABLED")
    memory_mib: int = Field(256, ge=64, validation_alias="EO_MEMORY_MIB")
    dask_scheduler: str = Field("", validation_alias="EO_DASK_SCHEDULER")
    api_tokens_file: Path | None = Field(None, validation_alias="EO_API_TOKENS_FILE")
    web_pid: Path | None = Field(None, validation_alias="EO_WEB_PID")
    published_at: str = Field("", validation_alias="EO_BIND")
    trusted_proxies: str = Field("", validation_alias="EO_TRUSTED_PROXIES")
    cors_origins: str = Field("", validation_alias="EO_CORS_ORIGINS")
    insecure: bool = Field(False, validation_alias="EO_INSECURE")
    keep_steps: bool = Field(False, validation_alias="EO_KEEP_STEPS")
    allow_private_callbacks: bool = Field(False, validation_alias="EO_ALLOW_PRIVATE_CALLBACKS")
    _blocks: dict[str, str] = PrivateAttr(default_factory=dict)
    _set_elsewhere: frozenset[str] | None = PrivateAttr(None)

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, given: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """Have ConfigError name every variable whose value is not allowed."""
        try:
            return read(given)
        except ValidationError as error:
            raise ConfigError([_sentence(dict(entry)) for entry in error.errors()]) from error

    def placed(self, config: Path | None = None, data_dir: Path | None = None) -> Self:
        """Return the settings with another configuration file or data folder, where one is given."""
        given = {"config": config, "data_dir": data_dir}
        return self.model_copy(update={name: path for name, path in given.items() if path is not None})

    @property
    def says_lost_after(self) -> bool:
        """Tell whether EO_LOST_AFTER_SECONDS is set here; else what the installation has counts."""
        return "lost_after_seconds" in self.model_fields_set

    @property
    def results(self) -> str:
        """The results store as an fsspec URL or path; `results` in the data folder unless set."""
        return self.results_url or str(self.data_dir.absolute() / "results")

    @property
    def cache(self) -> str:
        """The download cache as an fsspec URL or path; `cache` in the data folder unless set."""
        return self.cache_url or str(self.data_dir.absolute() / "cache")

    def cache_folder(self) -> Path:
        """Return the folder of downloads, or of copies of those in an object store; ConfigError for other addresses."""
        scheme, colon, path = self.cache.partition("://")
        if not colon:
            return Path(self.cache)
        if scheme == "file":
            return Path(path)
        if scheme == "s3":
            return self.data_dir.absolute() / "cache"
        raise ConfigError(
            f"EO_CACHE_URL: {scheme} addresses are not allowed; allowed: a folder, such as a file system that all "
            "workers share, or s3://bucket/folder"
        )

    @property
    def shared_cache(self) -> str:
        """The address of the object store that workers share their downloads in, '' where there is none."""
        return self.cache if self.cache.startswith("s3://") else ""

    def proxies(self) -> list[Network]:
        """Return the addresses and networks whose `X-Forwarded-…` counts; ConfigError for what is none."""
        try:
            return [ip_network(text) for text in re.split(r"[\s,]+", self.trusted_proxies) if text]
        except ValueError as error:
            raise ConfigError(f"EO_TRUSTED_PROXIES: {error}; allowed: 127.0.0.1, 10.0.0.0/8") from error

    def origins(self) -> list[str]:
        """Return the sites whose pages may read answers: those that are named, else all where no token is needed."""
        named = [text.rstrip("/") for text in re.split(r"[\s,]+", self.cors_origins) if text]
        return named or ([] if self.api_tokens_file else ["*"])

    def dhis2_connection(self, name: str = DEFAULT_CONNECTION) -> Dhis2Connection | None:
        """Return the DHIS2 connection called `name`, or None where the environment has no address for it."""
        return dhis2_connection(name, {**self._blocks, **os.environ})

    def dhis2_admin(self, name: str) -> Dhis2Connection | None:
        """Return the connection with its administrator's login, or None where the environment has none.

        The token or the user name and password of `EO_DHIS2_<NAME>_ADMIN_*` take the place of the importer's.
        """
        prefix, connection = f"{connection_prefix(name)}ADMIN_", self.dhis2_connection(name)
        login = {member: self.value(prefix + member.upper()) for member in ("token", "username", "password")}
        if connection is None or not any(login.values()):
            return None
        address = {"url": connection.url, "ca_file": connection.ca_file}
        return Dhis2Connection.model_validate(address | {member: text for member, text in login.items() if text})

    def has(self, variable: str) -> bool:
        """Return whether the environment where jobs run, or a Prefect block, says something for this variable."""
        known = os.environ.get(variable) if self._set_elsewhere is None else variable in self._set_elsewhere
        return bool(known or self._blocks.get(variable))

    def value(self, variable: str) -> str:
        """Return what the environment, or a Prefect block, says for a variable; nothing where neither does."""
        return os.environ.get(variable) or self._blocks.get(variable, "")

    def variables(self) -> list[str]:
        """Return the names of all variables of the environment that say something."""
        return [name for name, value in os.environ.items() if value]

    def has_dhis2_connection(self, name: str) -> bool:
        """Return whether jobs have an address for the DHIS2 connection called `name`."""
        variables = [f"{connection_prefix(name)}URL", *(["DHIS2_BASE_URL"] if name == DEFAULT_CONNECTION else [])]
        return any(map(self.has, variables))

    def notify_url(self, name: str) -> SecretStr | None:
        """Return the address of the channel called `name`, or None where there is none."""
        found = {**self._blocks, **os.environ}.get(notify_variable(name))
        return SecretStr(found) if found else None

    def with_blocks(self, blocks: Mapping[str, str]) -> "Settings":
        """Return these settings with what Prefect blocks say where the environment says nothing."""
        copy = self.model_copy()
        copy._blocks = dict(blocks)
        return copy

    def where_set(self, variables: Collection[str] | None) -> "Settings":
        """Return these settings for jobs in another environment, which sets these variables; None: in this one."""
        copy = self.model_copy()
        copy._set_elsewhere = None if variables is None else frozenset(variables)
        return copy

    def secrets(self) -> list[str]:
        """Return every secret value this process knows, for `redaction.redact`."""
        return list(dict.fromkeys([*secrets_of(os.environ), *secrets_of(self._blocks)]))


def variables_for_jobs(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that say which connections and keys jobs have; never their values."""
    ours = ("EO_", "DHIS2_")
    return sorted(name for name, value in environ.items() if value and (name.startswith(ours) or is_secret(name)))


@cache
def process_settings() -> Settings:
    """Return the settings of this process: what the environment says at the first call."""
    return Settings()


def is_web_address(text: str) -> bool:
    """Return whether a text is an address of http or https, with a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of brackets without an end, and of a port that is no number
        return False


def connection_prefix(name: str) -> str:
    """Return how the variables of the DHIS2 connection called `name` begin."""
    return f"EO_DHIS2_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_"


def notify_variable(name: str) -> str:
    """Return the variable that holds the address of the channel called `name`."""
    return f"EO_NOTIFY_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_URL"


def how_to_connect(name: str) -> str:
    """Say which environment variables, or which Prefect block, make the connection called `name`."""
    prefix = connection_prefix(name)
    variables = f"{prefix}URL and {prefix}TOKEN (or {prefix}USERNAME and {prefix}PASSWORD)"
    return f"set {variables}, or make the Prefect block dhis2-connection/{name}"


def no_connection(name: str) -> str:
    """Say that there is no connection called `name`, and how to make it."""
    return f"there is no DHIS2 connection {name!r}; {how_to_connect(name)}"


def dhis2_connection(name: str, environ: Mapping[str, str]) -> Dhis2Connection | None:
    """Read a connection from `EO_DHIS2_<NAME>_*`, or from `DHIS2_*` for the one called `default`."""
    prefix = connection_prefix(name)
    found = {
        member: value for member in Dhis2Connection.model_fields if (value := environ.get(prefix + member.upper()))
    }
    if "url" not in found and name == DEFAULT_CONNECTION and environ.get("DHIS2_BASE_URL"):
        found = {
            "url": environ["DHIS2_BASE_URL"],
            "username": environ.get("DHIS2_USERNAME", ""),
            "password": environ.get("DHIS2_PASSWORD", ""),
        }
    if "url" not in found:
        return None
    return Dhis2Connection.model_validate({k: v for k, v in found.items() if v})


def secrets_of(variables: Mapping[str, str] = os.environ) -> list[str]:
    """Return the values of variables that are secrets."""
    return [value for name, value in variables.items() if value and is_secret(name)]


def _sentence(entry: Mapping[str, Any]) -> str:
    allowed = _ALLOWED.get(entry["type"], entry["msg"]).format(**entry.get("ctx", {}))
    return f"{entry['loc'][0]}: {entry['input']!r} is not allowed; allowed: {allowed}"


def is_secret(name: str) -> bool:
    """Return whether the value of this environment variable is a secret, by the variable's name."""
    return bool(_SECRET.fullmatch(name))
