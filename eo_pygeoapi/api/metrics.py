"""`GET /metrics`: the feeds in numbers, as Prometheus reads them.

The watch has counted them (`watch/numbers.py`); what is asked here is the results store alone.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.answers import answer_page, executions_of, header_of, headers_of
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.datasets.operations import EVENTS
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.watch.numbers import DatasetNumbers, Numbers, last_numbers
from eo_pygeoapi.watch.problems import Book, KeptProblem

_OF_DATASET = ("dataset", "tenant")
_ENDED = ("successful", "failed", "dismissed")
_ACTIVE = ("accepted", "running")


def get_metrics(api: API, request: APIRequest) -> Answer:
    """Return the numbers in the text format of Prometheus, or as a page; of the server as a whole to who sees all."""
    store, asking = executions_of(api).store, viewer()
    numbers, whole = last_numbers(store), asking.operator
    if numbers:
        whole = asking.sees("") and all(asking.sees(dataset.tenant) for dataset in numbers.datasets)
        seen = [dataset for dataset in numbers.datasets if asking.sees(dataset.tenant)]
        numbers = numbers.model_copy(update={"datasets": seen})
    feeds = _Feeds(numbers, Book(store).open(), datetime.now(UTC), whole=whole)
    if request.format == "html" and "text/plain" not in header_of(request, "Accept"):
        return answer_page(api, request, "metrics.html", {"metrics": list(feeds.collect()), "number": _for_people})
    registry = CollectorRegistry(auto_describe=False)
    registry.register(feeds)
    return headers_of(api, request, CONTENT_TYPE_LATEST), 200, generate_latest(registry).decode()


class _Feeds(Collector):
    """The numbers of one moment."""

    def __init__(self, numbers: Numbers | None, problems: Iterable[KeptProblem], now: datetime, *, whole: bool) -> None:
        self._numbers, self._problems, self._now, self._whole = numbers, list(problems), now, whole

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; those that nothing is known of have no samples."""
        events = [event for event in EVENTS if event != "recovered"]
        open_ = [((event,), sum(problem.kind == event for problem in self._problems)) for event in events]
        yield _gauge("problems_open", "Open problems by event.", ("event",), open_)
        if (numbers := self._numbers) is None:
            return
        if self._whole:
            yield from _of_server(numbers)
        for name, about, value in (
            ("published_until", "End of the newest period with published values.", "published_until"),
            ("imported_until", "End of the newest period that DHIS2 holds from us.", "imported_until"),
        ):
            samples = [(d, _end(until)) for d in numbers.datasets if (until := getattr(d, value)) is not None]
            yield _of_datasets(f"dataset_{name}_timestamp_seconds", about, samples)
        fresh = [(d, self._now.timestamp() - _end(d.published_until)) for d in numbers.datasets if d.published_until]
        yield _of_datasets("dataset_freshness_seconds", "How long ago the newest published period ended.", fresh)
        ok = [(d, d.last_success.timestamp()) for d in numbers.datasets if d.last_success]
        yield _of_datasets("dataset_last_success_timestamp_seconds", "When a job last succeeded.", ok)
        late = [(d, float(d.late)) for d in numbers.datasets]
        yield _of_datasets("dataset_late", "1 where the newest period is older than it should be.", late)
        gaps = [(d, float(d.gaps)) for d in numbers.datasets]
        yield _of_datasets("dataset_gaps", "Periods without values before the newest.", gaps)
        yield from _of_jobs(numbers.datasets)


def _of_server(numbers: Numbers) -> Iterator[Metric]:
    yield _number("watch_last_look_timestamp_seconds", "When the watch has last counted.", numbers.at.timestamp())
    yield _number("prefect_up", "1 where the Prefect server answered then.", float(numbers.prefect))
    yield _number("queue_jobs", "Jobs of all processes that wait.", numbers.waiting)
    yield _number("workers", "Workers that are alive.", numbers.workers)
    if numbers.worker_seen:
        seen = numbers.worker_seen.timestamp()
        yield _number("worker_last_seen_timestamp_seconds", "Last sign of life of any worker.", seen)
    if numbers.disk_total:
        yield _number("disk_free_bytes", "Free on the disk of the data folder.", numbers.disk_free)
        yield _number("disk_size_bytes", "Size of the disk of the data folder.", numbers.disk_total)


def _of_jobs(datasets: Iterable[DatasetNumbers]) -> Iterator[Metric]:
    active = GaugeMetricFamily(_name("jobs"), "Jobs that have not ended.", labels=[*_OF_DATASET, "status"])
    ended = CounterMetricFamily(
        _name("jobs_ended"), "Jobs that have ended, removed ones too.", labels=[*_OF_DATASET, "status"]
    )
    values = CounterMetricFamily(
        _name("values_imported"), "Values that imports have made or changed in DHIS2.", labels=_OF_DATASET
    )
    for dataset in datasets:
        labels = (dataset.id, dataset.tenant)
        for status in _ACTIVE:
            active.add_metric([*labels, status], dataset.active.get(status, 0))
        counts = {str(status): count for status, count in dataset.totals.jobs.items()}
        for status in _ENDED:
            ended.add_metric([*labels, status], counts.get(status, 0))
        values.add_metric(labels, dataset.totals.values)
    yield from (active, ended, values)


def _of_datasets(name: str, about: str, samples: Iterable[tuple[DatasetNumbers, float]]) -> Metric:
    return _gauge(name, about, _OF_DATASET, (((d.id, d.tenant), value) for d, value in samples))


def _gauge(
    name: str, about: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(_name(name), about, labels=labels)
    for values, number in samples:
        gauge.add_metric(values, number)
    return gauge


def _number(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_name(name), about, value=value)


def _name(name: str) -> str:
    return f"eo_pygeoapi_{name}"


def _for_people(name: str, value: float) -> str:
    """Write a number of a metric for people: moments as such, lengths of time in days."""
    if name.endswith("_timestamp_seconds"):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC"
    if name.endswith("_seconds"):
        return f"{value / 86400:,.1f} days"
    return f"{value / 1e9:,.1f} GB" if name.endswith("_bytes") else f"{value:,.6g}"


def _end(day: date) -> float:
    """Return when a day is over, in UTC."""
    return datetime.combine(day + timedelta(1), time(), UTC).timestamp()
