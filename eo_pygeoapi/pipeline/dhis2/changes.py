"""What jobs have changed in DHIS2, cell by cell: each cell once, also where several jobs have changed it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.batching import batches
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, DataValue
from eo_pygeoapi.pipeline.dhis2.stored import same_number


class Change(NamedTuple):
    """What jobs did to one cell: the last one sent `value`, and before them all it held `before`, or nothing (None).

    `earlier` are the values that the jobs before the last one had sent, the last first.
    """

    org_unit: str
    period: str
    value: str
    before: str | None
    earlier: tuple[str, ...] = ()
    group: str = ""

    @property
    def ours(self) -> DataValue:
        """What the last job sent."""
        return DataValue(self.org_unit, self.period, self.value, self.group)

    def has_been(self) -> DataValue:
        """Return what DHIS2 held before; nothing is an empty value."""
        return DataValue(self.org_unit, self.period, self.before or "", self.group)

    def is_ours(self, held: str) -> bool:
        """Tell whether a value that DHIS2 holds is one that a job sent."""
        return any(same_number(held, value) for value in (self.value, *self.earlier))

    def after(self, first: "Change") -> "Change":
        """Return this change and one of an earlier job as one; where a person came between, his value was before."""
        if self.before is None or not same_number(self.before, first.value):
            return self
        return self._replace(before=first.before, earlier=(*self.earlier, first.value, *first.earlier))


Opens = Callable[[], AbstractContextManager[Iterator[Change]]]


@dataclass(frozen=True)
class Changes:
    """What one job or several have changed in one target: the number of cells, their units and periods, and the cells.

    Each of `jobs` opens anew the cells of one of them, or of several that have periods in common, ordered by period;
    the last comes first.
    """

    target: DatasetTarget
    count: int
    org_units: Sequence[str]
    periods: Sequence[str]
    jobs: Sequence[Opens]

    @classmethod
    def of(cls, target: DatasetTarget, jobs: Sequence[Opens]) -> "Changes":
        """Count the cells of these jobs, the last of which comes first."""
        units: dict[str, None] = {}
        periods: dict[str, None] = {}
        groups: list[tuple[set[str], list[Opens], int]] = []
        for opens in jobs:
            own, count = set[str](), 0
            with opens() as cells:
                for change in cells:
                    units[change.org_unit], periods[change.period] = None, None
                    own.add(change.period)
                    count += 1
            shared = [group for group in groups if group[0] & own]
            groups = [group for group in groups if group not in shared]
            several = [opener for _, openers, _ in shared for opener in openers]
            groups.append((own.union(*(of for of, _, _ in shared)), [*several, opens], count))
        opened = [openers[0] if len(openers) == 1 else partial(_as_one, openers) for _, openers, _ in groups]
        total = sum(count if len(openers) == 1 else len(_folded(openers)) for _, openers, count in groups)
        return cls(target, total, list(units), list(periods), opened)

    def batches(self, size: int, one_period: bool) -> Iterator[list[Change]]:
        """Yield the cells in batches of whole periods."""
        for opens in self.jobs:
            with opens() as cells:
                yield from batches(cells, size, one_period)


def changes_in(rows: Iterable[Mapping[str, str]]) -> Iterator[Change]:
    """Yield the cells that a job has changed, from the rows of what its import found."""
    for row in rows:
        if row["change"] in ("new", "changed"):
            before = row["stored"] if row["change"] == "changed" else None
            yield Change(row["orgUnit"], row["period"], row["value"], before, group=row.get("group") or "")


@contextmanager
def _as_one(jobs: Sequence[Opens]) -> Iterator[Iterator[Change]]:
    """Open the cells of several jobs as those of one; a backfill's jobs of one part have few enough for memory."""
    yield iter(sorted(_folded(jobs), key=lambda change: (change.period, change.org_unit, change.group)))


def _folded(jobs: Sequence[Opens]) -> list[Change]:
    found: dict[Cell, Change] = {}
    for opens in jobs:
        with opens() as cells:
            for change in cells:
                cell = change.ours.cell
                found[cell] = found[cell].after(change) if cell in found else change
    return list(found.values())
