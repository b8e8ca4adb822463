"""What the enabled datasets of one connection need in DHIS2, before it is asked what it has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from eo_pygeoapi.contract.periods import period_of
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.identifiers import Object
from eo_pygeoapi.pipeline.dhis2.metadata.disaggregation import CategoryCombination


@dataclass(frozen=True)
class Need:
    """What one dataset needs: a data element for its values, in a data set that has its units.

    `units` are organisation units as DHIS2 has them, with `id`, `name`, `level` and `path`; `combination` is what a
    disaggregated dataset divides its values by.
    """

    dataset: Dataset
    units: Sequence[Object] = ()
    combination: CategoryCombination | None = None

    @property
    def data_element(self) -> str:
        """The identifier of the data element, as the configuration or the convention has it."""
        return self.dataset.dhis2.data_element

    @property
    def levels(self) -> list[int]:
        """The levels of the units."""
        return sorted({int(unit["level"]) for unit in self.units if unit.get("level")})

    def open_future_periods(self, today: date) -> int:
        """Return how many periods from the present one on have data already, as projections of the population do."""
        _, last = self.dataset.options.days()
        if last is None:
            return 0
        count, day = 0, today
        while (period := period_of(day, self.dataset.period_type)).start <= last:
            count, day = count + 1, period.end + timedelta(1)
        return count


@dataclass(frozen=True)
class Importer:
    """The user of DHIS2 that imports; `password` is for a user that is to be made.

    `held` is the user as DHIS2 has it, and `authorities` what its roles allow.
    """

    username: str
    password: str = ""
    held: Object | None = None
    authorities: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Needs:
    """What the datasets of a connection need together; `readers` are groups, their names by their UIDs."""

    datasets: Sequence[Need]
    today: date
    importer: Importer | None = None
    readers: Mapping[str, str] = field(default_factory=dict)

    @property
    def units(self) -> dict[str, Object]:
        """All units, by their UIDs."""
        return {str(unit["id"]): unit for need in self.datasets for unit in need.units}


def roots_of(units: Iterable[Object]) -> list[str]:
    """Return the UIDs of the fewest units that all of these lie below, or are; one for each tree."""
    shared: dict[str, list[str]] = {}
    for unit in units:
        path = [uid for uid in str(unit.get("path", "")).split("/") if uid]
        if not path:
            continue
        before = shared.setdefault(path[0], path)
        same = 0
        while same < min(len(before), len(path)) and before[same] == path[same]:
            same += 1
        shared[path[0]] = path[:same]
    return sorted(path[-1] for path in shared.values())
