"""Compare what DHIS2 holds with what it was sent, and say of each difference what its likely reason is."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from eo_pygeoapi.contract.models import Difference, Interval, Likely
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset, DatasetTarget
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.batch_size import BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import PAUSES, Report, again, batches
from eo_pygeoapi.pipeline.dhis2.client import Connect, Dhis2
from eo_pygeoapi.pipeline.dhis2.differing import SentToCell, difference
from eo_pygeoapi.pipeline.dhis2.facts import read_facts
from eo_pygeoapi.pipeline.dhis2.identifiers import look_up
from eo_pygeoapi.pipeline.dhis2.readiness import read_sure_facts
from eo_pygeoapi.pipeline.dhis2.sent import SentValues
from eo_pygeoapi.pipeline.dhis2.stored import StoredValues
from eo_pygeoapi.pipeline.dhis2.writing import in_uids, ledger_name
from eo_pygeoapi.settings import no_connection
from eo_pygeoapi.store.store import ResultStore

READ = 2_500  # values that are compared at once
Keep = Callable[[Sequence[Difference]], None]


@dataclass
class Compared:
    """How many of the values that were sent DHIS2 holds so, and how many not, by the likely reason."""

    sent: int = 0
    equal: int = 0
    by_reason: Counter[Likely] = field(default_factory=Counter)


def reconcile(
    store: ResultStore,
    dataset: Dataset,
    interval: Interval,
    connect: Connect | None,
    keep: Keep,
    *,
    report: Report = lambda _fraction: None,
    batch_size: int = READ,
    pauses: Sequence[float] = PAUSES,
) -> Compared:
    """Ask DHIS2 for every value that was sent for periods within the interval; `keep` is given the differences.

    Raises Dhis2Error where there is no such connection or data element, and Dhis2UnavailableError if DHIS2 is away.
    """
    name = dataset.dhis2.connection
    if connect is None:
        raise Dhis2Error(no_connection(name))
    found = Compared()
    with connect() as dhis2:
        of_target = ledger_name(_element_uid(dhis2, dataset.dhis2, pauses), dataset.dhis2)
        ledger = SentValues(store, name, of_target, groups=_groups(dhis2, dataset, pauses))
        wanted = [period.id for period in periods_in(interval, dataset.period_type)]
        units, count = set[str](), 0
        for _, noted in ledger.of_periods(wanted):
            units |= {unit for unit, _ in noted}
            count += 1
        facts = again(lambda: read_sure_facts(dhis2, dataset.dhis2, sorted(units), dataset.period_type), pauses)
        target = in_uids(dataset.dhis2, facts)
        stored = StoredValues(dhis2, target, facts.default_combo(), dataset.period_type, facts.names)
        done = 0
        for batch in batches(_sent(ledger, wanted), BatchSizes(fixed=batch_size)):
            values = [one.last for one in batch]
            # DHIS2 shows nothing at all, or refuses, where one of the units is not for our user to see
            there = [v for v in values if v.org_unit in facts.units and facts.may_read(facts.units[v.org_unit])]
            held = again(lambda: stored.of(there, deleted=True), pauses)  # noqa: B023  called at once
            differences = [d for one in batch if (d := difference(one, held, facts)) is not None]
            keep(differences)
            found.sent += len(batch)
            found.equal += len(batch) - len(differences)
            found.by_reason.update(difference.likely for difference in differences)
            done += len({value.period for value in values})
            report(done / count)
    return found


def _sent(ledger: SentValues, periods: Sequence[str]) -> Iterator[SentToCell]:
    for period, noted in ledger.of_periods(periods):
        yield from (SentToCell((unit, period, group), values) for (unit, group), values in noted.items() if values)


def _groups(dhis2: Dhis2, dataset: Dataset, pauses: Sequence[float]) -> Mapping[str, str]:
    """Return the UIDs of the option combinations of a disaggregation, by its groups."""
    if not dataset.dhis2.disaggregation:
        return {}
    return again(lambda: read_facts(dhis2, dataset.dhis2, [], dataset.period_type), pauses).group_uids


def _element_uid(dhis2: Dhis2, target: DatasetTarget, pauses: Sequence[float]) -> str:
    """Return the UID of the data element, by which the notes of what was sent are kept."""
    named = target.data_element
    found = again(lambda: look_up(dhis2, "dataElements", [named], "id,code,name"), pauses).objects.get(named)
    if found is None:
        raise Dhis2Error(f"DHIS2 has no data element {named!r}, or does not show it to us")
    return str(found["id"])
