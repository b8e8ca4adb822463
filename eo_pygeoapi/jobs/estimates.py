"""What a backfill is made of, and what it takes: periods, units, values, bytes, minutes, without a download.

It is reckoned from figures that were measured: what DHIS2 takes for a value, what a value takes in the store, and of
each source (its `cost`) what it sends. `docs/backfill.md` says how far they were off.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from eo_pygeoapi.contract.backfill import BackfillInputs, BackfillOutputs, Chunks
from eo_pygeoapi.contract.chunks import Chunk, chunks_of, most_values, part_for
from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Finding
from eo_pygeoapi.contract.periods import Period, whole_months
from eo_pygeoapi.contract.windows import Window
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.cost import Box, Cost, Needed
from eo_pygeoapi.datasets.source import SourceOptions
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.jobs.missing import Lacking, Missing, refused_before
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import read_facts
from eo_pygeoapi.pipeline.dhis2.findings import error, warning
from eo_pygeoapi.pipeline.dhis2.preflight import preflight
from eo_pygeoapi.settings import no_connection
from eo_pygeoapi.wording import counted

MIB = 2**20
SECONDS_A_VALUE = 0.0011  # DHIS2 with its database beside it, new values
SECONDS_A_JOB = 10.0  # to begin, to load the units, and to publish
BYTES_A_VALUE = 300  # of a job's files, the published values, the coverage and what is noted as sent


@dataclass(frozen=True)
class Plan:
    """The parts of a backfill, the newest first, with the number of values that are to be computed in each."""

    chunks: Sequence[Chunk] = ()
    values: int = 0
    findings: Sequence[Finding] = ()

    @property
    def periods(self) -> list[Period]:
        """All periods, in order."""
        return [period for chunk in reversed(self.chunks) for period in chunk.periods]


def plan_of(
    inputs: BackfillInputs,
    dataset: Dataset,
    periods: Sequence[Period],
    units: Sequence[str],
    missing: Missing,
    today: date,
) -> Plan:
    """Return the parts in which there is something to do; the findings say which periods the provider does not have."""
    first, last = dataset.options.extent()
    there = [p for p in periods if (first is None or p.start >= first) and (last is None or p.end <= last)]
    published = [p for p in there if (expected := dataset.options.expected(p.end)) is None or expected <= today]
    findings = [
        *_not_there(
            len(periods) - len(there), "periods-without-data", f"the source has data {_days(first, last)} only"
        ),
        *_not_there(len(there) - len(published), "not-published-yet", "the provider has not published them yet"),
    ]
    window, per_minute = Window.of(inputs.window, dataset.time_zone), inputs.max_values_per_minute
    most = most_values(per_minute, window)
    part = part_for(dataset.options.part(dataset.period_type), published, len(units), most)
    chunks, values, most_of_one, looked_at = [], 0, 0, list[Lacking]()
    for chunk in chunks_of(published, part):
        count = len(chunk.periods) * len(units)
        if inputs.only == "missing" and inputs.units == "all":
            looked_at.append(missing.lacking(chunk.periods, units))
            count = int(looked_at[-1].cells.sum())
        if count:
            chunks.append(chunk)
            values, most_of_one = values + count, max(most_of_one, count)
    findings += [*refused_before(looked_at), *_longer_than(window, most_of_one, per_minute)]
    return Plan(chunks, values, findings)


@dataclass(frozen=True)
class Surroundings:
    """What an estimate asks beside the plan: DHIS2, sizes of files, free bytes of the disk, and how many jobs run.

    `held` returns which of some days the download cache has of a dataset.
    """

    connect: Connect | None
    size: Callable[[str], int | None]
    free: Callable[[], int | None]
    at_once: int
    companions: Sequence[SourceOptions] = field(default_factory=tuple)
    held: Callable[[Dataset, Sequence[date]], Collection[date]] = lambda _dataset, _days: ()


def estimate(
    inputs: BackfillInputs,
    dataset: Dataset,
    plan: Plan,
    units: Sequence[str],
    box: Box | None,
    around: Surroundings,
    now: datetime,
) -> BackfillOutputs:
    """Return what a backfill takes, and what speaks against it."""
    cost = _cost(dataset, plan, box, around)
    known = cost or Cost()
    store = known.kept + plan.values * BYTES_A_VALUE
    per_minute = inputs.max_values_per_minute
    in_dhis2 = plan.values * max(SECONDS_A_VALUE, 60 / per_minute if per_minute else 0.0)
    at_once = max(min(around.at_once, len(plan.chunks)), 1)
    # providers take one request of a user after the other, and DHIS2 one import into a data element
    alone = known.seconds + in_dhis2 + len(plan.chunks) * SECONDS_A_JOB
    work = timedelta(seconds=max(known.seconds, in_dhis2, alone / at_once))
    ends = Window.of(inputs.window, dataset.time_zone).after(now, work)
    findings = [*plan.findings, *_findings(dataset, plan, units, around), *_disk(store, around.free())]
    if cost is None:
        findings.append(warning("cost", "the source does not say what its data cost, so the bytes are not known"))
    return BackfillOutputs(
        dataset_id=dataset.id,
        dry_run=True,
        chunks=Chunks(total=len(plan.chunks)),
        periods=len(plan.periods),
        org_units=len(units),
        values=plan.values,
        download_mi_b=round(known.download / MIB, 1),
        store_mi_b=round(store / MIB, 1),
        provider_requests=known.requests,
        provider_minutes=round(known.seconds / 60, 1),
        dhis2_minutes=round(in_dhis2 / 60, 1),
        minutes=round(work / timedelta(minutes=1), 1),
        ends=ends.isoformat(timespec="minutes"),
        findings=sorted(findings, key=lambda finding: finding.severity),
    )


def _cost(dataset: Dataset, plan: Plan, box: Box | None, around: Surroundings) -> Cost | None:
    """Return what is to be downloaded: the data that the cache lacks, and the people that they are weighed by."""
    wanted = [day for chunk in reversed(plan.chunks) for day in days(chunk.interval)]
    if box is None or not wanted:
        return Cost()
    sums_of_months = dataset.sums_steps and whole_months(plan.periods)
    own = _of_lacking(dataset, Needed(wanted, box, around.companions, around.size, sums_of_months), around)
    if own is None or not dataset.weighs_people:
        return own
    people = dataset.of_people()
    years = {people.options.nearest_year(period.year) for period in plan.periods}
    new_years = [date(year, 1, 1) for year in range(min(years), max(years) + 1)]
    more = _of_lacking(people, Needed(new_years, box, size=around.size), around)
    return None if more is None else own + more


def _of_lacking(dataset: Dataset, needed: Needed, around: Surroundings) -> Cost | None:
    held = set(around.held(dataset, needed.days))
    lacking = [day for day in needed.days if day not in held]
    return dataset.options.cost(replace(needed, days=lacking)) if lacking else Cost()


def _findings(dataset: Dataset, plan: Plan, units: Sequence[str], around: Surroundings) -> Iterator[Finding]:
    """Yield what the check before an import finds, for all periods at once."""
    target = dataset.dhis2
    if not plan.chunks:
        yield warning("nothing-to-do", "there is nothing to do: no value is missing, or none is to be had")
        return
    if not target.data_element:
        yield error("data-element", f"dataset {dataset.id!r} names no dhis2.dataElement, so nothing can be imported")
        return
    if around.connect is None:
        yield error("connection", no_connection(target.connection))
        return
    low = dataset.plausible[0] if dataset.plausible else dataset.options.plausible()[0]
    payload = Payload(
        target=target,
        count=plan.values,
        zero_count=plan.values if low == 0 else 0,
        fraction_count=0 if dataset.decimals == 0 else plan.values,
        org_units=list(units),
        periods=[period.id for period in plan.periods],
    )
    try:
        with around.connect() as dhis2:
            yield from preflight(read_facts(dhis2, target, payload.org_units, dataset.period_type), payload, dataset)
    except Dhis2Error as refused:
        yield error("dhis2", f"DHIS2 could not be asked what it takes: {refused}")


def _disk(wanted: int, free: int | None) -> Iterator[Finding]:
    if free is not None and wanted > free:
        words = f"it keeps about {wanted // MIB} MiB, and the disk has {free // MIB} MiB free; make room first"
        yield error("disk", words)


def _longer_than(window: Window, values: int, per_minute: int) -> Iterator[Finding]:
    """Say that a part takes longer than its window is open."""
    if per_minute and window.length < timedelta(days=1) and values / per_minute > window.length / timedelta(minutes=1):
        yield warning(
            "window",
            f"a part has up to {values} values, which take {values / per_minute / 60:.1f} hours at {per_minute} a "
            f"minute, and the window is open for {window.length / timedelta(hours=1):g}; a part that has begun goes on "
            "when it has closed, so allow more values a minute or fewer units",
        )


def _not_there(count: int, code: str, why: str) -> Iterator[Finding]:
    if count:
        yield warning(code, f"{counted(count, 'period')} left out: {why}")


def _days(first: date | None, last: date | None) -> str:
    return " ".join(filter(None, [f"from {first}" if first else "", f"until {last}" if last else ""]))
