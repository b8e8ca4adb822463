"""The description of a source by itself, and the list of installed sources.

A source is a folder: `options.py` describes it in plain Python, for the web process reads it too;
`source.py` fetches and opens the data, and only the pipeline imports it. An entry point of the group
`eo_pygeoapi.sources` names the `SourceInfo` in `options.py`, in this package or another; `docs/sources.md` shows one.
"""

import netrc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BeforeValidator

from eo_pygeoapi.contract.chunks import Part
from eo_pygeoapi.contract.models import Aggregation, Model
from eo_pygeoapi.contract.periods import months_in
from eo_pygeoapi.datasets.cost import Cost, Needed
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import is_secret

GROUP = "eo_pygeoapi.sources"
Limits = tuple[float | None, float | None]


def _text_from_yaml(value: object) -> object:
    """Take what YAML makes of `2026` and `2025-07-01`; refuse what it makes of `NO`."""
    if isinstance(value, bool):
        raise ValueError(f"YAML reads this as {str(value).lower()}; put it in quotes")
    if isinstance(value, int | float):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


YamlText = Annotated[str, BeforeValidator(_text_from_yaml)]


@dataclass(frozen=True)
class Credential:
    """The credentials that a provider asks for, and the places where users give them.

    `block` is the type of the Prefect block (its slug) that may hold it, with the members of `variables`: each stands
    for an environment variable. The variables whose values are secret end in `_KEY`, `_TOKEN` or `_PASSWORD`, by
    which everything that is logged or published is redacted. `file` is one that the provider's own client reads; it
    has the key for `hosts` from a netrc. `how` tells people how to get it.
    """

    title: str
    block: str
    variables: Mapping[str, str]
    how: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:  # noqa: D105
        if not self.secrets:
            raise ValueError(
                f"{self.title}: none of {', '.join(self.variables.values())} ends in _KEY, _TOKEN, _PASSWORD"
            )

    @property
    def secrets(self) -> list[str]:
        """The variables whose values are secret."""
        return [name for name in self.variables.values() if is_secret(name)]

    def is_given(self, has: Callable[[str], bool]) -> bool:
        """Return whether the user has given the credentials; `has` tells whether a variable is set."""
        if all(map(has, self.secrets)) or (self.file and Path(self.file).expanduser().exists()):
            return True
        try:
            return bool(self.hosts) and netrc.netrc(os.environ.get("NETRC")).authenticators(self.hosts[0]) is not None
        except (OSError, netrc.NetrcParseError):
            return False


@dataclass(frozen=True)
class Values:
    """What the values of a dataset are like, for what can be computed of them."""

    unit: str
    has_offset: bool
    never_negative: bool
    directions: bool


