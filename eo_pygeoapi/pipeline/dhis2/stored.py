"""What DHIS2 holds in the cells that a batch is about, and what that makes of each value."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple

from eo_pygeoapi.contract.models import KeptValue
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.client import DEFAULT_OPTION_COMBO, Dhis2
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue

Change = Literal["new", "changed", "unchanged", "kept", "ignored", "rejected"]
Cell = tuple[str, str]  # organisation unit, period
logger = logging.getLogger(__name__)


class Held(NamedTuple):
    """A value that DHIS2 holds, and who stored it."""

    value: str
    stored_by: str


@dataclass(frozen=True)
class Compared:
    """One of our values beside what DHIS2 holds in its cell."""

    ours: DataValue
    held: Held | None
    change: Change

    def row(self) -> dict[str, str]:
        """Return it as a row for people."""
        return {
            "orgUnit": self.ours.org_unit,
            "period": self.ours.period,
            "value": self.ours.value,
            "stored": self.held.value if self.held else "",
            "change": self.change,
        }

    def kept(self) -> KeptValue:
        """Return it as a value that is kept."""
        held = self.held or Held("", "")
        return KeptValue(
            org_unit=self.ours.org_unit,
            period=self.ours.period,
            value=self.ours.value,
            stored=held.value,
            stored_by=held.stored_by,
        )


class StoredValues:
    """Reads what DHIS2 holds of one data element and combination of options."""

    def __init__(self, dhis2: Dhis2, target: DatasetTarget, schemes: Mapping[str, str]) -> None:
        self._dhis2, self._target, self._schemes = dhis2, target, schemes
        self._default_combo = ""

    def of(self, values: Sequence[DataValue]) -> dict[Cell, Held]:
        """Return what is held in the cells of `values`, and around them."""
        if not values:
            return {}
        found = self._dhis2.stored_values(
            self._target.data_element,
            sorted({value.period for value in values}),
            sorted({value.org_unit for value in values}),
            data_set=self._target.data_set,
            id_schemes=self._schemes,
        )
        combos = {
            "categoryOptionCombo": self._target.category_option_combo,
            "attributeOptionCombo": self._target.attribute_option_combo,
        }
        for name, given in combos.items():
            combos[name] = given or self._default({value.get(name, "") for value in found})
        ours = [value for value in found if all(value.get(name, combo) == combo for name, combo in combos.items())]
        return {(value["orgUnit"], value["period"]): _held(value) for value in ours}

    def _default(self, used: set[str]) -> str:
        """Return the option combination that DHIS2 takes where none is given; asks only where it is not the usual."""
        if used <= {DEFAULT_OPTION_COMBO, ""}:
            return DEFAULT_OPTION_COMBO
        if not self._default_combo:
            try:
                self._default_combo = self._dhis2.default_option_combo()
            except Dhis2Error as error:
                if error.transient:
                    raise
                # not every user may list them; at worst values are sent again
                self._default_combo = DEFAULT_OPTION_COMBO
                logger.warning("taking %s for the default option combination: %s", DEFAULT_OPTION_COMBO, error)
        return self._default_combo


def compared(
    values: Sequence[DataValue],
    held: Mapping[Cell, Held],
    sent: Mapping[Cell, Collection[str]],
    target: DatasetTarget,
    username: str,
) -> Iterator[Compared]:
    """Say of each value what it is to DHIS2: new, changed, unchanged, kept or ignored.

    `sent` are the values that we may have sent last to a cell. What somebody else stored, or what is not the value
    that we sent last, is a person's: it is kept unless the dataset says `onConflict: overwrite`. `importStrategy`
    CREATE ignores changed values and UPDATE new ones; 2.43 does not know these any more, so it is done here.
    """
    for value in values:
        cell = (value.org_unit, value.period)
        theirs = held.get(cell)
        yield Compared(value, theirs, _change(value, theirs, sent.get(cell, ()), target, username))


def _change(value: DataValue, held: Held | None, sent: Collection[str], target: DatasetTarget, username: str) -> Change:
    if held is not None and same_number(held.value, value.value):
        return "unchanged"
    if target.import_strategy == ("UPDATE" if held is None else "CREATE"):
        return "ignored"
    if held is None:
        return "new"
    by_another = bool(held.stored_by) and held.stored_by != username
    not_ours = bool(sent) and not any(same_number(held.value, one) for one in sent)
    unknown = not held.stored_by and not sent
    return "kept" if target.on_conflict == "keep" and (by_another or not_ours or unknown) else "changed"


def same_number(left: str, right: str) -> bool:
    """Tell whether two texts are the same number."""
    if left == right:
        return True
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:  # what is stored is no number
        return False


def _held(value: Mapping[str, Any]) -> Held:
    return Held(str(value.get("value", "")), str(value.get("storedBy") or ""))
