"""Which values of a backfill are missing in DHIS2, and which of those it would refuse again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Finding, Rejected
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.facts import Facts, read_facts
from eo_pygeoapi.pipeline.dhis2.findings import warning
from eo_pygeoapi.pipeline.dhis2.refused_again import refused_again
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.wording import counted


class Lacking(NamedTuple):
    """Which values are missing, a row for each period and a column for each unit.

    Of those that DHIS2 refused: how many it may take now, and which it would refuse again, which are not missing.
    """

    cells: NDArray[np.bool_]
    tried_again: int = 0
    refused: Sequence[Rejected] = ()


@dataclass
class Missing:
    """The missing values of a dataset; DHIS2 is asked once, and only where it has refused values before.

    Where it cannot be asked, what it has refused is missing.
    """

    coverage: CoverageTable
    dataset: Dataset
    connect: Connect | None
    _facts: dict[tuple[str, ...], Facts | None] = field(default_factory=dict)

    def lacking(self, periods: Sequence[Period], org_units: Sequence[str]) -> Lacking:
        """Return what is missing of these periods and units."""
        cells, before = self.coverage.lacking(periods, org_units)
        if not before.any() or (facts := self._read(org_units)) is None:
            return Lacking(cells, int(before.sum()))
        places = {(periods[row].id, org_units[column]): (row, column) for row, column in np.argwhere(before)}
        values = [DataValue(unit, period, "") for period, unit in places]
        refused = refused_again(facts, self.dataset.period_type, values)
        for entry in refused:
            cells[places[entry.period, entry.org_unit]] = False
        return Lacking(cells, len(places) - len(refused), refused)

    def _read(self, org_units: Sequence[str]) -> Facts | None:
        key = tuple(org_units)
        if key not in self._facts:
            self._facts[key] = None
            if self.connect is not None:
                try:
                    with self.connect() as dhis2:
                        self._facts[key] = read_facts(dhis2, self.dataset.dhis2, org_units, self.dataset.period_type)
                except Dhis2Error:  # the estimate says so, and the parts wait for it
                    pass
        return self._facts[key]


def refused_before(found: Sequence[Lacking]) -> Iterator[Finding]:
    """Yield what is to be said of the values that DHIS2 refused before."""
    refused = [entry for lacking in found for entry in lacking.refused]
    if refused:
        first = refused[0]
        yield warning(
            "refused-again",
            f"{counted(len(refused), 'refused value')} not counted as missing, for DHIS2 would refuse the same again, "
            f"such as {first.period} of {first.org_unit}: {first.reason}; when that is mended, the same backfill does "
            "what is left out now",
        )
    if again := sum(lacking.tried_again for lacking in found):
        words = f"{counted(again, 'value')} that DHIS2 refused at the last try: tried again"
        yield warning("refused-before", words)
