import os
from pathlib import Path

import pytest

from eo_pygeoapi.files import Reread, replacing, write_whole


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_whole(path, "first")
    with pytest.raises(RuntimeError), replacing(path) as unfinished:
        unfinished.write_text("half")
        assert path.read_text() == "first"
        raise RuntimeError
    assert path.read_text() == "first"
    write_whole(path, "ü")
    assert path.read_bytes() == "ü".encode()
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_of_secrets_is_for_its_user_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "secret", "x", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path, reads = tmp_path / "file", []

    def read(file: Path) -> str:
        reads.append(file)
        return file.read_text()

    kept = Reread(path, read)
    with pytest.raises(FileNotFoundError):
        kept.value()
    path.write_text("a")
    assert [kept.value(), kept.value()] == ["a", "a"] and len(reads) == 1
    before = path.stat()
    write_whole(path, "b")  # as long, and with the same times
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [kept.value(), kept.value()] == ["b", "b"] and len(reads) == 2
