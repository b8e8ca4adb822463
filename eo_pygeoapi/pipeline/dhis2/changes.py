"""What jobs have changed in DHIS2, cell by cell: each cell once, also where several jobs have changed it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Self

from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.batch_size import BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import batches
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, DataValue, value_in
from eo_pygeoapi.pipeline.dhis2.stored import same_number


class Change(NamedTuple):
    """What jobs did to one cell: the last one sent `value`, and before them all it held `before`, or nothing (None).

    `earlier` are the values that the jobs before the last one had sent, the last first, and `before_by` is who had
    stored `before`, as far as that is known.
    """

    org_unit: str
    period: str
    value: str
    before: str | None
    earlier: tuple[str, ...] = ()
    before_by: str = ""
    group: str = ""

    @property
    def cell(self) -> Cell:
        """The cell."""
        return self.org_unit, self.period, self.group

    @property
    def ours(self) -> DataValue:
        """What the last job sent."""
        return DataValue(self.org_unit, self.period, self.value, self.group)

    def has_been(self) -> DataValue:
        """Return what DHIS2 held before; nothing is an empty value."""
        return DataValue(self.org_unit, self.period, self.before or "", self.group)

    def replaced_another(self, users: Collection[str]) -> bool:
        """Tell whether somebody else than these users had stored the old value."""
        return bool(self.before_by) and self.before_by not in users

    def is_ours(self, held: str) -> bool:
        """Tell whether a value that DHIS2 holds is one that a job sent."""
        return any(same_number(held, value) for value in (self.value, *self.earlier))

    def after(self, first: "Change", users: Collection[str]) -> "Change":
        """Return this change and one of an earlier job as one; where a person came between, his value was before."""
        if self.before is None or self.replaced_another(users) or not same_number(self.before, first.value):
            return self
        earlier = (*self.earlier, first.value, *first.earlier)
        return self._replace(before=first.before, earlier=earlier, before_by=first.before_by)


Opens = Callable[[], AbstractContextManager[Iterator[Change]]]


@dataclass(frozen=True)
class Changes:
    """What one job or several have changed in one target: the number of cells, their units and periods, and the cells.

    Each of `opens` opens anew the cells of one of the `jobs`, or of several that have periods in common, ordered by
    period; the last comes first. `users` are those of DHIS2 that the jobs wrote as, and `of_others` counts the old
    values that somebody else had stored.
    """

    target: DatasetTarget
    count: int
    org_units: Sequence[str]
    periods: Sequence[str]
    opens: Sequence[Opens]
    jobs: Collection[str] = ()
    users: Collection[str] = ()
    of_others: int = 0

    @classmethod
    def of(cls, target: DatasetTarget, jobs: Mapping[str, Opens], users: Collection[str] = ()) -> Self:
        """Count the cells of these jobs, the last of which comes first."""
        units: dict[str, None] = {}
        periods: dict[str, None] = {}
        groups: list[_Group] = []
        for opens in jobs.values():
            own = _Group([opens])
            with opens() as cells:
                for change in cells:
                    units[change.org_unit], periods[change.period] = None, None
                    own.add(change, users)
            shared = [group for group in groups if group.periods & own.periods]
            groups = [group for group in groups if group not in shared]
            groups.append(_Group.joined([*shared, own], users) if shared else own)
        total, of_others = sum(group.count for group in groups), sum(group.of_others for group in groups)
        opened = [group.opened(users) for group in groups]
        return cls(target, total, list(units), list(periods), opened, list(jobs), users, of_others)

    def batches(self, sizes: BatchSizes, one_period: bool) -> Iterator[list[Change]]:
        """Yield the cells in batches of whole periods."""
        for opens in self.opens:
            with opens() as cells:
                yield from batches(cells, sizes, one_period)


@dataclass
class _Group:
    """Jobs that have periods in common, the last first, and how many cells they have changed."""

    jobs: list[Opens]
    periods: set[str] = field(default_factory=set)
    count: int = 0
    of_others: int = 0

    def add(self, change: Change, users: Collection[str]) -> None:
        self.periods.add(change.period)
        self.count += 1
        self.of_others += change.replaced_another(users)

    @classmethod
    def joined(cls, groups: Sequence["_Group"], users: Collection[str]) -> "_Group":
        found = cls([opens for group in groups for opens in group.jobs])
        for change in _folded(found.jobs, users):
            found.add(change, users)
        return found

    def opened(self, users: Collection[str]) -> Opens:
        return self.jobs[0] if len(self.jobs) == 1 else partial(_as_one, self.jobs, users)


def changes_in(rows: Iterable[Mapping[str, str]]) -> Iterator[Change]:
    """Yield the cells that a job has changed, from the rows of what its import found."""
    for row in rows:
        if row["change"] in ("new", "changed"):
            before = row["stored"] if row["change"] == "changed" else None
            unit, period, value, group = value_in(row)
            yield Change(unit, period, value, before, before_by=row.get("storedBy") or "", group=group)


@contextmanager
def _as_one(jobs: Sequence[Opens], users: Collection[str]) -> Iterator[Iterator[Change]]:
    """Open the cells of several jobs as those of one; a backfill's jobs of one part have few enough for memory."""
    yield iter(sorted(_folded(jobs, users), key=lambda change: (change.period, change.org_unit, change.group)))


def _folded(jobs: Sequence[Opens], users: Collection[str]) -> list[Change]:
    found: dict[Cell, Change] = {}
    for opens in jobs:
        with opens() as cells:
            for change in cells:
                found[change.cell] = found[change.cell].after(change, users) if change.cell in found else change
    return list(found.values())
