"""The values that DHIS2 holds in the cells of a batch, and how each of our values compares with them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Literal, NamedTuple

from eo_pygeoapi.contract.models import KeptValue
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import period_with_id, span
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, DataValue, as_row

Change = Literal["new", "changed", "unchanged", "kept", "ignored", "rejected"]
GAP = 92  # days between two periods; what lies in a shorter gap is read too


class Held(NamedTuple):
    """A value that DHIS2 holds, who stored it, and when (as DHIS2 writes it); empty where DHIS2 does not say.

    Of a value that was `deleted` these are the last value, and who deleted it when.
    """

    value: str
    stored_by: str = ""
    stored_at: str = ""
    deleted: bool = False

    def is_of_another(self, users: Collection[str]) -> bool:
        """Tell whether DHIS2 says that somebody else than these users stored it."""
        return bool(self.stored_by) and self.stored_by not in users


class Compared(NamedTuple):
    """One of our values beside what DHIS2 holds in its cell."""

    ours: DataValue
    held: Held | None
    change: Change

    def row(self) -> dict[str, str]:
        """Return it as a row for people."""
        held = self.held or Held("")
        return as_row(self.ours, self.change, stored=held.value, stored_by=held.stored_by)

    def kept(self) -> KeptValue:
        """Return it as a value that is kept."""
        held = self.held or Held("")
        return KeptValue(
            org_unit=self.ours.org_unit,
            period=self.ours.period,
            group=self.ours.group,
            value=self.ours.value,
            stored=held.value,
            stored_by=held.stored_by,
            stored_at=held.stored_at,
        )


class StoredValues:
    """Reads the values that DHIS2 holds of one data element and combination of options, or of each of several groups.

    All identifiers of the target are UIDs; `names` are the units' names in our values, by UID.
    """

    def __init__(
        self, dhis2: Dhis2, target: DatasetTarget, default_combo: str, period_type: PeriodType, names: Mapping[str, str]
    ) -> None:
        self._dhis2, self._target, self._period_type, self._names = dhis2, target, period_type, names
        whole = {target.category_option_combo or default_combo: ""}
        self._groups = {combo: group for group, combo in target.disaggregation.items()} or whole
        self._of_attributes = target.attribute_option_combo or default_combo
        self._uids = {name: uid for uid, name in names.items()}

    def of(self, values: Sequence[DataValue], *, deleted: bool = False) -> dict[Cell, Held]:
        """Return the held values in the cells of `values`, and around them; with `deleted` also those that were."""
        units = sorted({self._uids[value.org_unit] for value in values})
        known = (period_with_id(id_, self._period_type) for id_ in {value.period for value in values})
        periods = sorted((period for period in known if period), key=lambda period: period.start)
        # the days from the first to the last of the periods, in parts where there are long gaps
        gaps = [n for n, (one, other) in enumerate(pairwise(periods), start=1) if (other.start - one.end).days > GAP]
        held: dict[Cell, Held] = {}
        for first, stop in pairwise([0, *gaps, len(periods)] if periods else []):
            days = span(periods[first:stop])
            found = self._dhis2.stored_values(
                self._target.data_element,
                days.start,
                days.end,
                units,
                data_set=self._target.data_set,
                deleted=deleted,
            )
            whole = next(iter(self._groups))
            held |= {
                (self._names[value["orgUnit"]], value["period"], self._groups[combo]): Held(
                    str(value.get("value", "")),
                    str(value.get("storedBy") or ""),
                    str(value.get("lastUpdated") or ""),
                    bool(value.get("deleted")),
                )
                for value in found
                if value["orgUnit"] in self._names
                and (combo := value.get("categoryOptionCombo", whole)) in self._groups
                and value.get("attributeOptionCombo", self._of_attributes) == self._of_attributes
            }
        return held


def compared(
    values: Sequence[DataValue],
    held: Mapping[Cell, Held],
    sent: Mapping[Cell, Collection[str]],
    target: DatasetTarget,
    username: str,
) -> Iterator[Compared]:
    """Compare each value with the held one: it is new, changed, unchanged, kept or ignored.

    `sent` are the values that we may have sent last to a cell. A held value belongs to a person if another user stored
    it, or if it is not the one that we sent last: it is kept, unless the dataset has `onConflict: overwrite`. The
    `importStrategy` CREATE ignores changed values, and UPDATE new ones; 2.43 does not have these any more, so we do it.
    """
    for value in values:
        cell = value.cell
        theirs, last = held.get(cell), sent.get(cell, ())
        change: Change
        if theirs is not None and same_number(theirs.value, value.value):
            change = "unchanged"
        elif target.import_strategy == ("UPDATE" if theirs is None else "CREATE"):
            change = "ignored"
        elif theirs is None:
            change = "new"
        else:
            by_another = theirs.is_of_another([username])
            not_ours = bool(last) and not any(same_number(theirs.value, one) for one in last)
            unknown = not theirs.stored_by and not last
            keep = target.on_conflict == "keep" and (by_another or not_ours or unknown)
            change = "kept" if keep else "changed"
        yield Compared(value, theirs, change)


def same_number(left: str, right: str) -> bool:
    """Tell whether two texts are the same number."""
    if left == right:
        return True
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:  # what is stored is no number
        return False
