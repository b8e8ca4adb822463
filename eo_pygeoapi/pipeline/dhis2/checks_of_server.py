"""Checks before an import: the server, its identifiers, and what its user may do."""

from eo_pygeoapi.contract.period_types import PERIOD_TYPES
from eo_pygeoapi.contract.periods import calendar_of
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.analytics import AUTHORITY
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.findings import Findings, error, warning
from eo_pygeoapi.pipeline.dhis2.identifiers import named

KNOWN_VERSIONS = ((2, 38), (2, 43))
CALENDARS = ("iso8601", "gregorian")


def check_version(facts: Facts, _payload: Payload, _dataset: Dataset) -> Findings:
    """Is this a version of DHIS2 that imports were tested with?"""
    if words := unknown_version(facts.version):
        yield warning("version", words)


def unknown_version(version: tuple[int, ...]) -> str:
    """Say that imports were not tested with this version; empty where they were."""
    low, high = KNOWN_VERSIONS
    if low <= version[:2] <= high:
        return ""
    shown, known = (".".join(map(str, v)) for v in (version[:2], low))
    return f"this is DHIS2 {shown}; imports were tested with {known} to {high[0]}.{high[1]}: look at a dry run first"


def check_calendar(facts: Facts, _payload: Payload, dataset: Dataset) -> Findings:
    """Does DHIS2 use the calendar that our periods are in?"""
    ours = calendar_of(dataset.period_type)
    if facts.calendar == ours or {facts.calendar, ours} <= set(CALENDARS):
        return
    types = [type_ for type_ in PERIOD_TYPES if calendar_of(type_) == facts.calendar]
    do = f"set periodType to one of {', '.join(types)}" if types else f"allowed: {', '.join(CALENDARS)}"
    yield error(
        "calendar",
        f"DHIS2 uses the calendar {facts.calendar!r}, where our {dataset.period_type} periods would mean other days; "
        f"{do} (System settings, Calendar)",
    )


def check_identifiers(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    """Does each identifier of the target mean one object only?"""
    target = payload.target
    for key, name in (
        ("dataElement", target.data_element),
        ("dataSet", target.data_set),
        ("categoryOptionCombo", target.category_option_combo),
        ("attributeOptionCombo", target.attribute_option_combo),
    ):
        if words := facts.ambiguous.get(name):
            yield error("identifiers", f"dhis2.{key}: {words}; use the code of the one, or the UID of the other")


def check_authority(facts: Facts, _payload: Payload, _dataset: Dataset) -> Findings:
    """May the user write values: by authority, and by the sharing of data set and data element?"""
    if not facts.may("F_DATAVALUE_ADD"):
        yield error(
            "authority",
            f"user {facts.user.username!r} may not add data values; "
            "give one of its roles the authority F_DATAVALUE_ADD",
        )
    access = ((facts.data_set or {}).get("access") or {}).get("data") or {}
    if access.get("write") is False:
        yield error(
            "sharing",
            f"user {facts.user.username!r} may not write to the data set {named(facts.data_set)}; "
            "in its sharing settings give the user, or a group of it, 'can capture data'",
        )
    # from 2.44 on a data element has a sharing of its own for data
    own = ((facts.element or {}).get("access") or {}).get("data") or {}
    if own.get("write") is False:
        yield error(
            "sharing",
            f"user {facts.user.username!r} may not write values of the data element {named(facts.element)}; "
            "in its sharing settings give the user, or a group of it, 'can capture data'",
        )


def check_analytics(facts: Facts, _payload: Payload, dataset: Dataset) -> Findings:
    """May the user start analytics, where the dataset wants that after an import?"""
    if any(then.analytics for then in dataset.after) and not facts.may(AUTHORITY):
        yield warning(
            "analytics",
            f"user {facts.user.username!r} may not start analytics, as `after: [{{analytics: true}}]` wants it; "
            f"give one of its roles the authority {AUTHORITY}",
        )
