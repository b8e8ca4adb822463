"""The keys of the configuration file for running datasets for years: channels, tenants, retention, policies, chains."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.json_types import JsonObject

Event = Literal[
    "failed", "refused", "implausible", "late", "stale-provider", "missed", "credential", "worker", "disk", "recovered"
]
EVENTS: tuple[Event, ...] = get_args(Event)

_TIMEDELTA = TypeAdapter(timedelta)


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    try:
        if not isinstance(value, str) or not value.startswith("P"):
            raise ValueError
        found = _TIMEDELTA.validate_python(value)
    except (ValidationError, ValueError) as error:
        raise ValueError(f"{value!r} is no duration; allowed: ISO 8601 such as P3D, PT15M or P1DT12H") from error
    if found <= timedelta(0):
        raise ValueError(f"{value!r} is no duration that passes; allowed: ISO 8601 such as P3D, PT15M or P1DT12H")
    return found


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(json_schema_extra={"format": "duration"})]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]


class Channel(Model):
    """A channel and the events that it hears of; its address is `EO_NOTIFY_<NAME>_URL` or a Prefect block."""

    events: list[Event] = Field(list(EVENTS), min_length=1)
    after: Duration | None = Field(None, description="it hears only of problems that have lasted so long")
    remind: Duration = Field(timedelta(days=7), description="how soon it hears again of a problem that is still open")
    tenant: str = ""


class Tenant(Model):
    """A region or programme that shares the server: its connections, and its share of the workers."""

    title: str = ""
    connections: list[str] = []
    concurrency: Annotated[int, Field(ge=1)] | None = Field(None, description="jobs that it runs at a time")


class Retention(Model):
    """How long housekeeping keeps things; for ever where a key is absent."""

    jobs: Duration | None = None
    results: Duration | None = None
    logs: Duration | None = None
    downloads: Duration | None = None


class Policy(Model):
    """How often and how soon a scheduled run is tried again, where another try may mend its failure."""

    retries: Annotated[int, Field(ge=0, le=100, description="how often it is tried again")] = 5
    backoff: Duration = Field(timedelta(minutes=15), description="before the first of them; twice as long each time")
    max_backoff: Duration = Field(timedelta(hours=6), description="the longest time between two tries")
    give_up_after: Duration = Field(timedelta(days=2), description="no try begins so long after the first")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if {"backoff", "max_backoff"} <= self.model_fields_set and self.backoff > self.max_backoff:
            raise ValueError("backoff is longer than maxBackoff")
        return self

    def next_attempt(self, failed: int, begun: datetime, now: datetime, expected: date | None) -> datetime | None:
        """Return when a run is tried again that began then and has failed so often; None where it is not.

        `expected` is the day from which its data may be there, where they were not yet.
        """
        if failed > self.retries:
            return None
        longest = max(self.backoff, self.max_backoff)
        factor = 2.0 ** min(failed - 1, 100)
        at = now + (longest if factor >= longest / self.backoff else self.backoff * factor)
        if expected is not None:
            at = max(at, datetime.combine(expected, time(), UTC))
        return at if at - begun <= self.give_up_after else None


class Then(Model):
    """One thing to do after an import has changed something in DHIS2; exactly one of the four is given."""

    dataset: str = ""
    analytics: Literal[True] | None = None
    webhook: str = Field("", description="name of a channel with an http(s) address")
    process: str = ""
    inputs: JsonObject = {}

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [n for n in ("dataset", "analytics", "webhook", "process") if getattr(self, n)]
        if len(given) != 1:
            raise ValueError("expected exactly one of dataset, analytics, webhook and process")
        if self.inputs and not self.process:
            raise ValueError("inputs belong to a process")
        return self


class Operations(Model):
    """The top-level `eo:` block without its defaults."""

    notify: dict[Name, Channel] = {}
    tenants: dict[Name, Tenant] = {}
    retention: Retention = Retention()
