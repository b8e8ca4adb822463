"""Is what DHIS2 does not find really not there? A DHIS2 that has just started may say so of what it has."""

from collections.abc import Sequence

from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.errors import Dhis2UnavailableError
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.facts import Facts, User, read_facts


def refuse_not_ready(dhis2: Dhis2, user: User) -> None:
    """Raise Dhis2UnavailableError where DHIS2 does not even find the organisation units of its own user."""
    roots = sorted(user.capture_roots | user.view_roots)
    if roots and not dhis2.org_units(ids=roots, fields="id"):
        raise Dhis2UnavailableError(
            f"DHIS2 finds no organisation units now, not even those of its user {user.username!r}; it may be starting"
        )


def read_sure_facts(
    dhis2: Dhis2, target: DatasetTarget, org_units: Sequence[str], period_type: PeriodType | None = None
) -> Facts:
    """Read the facts, and once more where DHIS2 has found none of the units, no data element or a user without units.

    Raises Dhis2UnavailableError where it is not ready.
    """
    facts = read_facts(dhis2, target, org_units, period_type)
    no_units = bool(org_units) and not facts.units and not facts.ambiguous
    if not no_units and facts.element and facts.user.capture_roots:
        return facts
    refuse_not_ready(dhis2, facts.user)
    return read_facts(dhis2, target, org_units, period_type)
