"""Flow runs as Prefect lists them: pages of the runs of filters, newest first, each by one question."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import ceil

from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from eo_pygeoapi.gateway.client import KeptClient

FEW = 20
Counted = tuple[Sequence[FlowRun], int]  # runs, and the number of all that match


class RunPages:
    """Reads runs; Prefect gives `most` of them in one answer."""

    def __init__(self, client: KeptClient, most: int) -> None:
        self._client = client
        self._most = most

    def count(self, where: FlowRunFilter) -> int:
        """Return the number of runs."""
        return self._client.call(lambda client: client.count_flow_runs(flow_run_filter=where))

    def part(self, where: FlowRunFilter, limit: int, offset: int = 0) -> Counted:
        """Return so many runs from this one on, and the number of all."""
        size = max(1, min(limit, self._most))
        number, skipped = divmod(offset, size)
        runs, total = self._page(where, size, number)
        while len(runs) < skipped + limit and offset - skipped + len(runs) < total:
            number += 1
            more, total = self._page(where, size, number)
            if not more:
                break
            runs = [*runs, *more]
        return runs[skipped : skipped + limit], total

    def merged(self, wheres: Sequence[FlowRunFilter], limit: int, offset: int) -> Counted:
        """Return the same of filters that have no run in common, as if they were one.

        Of all but the first, which may have many more runs, all that may be newer are read.
        """
        if not wheres:
            return [], 0
        first, *others = wheres
        parts = [self.part(where, offset + limit) for where in others]
        few = [run for runs, _ in parts for run in runs]
        begin = max(offset - len(few), 0)  # so many of the first filter's are newer than those that are wanted
        runs, total = self.part(first, offset + limit - begin, begin)
        found = sorted([*runs, *few], key=_moment, reverse=True)
        return found[offset - begin :][:limit], total + sum(number for _, number in parts)

    def each(self, where: FlowRunFilter) -> Iterator[FlowRun]:
        """Yield all runs; Prefect is asked for a few, and for more as they are wanted."""
        few = min(FEW, self._most)
        runs, total = self._page(where, few, 0)
        yield from runs
        for number in range(ceil(total / self._most) if total > few else 0):
            runs, _ = self._page(where, self._most, number)
            yield from runs[few if number == 0 else 0 :]

    def _page(self, where: FlowRunFilter, size: int, number: int) -> Counted:
        order = FlowRunSort.EXPECTED_START_TIME_DESC.value
        body = {"flow_runs": where.model_dump(mode="json"), "sort": order, "limit": size, "page": number + 1}
        # the client has no method for it
        answer = self._client.call(lambda client: client.request("POST", "/flow_runs/paginate", json=body)).json()
        return FlowRun.model_validate_list(answer["results"]), int(answer["count"])


def _moment(run: FlowRun) -> datetime:
    return run.expected_start_time or datetime.max.replace(tzinfo=UTC)
