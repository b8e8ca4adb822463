"""Which of the values that DHIS2 has refused it would refuse again, as it is now: no other try mends that."""

from collections.abc import Iterable
from datetime import date

from eo_pygeoapi.contract.models import Rejected
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, period_with_id
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.identifiers import named
from eo_pygeoapi.pipeline.dhis2.screening import Screening
from eo_pygeoapi.pipeline.dhis2.summary import rejection
from eo_pygeoapi.pipeline.dhis2.timeliness import expired, expires_after


def refused_again(facts: Facts, period_type: PeriodType, values: Iterable[DataValue]) -> list[Rejected]:
    """Return those of the values that DHIS2 would refuse, with the reason.

    What the import does not even send is refused, and so is what lies in periods that are over for too long, or not
    open yet. Values that DHIS2 refuses for what they are may be others at another try.
    """
    sendable, refused = Screening(facts, period_type).sort(values)
    periods = {id_: period for value in sendable if (period := period_with_id(id_ := value.period, period_type))}
    over, last = set(expired(facts, list(periods.values()))), facts.open_until()
    for value in sendable:
        if words := _closed(periods.get(value.period), facts, over, last):
            refused.append(rejection(value, {"value": words}))
    return refused


def _closed(period: Period | None, facts: Facts, over: set[Period], last: date | None) -> str:
    if period in over:
        return f"{named(facts.data_set)} takes values until {expires_after(facts)} after the end of a period"
    if period and last and period.start > last:
        return f"the period is not open yet: today is {facts.today}"
    return ""
