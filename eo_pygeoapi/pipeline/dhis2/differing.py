"""How what DHIS2 holds in a cell differs from what it was sent, and the likely reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation

from eo_pygeoapi.contract.models import Difference, Likely
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, DataValue
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.stored import Held, same_number


@dataclass(frozen=True)
class SentToCell:
    """What we have sent to a cell last; several values where we do not know which of them DHIS2 has taken."""

    cell: Cell
    values: Sequence[str]

    @property
    def period(self) -> str:
        """The id of the period."""
        return self.cell[1]

    @property
    def last(self) -> DataValue:
        """What we have sent last, as far as we know."""
        unit, period, group = self.cell
        return DataValue(unit, period, self.values[-1], group)


def difference(sent: SentToCell, held: Mapping[Cell, Held], facts: Facts) -> Difference | None:
    """Return how a cell differs from what was sent; None where it does not."""
    org_unit, period, group = sent.cell
    theirs = held.get(sent.cell)
    likely: Likely
    if org_unit not in facts.units:
        likely, reason = "no such unit", "DHIS2 has no such organisation unit any more, or does not show it to us"
    elif not facts.may_read(facts.units[org_unit]):
        likely, reason = "not visible", f"our user {facts.user.username} may not see the values of this unit"
    elif theirs is None:
        likely, reason = "never arrived", "DHIS2 holds nothing there, and knows of nothing that was deleted"
    elif theirs.deleted:
        likely, reason = "deleted", f"it was deleted{_by(theirs, facts)}"
    elif any(same_number(theirs.value, value) for value in sent.values):
        return None
    elif not theirs.is_of_another([facts.user.username]) and any(
        _is_rounded(theirs.value, value) for value in sent.values
    ):
        type_ = (facts.element or {}).get("valueType", "")
        likely, reason = "rounded", f"DHIS2 has rounded it; the data element's value type is {type_}"
    else:
        likely, reason = "changed", f"it was changed{_by(theirs, facts)}"
    there = theirs if theirs and not theirs.deleted else Held("")
    return Difference(
        org_unit=org_unit,
        period=period,
        group=group,
        sent=sent.values[-1],
        held=there.value,
        likely=likely,
        reason=reason,
        stored_by=theirs.stored_by if theirs else "",
        stored_at=theirs.stored_at if theirs else "",
    )


def _by(held: Held, facts: Facts) -> str:
    who = f" by {held.stored_by}" if held.stored_by else ""
    if held.stored_by and held.stored_by == facts.user.username:
        who = f" by {held.stored_by}, our own user, but not by us"
    return f"{who}{f' at {held.stored_at}' if held.stored_at else ''}"


def _is_rounded(held: str, sent: str) -> bool:
    """Tell whether a number is another one with fewer decimals."""
    try:
        ours, theirs = Decimal(sent), Decimal(held)
    except InvalidOperation:
        return False
    places = theirs.normalize().as_tuple().exponent
    if not isinstance(places, int) or not theirs.is_finite() or not ours.is_finite():
        return False
    step = Decimal(1).scaleb(min(places, 0))
    return any(ours.quantize(step, how) == theirs for how in (ROUND_HALF_EVEN, ROUND_HALF_UP))
