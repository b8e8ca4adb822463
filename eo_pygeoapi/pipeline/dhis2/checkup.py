"""A look at a DHIS2 without an import: does it answer, what may its user do, and would each dataset be taken?"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.contract.periods import Period, period_of
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.checks_of_server import unknown_version
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts, User, instant, read_facts, version_of
from eo_pygeoapi.pipeline.dhis2.identifiers import named
from eo_pygeoapi.pipeline.dhis2.preflight import preflight
from eo_pygeoapi.pipeline.dhis2.skipped import not_set_up

CLOCK_MAY_DIFFER = timedelta(minutes=5)

State = Literal["ok", "warning", "error"]


class Line(Model):
    """One thing that was looked at; of a dataset there is a line for each finding, or one that says it is right."""

    state: State
    connection: str
    dataset: str = ""
    subject: str
    message: str


def lines_of_connection(dhis2: Dhis2, name: str, address: str, authorities: Collection[str]) -> Iterator[Line]:
    """Yield what a connection is like: the server, its version and clock, and the authorities of its user."""
    asked = datetime.now(UTC)
    system = dhis2.system_info()
    ours = asked + (datetime.now(UTC) - asked) / 2
    user = User.of(dhis2.me())

    def line(state: State, subject: str, message: str) -> Line:
        return Line(state=state, connection=name, subject=subject, message=message)

    yield line("ok", "connection", f"{address} answers, as user {user.username}")
    facts = Facts(version=version_of(system), user=user)
    unknown = unknown_version(facts.version)
    yield line("warning" if unknown else "ok", "version", unknown or f"DHIS2 {system.get('version')}")
    yield line(*_clock(system, ours))
    missing = [authority for authority in authorities if not facts.may(authority)]
    said = f"user {user.username} lacks {', '.join(missing)}; give one of its roles" if missing else ""
    yield line(
        "error" if missing else "ok", "authorities", said or f"user {user.username} has {', '.join(authorities)}"
    )


def lines_of_dataset(dhis2: Dhis2, dataset: Dataset, org_units: Sequence[str]) -> Iterator[Line]:
    """Yield what the check before an import finds, for values of the newest period that can be there."""

    def line(state: State, subject: str, message: str) -> Line:
        name = dataset.dhis2.connection
        return Line(state=state, connection=name, dataset=dataset.id, subject=subject, message=message)

    facts = read_facts(dhis2, dataset.dhis2, org_units, dataset.period_type)
    if facts.element is None and (missing := not_set_up(dataset.dhis2, dataset.id, facts)):
        yield line("error", "data-element", missing)
        return
    findings = preflight(facts, _foreseen(dataset, org_units, facts.today), dataset)
    for finding in findings:
        yield line(finding.severity, finding.code, finding.message)
    if not findings:
        where = f"{named(facts.element)} of the data set {named(facts.data_set)}"
        yield line("ok", "preflight", f"values of {len(org_units)} units would go to {where}")


def _foreseen(dataset: Dataset, org_units: Sequence[str], today: date) -> Payload:
    """Return a payload of values that are not there yet; some will be zeros, and fractions unless they are rounded."""
    return Payload(
        target=dataset.dhis2,
        zero_count=1,
        fraction_count=0 if dataset.decimals == 0 else 1,
        org_units=list(org_units),
        periods=[_newest(dataset, today).id],
    )


def _newest(dataset: Dataset, today: date) -> Period:
    """Return the newest period that is over, or the last one of projections."""
    last = dataset.options.days()[1] or period_of(today, dataset.period_type).start - timedelta(1)
    return period_of(last, dataset.period_type)


def _clock(system: dict[str, Any], ours: datetime) -> tuple[State, str, str]:
    theirs, zone = instant(system.get("serverDate")), str(system.get("serverTimeZoneId") or "")
    try:
        difference = theirs.replace(tzinfo=ZoneInfo(zone)) - ours if theirs and zone else None
    except (KeyError, OSError, ValueError):  # of Java there are zones that Python does not know
        difference = None
    if difference is None:
        return "warning", "clock", "DHIS2 does not say what time it is there, in a time zone that is known here"
    seconds = difference.total_seconds()
    words = f"DHIS2's clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} ours"
    if abs(difference) <= CLOCK_MAY_DIFFER:
        return "ok", "clock", words
    return "warning", "clock", f"{words}; set one of the clocks right, or periods are open and closed at other times"
