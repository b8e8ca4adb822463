import gzip
import json
from pathlib import Path

import pytest

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.sent import SentValues
from eo_pygeoapi.store.store import ResultStore

VALUES = [DataValue("a", "20250701", "1"), DataValue("b", "20250701", "2"), DataValue("a", "20250801", "3")]


def sent(folder: Path, units: int = 3, dimensions: tuple[str, ...] = ("RainDaily01",)) -> SentValues:
    return SentValues(ResultStore(str(folder)), "national", dimensions, units)


class Store(ResultStore):
    """A store that may be full."""

    is_full = False

    def write_bytes(self, key: str, value: bytes) -> None:
        if self.is_full:
            raise ResultsError("the disk is full")
        super().write_bytes(key, value)


def test_nothing_is_known_and_nothing_written_before_the_first_import(tmp_path: Path) -> None:
    assert sent(tmp_path).known(VALUES) == {}
    assert list(sent(tmp_path).of_periods(["20250701"])) == []
    assert not list(tmp_path.iterdir())


def test_what_may_have_been_sent_is_known_until_it_is_certain(tmp_path: Path) -> None:
    sent(tmp_path).begin(VALUES)
    assert sent(tmp_path).known(VALUES[:1]) == {("a", "20250701", ""): ["1"]}
    sent(tmp_path).confirm(VALUES)
    later = [DataValue("a", "20250701", "9")]
    sent(tmp_path).begin(later)
    assert sent(tmp_path).known(later) == {("a", "20250701", ""): ["1", "9"]}
    sent(tmp_path).confirm(later)
    assert sent(tmp_path).known(VALUES) == {
        ("a", "20250701", ""): ["9"], ("b", "20250701", ""): ["2"], ("a", "20250801", ""): ["3"]
    }  # fmt: skip


def test_what_another_has_noted_meanwhile_is_kept(tmp_path: Path) -> None:
    ours, other = sent(tmp_path), sent(tmp_path)
    ours.begin(VALUES[:1])
    other.confirm(VALUES[1:2])
    assert ours.known(VALUES[:2]) == {("a", "20250701", ""): ["1"], ("b", "20250701", ""): ["2"]}
    ours.confirm(VALUES[:1])
    assert sent(tmp_path).known(VALUES[1:2])
    other.forget(VALUES[1:2])
    assert ours.known(VALUES[:2]) == sent(tmp_path).known(VALUES[:2]) == {("a", "20250701", ""): ["1"]}


