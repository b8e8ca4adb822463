import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.store.store import MissingResultError, ResultStore


def test_keeps_json_text_and_bytes(store: ResultStore) -> None:
    store.write_json("jobs/1/result.json", {"name": "Ségou", "values": [1, 2.5, None]})
    store.write_text("jobs/1/notes/a.txt", "Ségou")
    store.write_bytes("jobs/10/output.bin", b"\x00\xff")

    assert store.read_json("jobs/1/result.json") == {"name": "Ségou", "values": [1, 2.5, None]}
    assert store.read_bytes("jobs/1/notes/a.txt").decode() == "Ségou"
    with store.open("jobs/10/output.bin") as stream:
        assert stream.read(1) == b"\x00"
    assert store.keys() == ["jobs/1/notes/a.txt", "jobs/1/result.json", "jobs/10/output.bin"]
    assert store.keys("jobs/1") == ["jobs/1/notes/a.txt", "jobs/1/result.json"]
    assert store.sizes("jobs/1") == {"result.json": store.open("jobs/1/result.json").seek(0, 2)}
    assert store.sizes("jobs/2") == {}
    assert store.exists("jobs/1/result.json") and not store.exists("jobs/1") and not store.exists("jobs/2")


def test_deletes_a_folder_and_nothing_beside_it(store: ResultStore) -> None:
    for key in ("jobs/1/a.json", "jobs/1/b/c.json", "jobs/10/a.json"):
        store.write_json(key, 1)

    store.delete("jobs/1")
    store.delete("jobs/1")

    assert store.keys() == ["jobs/10/a.json"]
    assert store.keys("jobs/1") == []


def test_what_is_missing_is_told_apart(store: ResultStore) -> None:
    with pytest.raises(MissingResultError, match=r"there is no 'jobs/1/result\.json'"):
        store.read_json("jobs/1/result.json")
    with pytest.raises(MissingResultError):
        store.open("jobs/1/result.json")
    with pytest.raises(MissingResultError):
        store.copy_to("jobs/1/result.json", Path("unused"))


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", ".hidden", "a\\b", "a\nb", "a\0"]
)
def test_unsafe_keys_are_refused(store: ResultStore, key: str) -> None:
    uses: list[Callable[[], object]] = [
        lambda: store.read_bytes(key),
        lambda: store.write_text(key, ""),
        lambda: store.exists(key),
        lambda: store.delete(key),
        lambda: store.url(key),
    ]
    for use in uses:
        with pytest.raises(ResultsError, match="is no key; allowed: a relative path"):
            use()


def test_a_store_that_is_away_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    store = ResultStore(str(tmp_path / "results"))

    uses: list[Callable[[], object]] = [
        lambda: store.read_json("jobs/1.json"),
        lambda: store.write_json("jobs/1.json", 1),
        lambda: store.exists("jobs/1.json"),
        lambda: store.keys("jobs"),
        lambda: store.sizes("jobs"),
    ]
    for use in uses:
        with pytest.raises(ResultsError, match=r"cannot .* 'jobs") as caught:
            use()
        assert not isinstance(caught.value, MissingResultError)


@pytest.mark.parametrize(("url", "reason"), [("nonsense://x", "nonsense"), ("s3x://user:secret@host/x", "s3x")])
def test_an_address_that_cannot_be_is_named_at_the_first_use(url: str, reason: str) -> None:
    store = ResultStore(url)

    with pytest.raises(ResultsError, match=reason) as caught:
        store.exists("a")
    assert "secret" not in f"{caught.value}{store!r}"


def test_a_write_that_fails_leaves_what_was_there(store: ResultStore, tmp_path: Path) -> None:
    store.write_text("jobs/1/a.txt", "old")

    with pytest.raises(ZeroDivisionError), store.new_file("jobs/1/a.txt") as path:
        path.write_text("half")
        raise ZeroDivisionError

    assert store.read_bytes("jobs/1/a.txt") == b"old"
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".")] == []


def test_a_file_that_is_being_written_is_not_listed(store: ResultStore) -> None:
    with store.new_file("jobs/1/a.txt") as path:
        path.write_text("half")
        assert store.keys() == [] and not store.exists("jobs/1/a.txt")
    assert store.keys() == ["jobs/1/a.txt"]


class TwoHalves(MemoryFileSystem):  # type: ignore[misc]
    """A file system whose files grow while they are written; `seen` is what the store shows meanwhile."""

    protocol = "halves"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    seen: ClassVar[list[list[str]]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("halves://", "memory://")))

    def put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        content = Path(lpath).read_bytes()
        with self.open(rpath, "wb") as stream:
            for half in (content[: len(content) // 2], content[len(content) // 2 :]):
                stream.write(half)
                self.seen.append(ResultStore("halves://results").keys())


def test_nobody_sees_a_part_of_a_file_where_files_grow() -> None:
    fsspec.register_implementation("halves", TwoHalves, clobber=True)
    store = ResultStore("halves://results")

    store.write_text("jobs/1/a.txt", "whole")
    store.write_text("jobs/1/a.txt", "anew")

    assert TwoHalves.seen == [[], [], ["jobs/1/a.txt"], ["jobs/1/a.txt"]]
    assert store.read_bytes("jobs/1/a.txt") == b"anew"
    assert [path for path in TwoHalves.store if path.endswith(".tmp")] == []


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800"])
def test_only_json_is_kept(store: ResultStore, value: object) -> None:
    with pytest.raises(ResultsError, match=r"cannot write 'a\.json'"):
        store.write_json("a.json", value)
    assert store.keys() == []


def test_json_that_is_none_is_an_error(store: ResultStore) -> None:
    store.write_text("a.json", "{")
    with pytest.raises(ResultsError, match=r"'a\.json' is not JSON"):
        store.read_json("a.json")


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    store.write_json("a.json", {"b": 1})

    code = "import sys; from eo_pygeoapi.store.store import ResultStore as S; print(S(sys.argv[1]).read_json('a.json'))"
    url = store.url("a.json").removesuffix("/a.json")
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)

    assert done.stdout == "{'b': 1}\n"
    assert store.local_path("a.json") == tmp_path / "a.json"
