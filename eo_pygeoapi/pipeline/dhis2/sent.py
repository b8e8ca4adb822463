"""The values that we sent last, by cell, and the job that sent them: they tell a person's or a later job's from ours.

The results store keeps them under `sent/{connection}/{data element}/…`, a compressed file for each month, or for each
period if there are very many units: forty years are some hundreds of files. Each period is compressed by itself, so a
batch does that with its own periods alone. Before the import sends a batch it notes
the values beside the earlier ones, and after the answer of DHIS2 in place of them: an import that dies in between
leaves both, either counts as ours, and of no job is known that it sent them.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import groupby
from operator import attrgetter

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, DataValue
from eo_pygeoapi.store.store import MissingResultError, ResultStore

MANY_UNITS = 5000
COMPRESSED = ".json.gz"
YEAR = 4  # characters that the ids of all period types, and so the names of files, begin with
MONTH = 6  # characters of `202507`; it divides the ids of all period types well enough

BETWEEN = "\t"  # the unit and the option combination of a group
GIVEN_UP = ""  # in place of a value: what DHIS2 holds there is not ours

ByPeriod = list[tuple[str, list[DataValue]]]
_PERIOD = attrgetter("period")


@dataclass(frozen=True)
class Noted:
    """One file: by period and unit the values, and by period the job that sent them, or where several did, by unit."""

    values: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    jobs: dict[str, str | dict[str, str]] = field(default_factory=dict)

    def of(self, period: str) -> dict[str, list[str]]:
        """Return what is noted of a period, by unit; it may be changed."""
        return self.values.setdefault(period, {})

    def job(self, period: str, unit: str) -> str:
        """Return which job has sent what DHIS2 holds of us in a cell; empty where that is not known."""
        found = self.jobs.get(period, "")
        return found if isinstance(found, str) else found.get(unit, "")

    def attribute(self, period: str, units: Collection[str], job: str) -> None:
        """Note which job has sent the values of some units, each of which the period has."""
        found, every = self.jobs.get(period, ""), self.values.get(period, {})
        if found == job or len(units) == len(every):
            self.jobs[period] = job
            return
        by_unit = dict.fromkeys(every, found) if isinstance(found, str) else found
        by_unit = {unit: by_unit.get(unit, "") for unit in every} | dict.fromkeys(units, job)
        several = set(by_unit.values())
        self.jobs[period] = by_unit if len(several) > 1 else several.pop() if several else ""


@dataclass(frozen=True)
class _File:
    """A file as it was read or written: what its content says need not be read from it again while it is the same."""

    key: str
    content: bytes | None  # None where there is no file
    noted: Noted
    pieces: dict[str, bytes] = field(default_factory=dict)  # of periods, as the file has them


_NOTHING = _File("", None, Noted())


class SentValues:
    """The values sent to one data element of one connection.

    `dimensions` are its UID, and option combinations; `groups` the UIDs of those of a disaggregated dataset's groups.
    """

    def __init__(
        self,
        store: ResultStore,
        connection: str,
        dimensions: Sequence[str],
        org_unit_count: int = 0,
        groups: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._combos = {"": "", **(groups or {})}
        self._folder = f"sent/{_safe(connection)}/{_safe('-'.join(part for part in dimensions if part))}"
        self._org_unit_count = org_unit_count
        # a file has many batches: the one that was looked at last, and the one that was written last
        self._looked_at = self._written = _NOTHING

    def known(self, values: Sequence[DataValue]) -> dict[Cell, list[str]]:
        """Return the values that we may have sent last to the cells of `values`."""
        found: dict[Cell, list[str]] = {}
        for noted, period, some in self._noted(values):
            of_period = noted.values.get(period, {})
            found |= {value.cell: last for value in some if (last := of_period.get(self._name(value)))}
        return found

    def jobs(self, values: Sequence[DataValue]) -> dict[Cell, str]:
        """Return the jobs that have sent what DHIS2 holds of us in the cells of `values`, where that is known."""
        return {
            value.cell: job
            for noted, period, some in self._noted(values)
            for value in some
            if (job := noted.job(period, self._name(value)))
        }

    def of_periods(self, periods: Iterable[str]) -> Iterator[tuple[str, Mapping[tuple[str, str], Sequence[str]]]]:
        """Yield each of these periods, in order, with the values that we may have sent last, by unit and group."""
        wanted = set(periods)
        years = {period[:YEAR] for period in wanted}
        for key in self._files():
            if key.rpartition("/")[2][:YEAR] not in years:
                continue
            noted = self._read(key)
            for period in sorted(wanted & noted.values.keys()):
                yield period, self._ours(noted.values[period])

    def begin(self, values: Sequence[DataValue], before: Mapping[Cell, str] | None = None) -> None:
        """Note that the values are about to be sent, in place of those `before`, which count as ours from now on."""
        replaced = before or {}
        for key, by_period in self._by_file(values):
            file = self._taken(key)
            for period, some in by_period:
                of_period = file.noted.of(period)
                for value in some:
                    of_unit = of_period.setdefault(self._name(value), [])
                    old = replaced.get(value.cell)
                    if not of_unit and old is not None:
                        of_unit.append(old)
                    if value.value not in of_unit:
                        of_unit.append(value.value)
            self._write(file, by_period)

    def confirm(self, values: Sequence[DataValue], not_taken: Iterable[Cell] = (), job: str = "") -> None:
        """Note that DHIS2 has taken the values, but for those of some cells, and from which job, if from one."""
        refused = set(not_taken)
        for key, by_period in self._by_file(values):
            file = self._taken(key)
            for period, some in by_period:
                of_period = file.noted.of(period)
                for value in some:
                    if value.cell not in refused:
                        of_period[self._name(value)] = [value.value]
                    elif value.value in (before := of_period.get(self._name(value), [])):
                        before.remove(value.value)
            taken = [(period, [value for value in some if value.cell not in refused]) for period, some in by_period]
            self._write(file, taken, job)

    def give_up(self, values: Sequence[DataValue]) -> None:
        """Note that what DHIS2 holds in the cells of `values` is not ours, whoever it says has stored it."""
        self.confirm([value._replace(value=GIVEN_UP) for value in values])

    def forget(self, values: Sequence[DataValue]) -> None:
        """Note that DHIS2 holds nothing of ours any more in the cells of `values`."""
        for key, by_period in self._by_file(values):
            file = self._taken(key)
            for period, some in by_period:
                for value in some:
                    file.noted.of(period).pop(self._name(value), None)
            self._write(file, by_period)

    def _noted(self, values: Sequence[DataValue]) -> Iterator[tuple[Noted, str, list[DataValue]]]:
        """Yield each period and its values, with the file that they are noted in; none before the first import."""
        if not self._store.exists(self._layout_key):  # to read decides nothing
            return
        for key, by_period in self._by_file(values):
            noted = self._read(key)
            yield from ((noted, period, some) for period, some in by_period)

    def _name(self, value: DataValue) -> str:
        """Return the name of a value among those of its period."""
        return f"{value.org_unit}{BETWEEN}{self._combos[value.group]}" if value.group else value.org_unit

    def _ours(self, noted: Mapping[str, list[str]]) -> dict[tuple[str, str], Sequence[str]]:
        """Return the values of a period that are of our groups, or of none where we have none."""
        groups = {combo: group for group, combo in self._combos.items() if group} or {"": ""}
        found: dict[tuple[str, str], Sequence[str]] = {}
        for name, values in noted.items():
            unit, _, combo = name.partition(BETWEEN)
            if combo in groups and values != [GIVEN_UP]:
                found[unit, groups[combo]] = values
        return found

    def _by_file(self, values: Sequence[DataValue]) -> Iterable[tuple[str, ByPeriod]]:
        length = (int(self._layout["periodCharacters"]) or None) if values else None
        by_period = [(period, list(some)) for period, some in groupby(sorted(values, key=_PERIOD), key=_PERIOD)]
        for name, periods in groupby(by_period, key=lambda found: found[0][:length]):
            yield f"{self._folder}/{_safe(name)}{self._suffix}", list(periods)

    def _files(self) -> list[str]:
        """Return the keys of the files, which are in the order of their periods; none before the first import."""
        if not self._store.exists(self._layout_key):  # to read decides nothing
            return []
        return [key for key in self._store.keys(self._folder) if key.endswith(self._suffix) and key != self._layout_key]

    @property
    def _layout_key(self) -> str:
        return f"{self._folder}/layout.json"

    @property
    def _suffix(self) -> str:
        return str(self._layout.get("suffix", ".json"))

    @cached_property
    def _layout(self) -> JsonObject:
        """How many characters of a period name its file, 0 for all, and how that ends; decided at the first import."""
        found: JsonObject | None = self._store.read_json(self._layout_key, default=None)
        if found is None:
            characters = 0 if self._org_unit_count > MANY_UNITS else MONTH
            found = {"periodCharacters": characters, "suffix": COMPRESSED}
            self._store.write_json(self._layout_key, found)
        return found

    def _read(self, key: str) -> Noted:
        """Return what a file notes, which may not be changed."""
        last, content = self._looked_at, self._content(key)
        if (last.key, last.content) != (key, content):
            self._looked_at = last = _File(key, content, _noted_in(key, content))
        return last.noted

    def _taken(self, key: str) -> _File:
        """Return what a file notes, to be changed and written."""
        last, self._written = self._written, _NOTHING
        content = self._content(key)
        return last if (last.key, last.content) == (key, content) else _File(key, content, _noted_in(key, content))

    def _content(self, key: str) -> bytes | None:
        try:
            return self._store.read_bytes(key)
        except MissingResultError:
            return None

    def _write(self, file: _File, changed: ByPeriod, job: str = "") -> None:
        """Write a file in which values of some periods are noted anew, and the job that sent them, if that is known."""
        key, noted, pieces = file.key, file.noted, file.pieces
        for period, some in changed:
            pieces.pop(period, None)
            if some:
                noted.attribute(period, {self._name(value) for value in some} & noted.of(period).keys(), job)
        pack: Callable[[bytes], bytes] = bytes
        if key.endswith(COMPRESSED):
            pack = partial(gzip.compress, compresslevel=1, mtime=0)  # several one after the other are a gzip file too
        for period in noted.values.keys() - pieces.keys():
            pieces[period] = pack(_json(period) + b":" + _json(noted.values[period]))
        values = pack(b",").join(pieces[period] for period in noted.values)
        content = pack(b'{"values":{') + values + pack(b'},"jobs":' + _json(noted.jobs) + b"}")
        self._store.write_bytes(key, content)
        self._written = _File(key, content, noted, pieces)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _noted_in(key: str, content: bytes | None) -> Noted:
    if content is None:
        return Noted()
    try:
        found = json.loads(gzip.decompress(content) if key.endswith(COMPRESSED) else content)
    except (OSError, EOFError, ValueError) as error:
        raise ResultsError(f"results store: {key!r} is damaged: {error}") from error
    # files of before jobs were noted have the values alone
    return Noted(**found) if "values" in found else Noted(values=found)


def _safe(name: str) -> str:
    """Return the name as a part of a key; names that lose something by it stay apart."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:100]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
