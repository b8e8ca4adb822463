"""What the configuration file says, as far as it is right; where it is not, what it said last.

A person may save a file with a mistake. Its datasets are still watched, and its channels still hear.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.operations import Operations
from eo_pygeoapi.datasets.read import inspect_datasets, inspect_operations, members_of
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.watch.problems import Condition, KeptProblem

WRONG_AFTER = timedelta(minutes=10)  # so long a person may take to edit it
_SHOWN = 3


@dataclass
class Configuration:
    """The file at `path`, read again at every look."""

    path: Path
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    operations: Operations = field(default_factory=Operations)
    base_url: str = ""
    mistakes: list[str] = field(default_factory=list)
    _unknown: set[str] = field(default_factory=set)  # datasets with mistakes of which no right block was seen
    _wrong_since: datetime | None = None

    def read(self, now: datetime) -> None:
        """Read the file; what is wrong stays as it was. Raises ConfigError where it was never read."""
        try:
            self._take(read_config(self.path))
        except ConfigError as error:
            if not self.base_url:
                raise
            self.mistakes = error.problems
        self._wrong_since = (self._wrong_since or now) if self.mistakes else None

    def holds(self, problem: KeptProblem) -> bool:
        """Tell whether nobody can say if a problem is over, for the file is wrong about a dataset of it."""
        return not self._unknown.isdisjoint(problem.datasets)

    def conditions(self, now: datetime) -> Iterator[Condition]:
        """Yield a condition where the file has had mistakes for longer than an edit takes."""
        if self._wrong_since is None:
            return
        more = len(self.mistakes) - _SHOWN
        listed = "; ".join(self.mistakes[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        yield Condition(
            event="failed",
            cause="configuration file",
            since=self._wrong_since,
            title="the configuration file has mistakes",
            message=f"The configuration file has mistakes: {redact(listed)}.",
            what_to_do="Datasets with mistakes get no new jobs once they are applied; they are watched as the file "
            "described them before. `eo-pygeoapi check` lists every mistake.",
            unsettled=now - self._wrong_since < WRONG_AFTER,
        )

    def _take(self, config: Mapping[str, object]) -> None:
        inspected = inspect_datasets(config, self.path.absolute().parent)
        operations, wrong = inspect_operations(config)
        named = {id_ for id_, resource in members_of(config, "resources") if "eo" in resource}
        before = {id_: dataset for id_, dataset in self.datasets.items() if id_ in named}
        self.datasets = {**before, **inspected.right}
        self._unknown = named - self.datasets.keys()
        self.operations = _right_or_before(operations, self.operations, wrong)
        server = config.get("server")
        url = server.get("url") if isinstance(server, dict) else None
        self.base_url = str(url or self.base_url).rstrip("/")
        self.mistakes = inspected.problems


def _right_or_before(now: Operations, before: Operations, wrong: list[str]) -> Operations:
    """Return what is right of the file, and where a member is not, what it was before."""
    if not wrong:
        return now
    # a channel that is named wrongly now is not gone
    return Operations(
        notify={**before.notify, **now.notify} if _of(wrong, "notify") else now.notify,
        tenants={**before.tenants, **now.tenants} if _of(wrong, "tenants") else now.tenants,
        retention=before.retention if _of(wrong, "retention") else now.retention,
    )


def _of(wrong: list[str], key: str) -> bool:
    return any(mistake.startswith(f"eo.{key}") for mistake in wrong)