def test_what_could_not_be_written_is_not_noted(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    ours = SentValues(store, "national", ("RainDaily01",), 3)
    ours.confirm(VALUES[:1])
    store.is_full = True
    with pytest.raises(ResultsError, match="full"):
        ours.confirm(VALUES[1:2])
    store.is_full = False
    later = DataValue("c", "20250701", "4")
    ours.confirm([later])
    assert ours.known([*VALUES, later]).keys() == {("a", "20250701", ""), later.cell}


def test_what_was_not_taken_is_forgotten(tmp_path: Path) -> None:
    sent(tmp_path).begin(VALUES)
    sent(tmp_path).confirm(VALUES, [("a", "20250701", "")])
    assert ("a", "20250701", "") not in sent(tmp_path).known(VALUES)


@pytest.mark.parametrize(("units", "files"), [(3, {"202507", "202508"}), (5001, {"20250701", "20250801"})])
def test_there_is_a_file_for_a_month_or_for_a_period_of_many_units(tmp_path: Path, units: int, files: set[str]) -> None:
    sent(tmp_path, units).begin(VALUES)
    sent(tmp_path, 3).begin(VALUES)  # as it was decided at first
    assert {path.name.split(".")[0] for path in tmp_path.glob("sent/national/*/2025*.json.gz")} == files


def test_a_file_is_one_gzip_file_in_which_periods_that_nothing_was_noted_of_stay_byte_by_byte(tmp_path: Path) -> None:
    ours = sent(tmp_path)
    ours.confirm([DataValue(unit, f"202507{day:02}", f"{day}") for day in range(1, 31) for unit in "abc"], job="one")
    (path,) = tmp_path.glob("sent/national/*/202507.json.gz")
    before = path.read_bytes()
    ours.confirm([DataValue("a", "20250715", "99")], job="two")
    (ours_now, theirs), after = (ours, sent(tmp_path)), path.read_bytes()
    found = json.loads(gzip.decompress(after))
    assert found["values"]["20250715"] == {"a": ["99"], "b": ["15"], "c": ["15"]}
    assert (found["jobs"]["20250714"], found["jobs"]["20250715"]) == ("one", {"a": "two", "b": "one", "c": "one"})
    alike = next(n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one != other)
    assert alike > len(before) / 3  # the first fourteen days
    days = [f"202507{day:02}" for day in range(1, 31)]
    assert dict(ours_now.of_periods(days)) == dict(theirs.of_periods(days))


def test_dimensions_stay_apart(tmp_path: Path) -> None:
    sent(tmp_path).confirm(VALUES)
    assert sent(tmp_path, dimensions=("RainDaily01", "CocFinal001", "")).known(VALUES) == {}
    assert sent(tmp_path, dimensions=("Rain/../x",)).known(VALUES) == {}
    sent(tmp_path, dimensions=("Rain/../x",)).begin(VALUES)
    assert len(list(tmp_path.glob("sent/national/*"))) == 2


def test_the_groups_of_a_unit_stay_apart_whatever_the_file_calls_them(tmp_path: Path) -> None:
    store, groups = ResultStore(str(tmp_path)), {"girls": "CocGirls001", "boys": "CocBoys0001"}
    ours = SentValues(store, "national", ("People00001",), 3, groups)
    values = [DataValue("a", "2026", "1", "girls"), DataValue("a", "2026", "2", "boys")]
    ours.confirm(values)
    sent(tmp_path, dimensions=("People00001",)).confirm([DataValue("a", "2026", "9")])
    assert ours.known(values) == {("a", "2026", "girls"): ["1"], ("a", "2026", "boys"): ["2"]}
    renamed = SentValues(store, "national", ("People00001",), 3, {"f_0": "CocGirls001"})
    assert dict(renamed.of_periods(["2026"])) == {"2026": {("a", "f_0"): ["1"]}}
    assert dict(sent(tmp_path, dimensions=("People00001",)).of_periods(["2026"])) == {"2026": {("a", ""): ["9"]}}
    ours.forget(values[:1])
    assert ours.known(values) == {("a", "2026", "boys"): ["2"]}


def test_notes_of_an_earlier_version_are_read_and_written_as_they_are(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    folder = "sent/national/RainDaily01"
    store.write_json(f"{folder}/layout.json", {"periodCharacters": 6})
    store.write_json(f"{folder}/202507.json", {"20250701": {"a": ["1"]}})
    assert sent(tmp_path).known(VALUES) == {("a", "20250701", ""): ["1"]}
    sent(tmp_path).confirm(VALUES)
    assert {path.name for path in tmp_path.glob(f"{folder}/2025*")} == {"202507.json", "202508.json"}
    assert [period for period, _ in sent(tmp_path).of_periods(["20250701", "20250702", "20250801"])] == [
        "20250701", "20250801"
    ]  # fmt: skip


def test_what_was_taken_back_is_forgotten(tmp_path: Path) -> None:
    sent(tmp_path).confirm(VALUES)
    sent(tmp_path).forget(VALUES[1:])
    assert sent(tmp_path).known(VALUES) == {("a", "20250701", ""): ["1"]}
    assert dict(sent(tmp_path).of_periods(["20250701", "20250801"])) == {"20250701": {("a", ""): ["1"]}, "20250801": {}}
    assert [list(units) for _, units in sent(tmp_path).of_periods(["20250701"])] == [[("a", "")]]


def test_damaged_notes_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    sent(tmp_path).confirm(VALUES)
    (tmp_path / "sent/national/RainDaily01/202507.json.gz").write_bytes(b"rubbish")
    with pytest.raises(ResultsError, match=r"202507\.json\.gz' is damaged"):
        sent(tmp_path).known(VALUES)


def test_the_job_that_has_sent_a_value_is_known_once_dhis2_has_taken_it(tmp_path: Path) -> None:
    a, b = ("a", "20250701", ""), ("b", "20250701", "")
    first = VALUES[:2]
    sent(tmp_path).begin(first)
    assert sent(tmp_path).jobs(first) == {}
    sent(tmp_path).confirm(first, job="one")
    assert sent(tmp_path).jobs(VALUES) == {a: "one", b: "one"}
    later = [DataValue("b", "20250701", "7")]
    sent(tmp_path).begin(later)
    assert sent(tmp_path).jobs(first) == {a: "one"}
    sent(tmp_path).confirm(later, job="two")
    assert sent(tmp_path).jobs(first) == {a: "one", b: "two"}
    sent(tmp_path).confirm([DataValue("b", "20250701", "2")])
    assert sent(tmp_path).jobs(first) == {a: "one"}
    sent(tmp_path).forget(first[:1])
    assert sent(tmp_path).jobs(first) == {}


def test_what_is_given_up_is_not_ours_whatever_dhis2_holds(tmp_path: Path) -> None:
    sent(tmp_path).confirm(VALUES, job="one")
    sent(tmp_path).give_up(VALUES[:1])
    assert sent(tmp_path).known(VALUES[:1]) == {("a", "20250701", ""): [""]}
    assert list(sent(tmp_path).of_periods(["20250701"])) == [("20250701", {("b", ""): ["2"]})]
