"""Which values the import does not send: those that DHIS2 would refuse, would refuse others for, or would hide.

It leaves out units that do not exist or lie outside the user's hierarchy, for nobody could read their values; and units
that the data set does not have, and periods for which a unit or the data set is not open, for versions of DHIS2 treat
these differently, and none shows such values.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from eo_pygeoapi.contract.models import Rejected
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, period_with_id
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.identifiers import named
from eo_pygeoapi.pipeline.dhis2.summary import NOT_OPEN, rejection
from eo_pygeoapi.pipeline.dhis2.timeliness import closed_for_input, not_open

Reason = tuple[str, str]  # DHIS2's code, and words


@dataclass
class Screening:
    """Sorts values by the facts of a DHIS2; it caches the reason of each unit and period."""

    facts: Facts
    period_type: PeriodType
    _of_unit: dict[str, Reason | None] = field(default_factory=dict)
    _of_period: dict[str, tuple[Period | None, Reason | None]] = field(default_factory=dict)

    def sort(self, values: Iterable[DataValue]) -> tuple[list[DataValue], list[Rejected]]:
        """Return the values that may be sent, and the others with the reason why not."""
        left: list[DataValue] = []
        rejected: list[Rejected] = []
        for value in values:
            unit, id_ = value.org_unit, value.period
            if unit not in self._of_unit:
                self._of_unit[unit] = unit_reason(self.facts, unit)
            reason = self._of_unit[unit]
            if reason is None:
                if id_ not in self._of_period:
                    period = period_with_id(id_, self.period_type)
                    last = self.facts.open_until() if self.facts.is_new else None
                    if closed_for_input(self.facts, id_):
                        data_set = named(self.facts.data_set)
                        reason = "E8030", f"the data set {data_set} has no input period for it that is open now"
                    elif period and last and period.start > last:
                        reason = "E8030", f"the period is not open yet: today is {self.facts.today}"
                    self._of_period[id_] = period, reason
                period, reason = self._of_period[id_]
                if not reason and period and (words := not_open(self.facts.units[unit], period)):
                    reason = NOT_OPEN, words
            if reason:
                rejected.append(rejection(value, {"errorCode": reason[0], "value": reason[1]}))
            else:
                left.append(value)
        return left, rejected


def unit_reason(facts: Facts, org_unit: str) -> Reason | None:
    """Return why no value of a unit can be sent; None if they can."""
    if words := facts.ambiguous.get(org_unit):
        return "", f"{words}; use the code of the one, or the UID of the other"
    if org_unit not in facts.units:
        return "E7612", f"organisation unit not found or not accessible: `{org_unit}`"
    unit = facts.units[org_unit]
    if (first := facts.names[unit["id"]]) != org_unit:
        return "", f"`{org_unit}` and `{first}` are the same organisation unit, {named(unit)}"
    if not facts.may_write_to(unit):
        return "E7617", f"organisation unit `{org_unit}` lies outside the data capture units of `{facts.user.username}`"
    if not facts.may_read(unit):
        return "E2012", f"organisation unit `{org_unit}` lies outside the data view units of `{facts.user.username}`"
    if facts.assigned is not None and unit["id"] not in facts.assigned:
        return "E8022", f"{named(unit)} is {facts.not_assigned()}"
    return None