class SourceOptions(Model):
    """Base of the options of a source, and of what follows from them.

    `requestable` names those that a request's `parameters` may set.
    """

    requestable: ClassVar[tuple[str, ...]] = ()

    def defaults(self) -> JsonObject:
        """Return the `eo:` keys that this source gives where the block does not."""
        return {}

    def credentials(self) -> tuple[Credential, ...]:
        """Return the credentials that the provider asks for before it gives these data."""
        return ()

    def address(self) -> str:
        """Return an address to ask whether the provider answers; empty where there is none."""
        return ""

    def local_paths(self) -> list[str]:
        """Return the paths on this machine that the options name, which `eo-pygeoapi check` has the source look at."""
        return []

    def plausible(self) -> Limits:
        """Return the physical limits of the values, in the units in which the source has them."""
        return None, None

    def never_negative(self) -> bool:
        """Return whether the values are amounts, of which there may be none, and not less."""
        low, _ = self.plausible()
        return low is not None and low >= 0

    def directions(self) -> bool:
        """Return whether the values are directions in degrees, of which none is above or below another."""
        return False

    def variable_name(self) -> str:
        """Return what the values are of, such as `precipitation`; empty where the options do not tell."""
        return str(getattr(self, "variable", ""))

    def days(self) -> tuple[date | None, date | None]:
        """Return the first and the last day that the provider has ever; None where it is open or not known."""
        return None, None

    def extent(self) -> tuple[date | None, date | None]:
        """Return the same for days that are whole: of some sources the first day lacks hours."""
        return self.days()

    def method(self) -> str:
        """Return by which formula values are computed and its reference; '' for values as the provider has them."""
        return ""

    def refuses(self, aggregation: Aggregation) -> str:
        """Return why these data cannot be aggregated like that, '' where they can."""
        return ""

    def refuses_values(self, of: Values) -> str:
        """Return why nothing can be computed of the values of the dataset `taken_from`, '' where it can."""
        return ""

    def refuses_zone(self, time_zone: str, year: int) -> str:
        """Return why these data have no days of that time zone in a year, '' where they have."""
        return ""

    def period_types(self) -> tuple[str, ...]:
        """Return the period types that these data can have, () for all."""
        return ()

    def divided_by(self) -> Mapping[str, Mapping[str, str]]:
        """Return the groups that the values are divided by, {} for values that are whole.

        Each group has its option of every category, such as `{"f_0": {"Sex": "Female", "Age": "under 1 year"}}`.
        """
        return {}

    def taken_from(self) -> str:
        """Return the dataset whose published values these are computed of, '' for data of a provider."""
        return ""

    def nearest_year(self, year: int) -> int:
        """Return the nearest year to this one of which there may be data."""
        return year

    def expected(self, day: date) -> date | None:
        """Return when the data of a day are usually published; None where no usual delay is known."""
        return None

    def newest(self, today: date, setting: Callable[[str], str]) -> date | None:
        """Ask the provider for the newest day that it has; None where it does not say without a key.

        `setting` returns what the environment says for a variable. Only the watch calls this, at most once an hour;
        whatever it raises is logged.
        """
        return None

    def newest_final(self, today: date, setting: Callable[[str], str]) -> date | None:
        """Ask the provider for the newest day of which it has final data, where it has provisional ones of newer days.

        Else None; the rest is as of `newest`.
        """
        return None

    def final_from(self, day: date) -> date | None:
        """Return when final data take the place of a day's provisional ones; None where none are provisional."""
        return None

    def part(self, period_type: str) -> Part:
        """Return how much of a long interval one job fetches best: of periods shorter than a month, a month."""
        return "year" if months_in(period_type) else "month"

    def cost(self, needed: Needed) -> Cost | None:
        """Return what the data of these days cost, without a download; None where that is not known."""
        return None


@dataclass(frozen=True)
class SourceInfo:
    """A source, as its entry point names it.

    `source` is `package.module:name` of what makes the source (see `pipeline/sources/request.py`), called without
    arguments. We ask a source for a box across 180 degrees in two halves, unless it says `across_180`.
    `credentials` are all those that any of its options may need. `resolution` is the size of a cell, for
    people to read. `has_people` says that values may be numbers of people, by whom other datasets are weighed.
    `glance` is `package.module:name` of a function that tells of a dataset, sooner than importing the source takes,
    whether its local files are right; where it returns False the source itself looks.
    """

    title: str
    options: type[SourceOptions]
    source: str
    licence: str
    citation: str
    credentials: tuple[Credential, ...] = ()
    across_180: bool = False
    has_people: bool = False
    resolution: str = ""
    glance: str = ""


def installed_sources() -> list[str]:
    """Return the names of the installed sources."""
    return sorted(_entry_points())


@cache
def source_info(name: str) -> SourceInfo:
    """Return what an installed source says of itself; ConfigError where it is not installed or cannot be loaded."""
    found = _entry_points().get(name, [])
    if not found:
        raise ConfigError(f"source {name!r} is not installed (installed: {', '.join(installed_sources()) or 'none'})")
    if len(found) > 1:
        packages = " and ".join(_package(entry) for entry in found)
        raise ConfigError(f"source {name!r} is brought by {packages}; uninstall all but one")
    try:
        info = found[0].load()
    except Exception as error:  # of a package of others, which may raise anything while it is imported
        raise ConfigError(f"source {name!r} of {_package(found[0])} cannot be loaded: {error!r}") from error
    if not isinstance(info, SourceInfo):
        raise ConfigError(f"source {name!r} of {_package(found[0])}: {found[0].value} is no SourceInfo")
    return info


def loadable_sources() -> dict[str, SourceInfo]:
    """Return the installed sources without those that cannot be loaded; these are errors of their datasets alone."""
    found: dict[str, SourceInfo] = {}
    for name in installed_sources():
        try:
            found[name] = source_info(name)
        except ConfigError:
            continue
    return found


def all_credentials() -> list[Credential]:
    """Return the credentials that the installed sources may need, each kind of block once."""
    return list({c.block: c for info in loadable_sources().values() for c in info.credentials}.values())


@cache
def _entry_points() -> dict[str, list[EntryPoint]]:
    """Return the entry points of our group by their names; what a process finds once it keeps."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in dict.fromkeys(entry_points(group=GROUP)):
        found.setdefault(entry.name, []).append(entry)
    return found


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
