"""Checks before an import: the units and the periods of the values."""

from eo_pygeoapi.contract.periods import period_with_id
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.findings import Findings, error, warning
from eo_pygeoapi.pipeline.dhis2.identifiers import named
from eo_pygeoapi.pipeline.dhis2.timeliness import expired, expires_after, left_out_words, not_open_at
from eo_pygeoapi.wording import some


def check_units(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    """Do the units exist, may the user write and read their values, and does the data set have them?"""
    known, total, user = facts.units, len(payload.org_units), repr(facts.user.username)
    ambiguous = [facts.ambiguous[name] for name in payload.org_units if name in facts.ambiguous]
    unknown = [name for name in payload.org_units if name not in known and name not in facts.ambiguous]
    foreign = {name: unit for name, unit in known.items() if not facts.may_write_to(unit)}
    unseen = [name for name, unit in known.items() if name not in foreign and not facts.may_read(unit)]
    assigned = facts.assigned
    others = [name for name, unit in known.items() if assigned is not None and unit["id"] not in assigned]
    same = [name for name, unit in known.items() if facts.names[unit["id"]] != name]
    for code, names, what in (
        ("org-units", unknown, "do not exist in DHIS2, or may not be seen; check the ids (orgUnits)"),
        ("identifiers", ambiguous, "have identifiers with two meanings; use codes or UIDs that have one"),
        ("identifiers", same, "are named twice, by UID and by code; name each once"),
        ("hierarchy", list(foreign), f"lie outside the data capture units of user {user}; add them to the user"),
        ("hierarchy", unseen, f"lie outside the data view units of user {user}, for whom DHIS2 looks empty there; add "
         "them to the user"),
        ("assignment", others, f"are {facts.not_assigned()}; assign them"),
    ):  # fmt: skip
        if names:
            words = f"{len(names)} of {total} organisation units {what} ({some(names)})"
            yield error(code, words) if len(names) == total else warning(code, words)


def check_opening_dates(facts: Facts, payload: Payload, dataset: Dataset) -> Findings:
    """Were the units open when the periods started?"""
    periods = [period for id_ in payload.periods if (period := period_with_id(id_, dataset.period_type))]
    starts = sorted(period.start for period in periods)
    left_out = [
        left_out_words(words, count, dataset.period_type)
        for unit in facts.units.values()
        for words, count in not_open_at(unit, starts).items()
    ]
    if left_out:
        yield warning(
            "opening-dates",
            f"{some(left_out, separator='; ')}; if a date is wrong, change it in DHIS2 (Maintenance app, Organisation "
            "units)",
        )


def check_periods(facts: Facts, payload: Payload, dataset: Dataset) -> Findings:
    """Is the data set open for the periods?"""
    last = facts.open_until()
    periods = [period for id_ in payload.periods if (period := period_with_id(id_, dataset.period_type))]
    ahead = [period.id for period in periods if last and period.start > last]
    if ahead:
        yield warning(
            "open-periods",
            f"{len(ahead)} of {len(payload.periods)} periods are not open yet ({some(ahead)}), today being "
            f"{facts.today}; raise openFuturePeriods of the data set {named(facts.data_set)}, or import later",
        )
    over = [period.id for period in expired(facts, periods)]
    if over:
        yield warning(
            "open-periods",
            f"{len(over)} of {len(payload.periods)} periods are closed ({some(over)}): the data set "
            f"{named(facts.data_set)} expires after {expires_after(facts)}; raise that, or give the user "
            "F_EDIT_EXPIRED",
        )
