import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pygeoapi.util import yaml_load

from eo_pygeoapi.datasets.config_file import read_config, yaml_path
from eo_pygeoapi.errors import ConfigError

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "config.yml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


# Variables

VALUES = [
    "text",
    "two words",
    "5",
    "-5",
    "+5",
    "05",
    "0",
    "00",
    "1.5",
    "01.5",
    ".5",
    "1e3",
    "1.5e3",
    "1_000",
    "1.0.0",
    "true",
    "True",
    "FALSE",
    "yes",
    "no",
    "on",
    "NO",
    "null",
    "~",
    "",
    " 5 ",
    "2025-07-01",
    "12:30",
    "a: b",
    "[1, 2]",
    "{a: 1}",
    "# comment",
    "- a",
    "*alias",
    "0x10",
    "0b1",
    "nan",
    ".inf",
    "127.0.0.1",
    "${OTHER}",
    "a\\1b",
]


@pytest.mark.parametrize("value", VALUES)
def test_variables_become_what_pygeoapi_makes_of_them(
    write: Write, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EO_TEST", value)
    text = "a: ${EO_TEST}\nb:\n- x${EO_TEST}\n- '${EO_TEST}'\n- \"${EO_TEST}\"\nc:\n  d: ${EO_TEST}${EO_TEST}/x\n"
    ours, theirs = read_config(write(text)), yaml_load(io.StringIO(text))
    assert repr(ours) == repr(theirs)  # 5 is not 5.0, nor true 1
    assert ours["b"][1:] == ["${EO_TEST}"] * 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(value=st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.from_regex(r"[-+.0-9a-f_]{1,6}"))
def test_any_value_becomes_what_pygeoapi_makes_of_it(value: str, write: Write) -> None:
    text = f"a: ${{EO_TEST_UNSET:-{value}}}\n"
    path = write(text)
    try:
        theirs = yaml_load(io.StringIO(text))
    except Exception:  # the value makes it no YAML; then it must be none for us either
        assert problems(path)
        return
    assert repr(read_config(path)) == repr(theirs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${EO_TEST_UNSET:-fallback}", "fallback"),
        ("${EO_TEST_UNSET:-}", ""),
        ("${EO_TEST_UNSET:-8080}", 8080),
        ("${EO_TEST_EMPTY:-fallback}", ""),
        ("${EO_TEST:-fallback}/x", "here/x"),
        ("'${EO_TEST_UNSET}'", "${EO_TEST_UNSET}"),
        ('"${EO_TEST_UNSET}"', "${EO_TEST_UNSET}"),
        ("|\n  ${EO_TEST_UNSET}", "${EO_TEST_UNSET}\n"),
        ("$EO_TEST", "$EO_TEST"),
        ("rain-{YYYY}.nc", "rain-{YYYY}.nc"),
    ],
)
def test_defaults_quotes_and_other_braces(
    write: Write, text: str, expected: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EO_TEST", "here")
    monkeypatch.setenv("EO_TEST_EMPTY", "")
    monkeypatch.delenv("EO_TEST_UNSET", raising=False)
    assert read_config(write(f"a: {text}\n"))["a"] == expected


def test_variables_may_stand_in_keys_and_lists(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EO_TEST", "key")
    assert read_config(write("${EO_TEST}:\n- 1\n- ${EO_TEST}\n")) == {"key": [1, "key"]}


def test_all_variables_that_are_not_set_are_named_with_their_lines(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EO_TEST_A", "EO_TEST_B", "EO_TEST_C"):
        monkeypatch.delenv(name, raising=False)
    assert problems(write("a: ${EO_TEST_A}/${EO_TEST_B}\nb:\n  c: ${EO_TEST_C}\n")) == [
        "line 1: uses ${EO_TEST_A}, which the environment does not set",
        "line 1: uses ${EO_TEST_B}, which the environment does not set",
        "line 3: uses ${EO_TEST_C}, which the environment does not set",
    ]


# What is no configuration


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "nowhere.yml")
    assert problem == (
        f"cannot read the configuration file {tmp_path / 'nowhere.yml'}: No such file or directory; "
        "`eo-pygeoapi init` writes one"
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "Is a directory" in problems(tmp_path)[0]


def test_other_encodings_are_refused(write: Write) -> None:
    assert problems(write("title: Données".encode("latin-1"))) == ["not a UTF-8 text file"]


def test_a_byte_order_mark_is_no_text(write: Write) -> None:
    assert read_config(write(b"\xef\xbb\xbfa: \xc3\xa9\n")) == {"a": "é"}


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "- a\n- b\n", "text", "5"])
def test_what_is_no_mapping_is_refused(write: Write, text: str) -> None:
    assert problems(write(text)) == ["expected a mapping with server, logging, metadata and resources"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [1,\nc: 2\n", 4, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: b: c\n", 1, "mapping values are not allowed here"),
        ("a: *nowhere\n", 1, "undefined alias 'nowhere'"),
        ("a: 1\nb: !unknown x\n", 2, "!unknown"),
    ],
)
def test_yaml_mistakes_come_with_the_line(write: Write, text: str, line: int, words: str) -> None:
    (problem,) = problems(write(text))
    assert f"line {line}, column " in problem and words in problem


def test_control_characters_are_no_yaml(write: Write) -> None:
    assert "not valid YAML" in problems(write(b"a: \x00\n"))[0]


def test_days_that_do_not_exist_are_named(write: Write) -> None:
    assert problems(write("a: 1\ntime: 2025-02-30\n")) == ["line 2: '2025-02-30' looks like a date and is none"]


# Keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3: the key 'a' stands here again, first in line 1"]),
        ("a: 1\n'a': 2\n", ["line 2: the key 'a' stands here again, first in line 1"]),
        ("r:\n  x: {eo: {}, eo: {}}\n", ["line 2: the key 'eo' stands here again, first in line 2"]),
        ("l:\n- a: 1\n  a: 2\n", ["line 3: the key 'a' stands here again, first in line 2"]),
        (
            "a: 1\na: 2\na: 3\n",
            [f"line {line}: the key 'a' stands here again, first in line 1" for line in (2, 3)],
        ),
    ],
)
def test_a_key_that_stands_twice_is_a_mistake(write: Write, text: str, expected: list[str]) -> None:
    assert problems(write(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a: {x: 1}\nb: {x: 1}\n",
        "1: a\n'1': b\n",
        "base: &base {x: 1, y: 2}\nown: {<<: *base, x: 3}\n",
        "in: {a: &a {x: 1}, b: &b {<<: *a, x: 2}}\nown: {<<: [*a, *b], x: 3}\nother: {<<: *b, x: 4}\n",
    ],
)
def test_equal_names_in_different_places_and_merges_are_none(write: Write, text: str) -> None:
    assert read_config(write(text)) == yaml_load(io.StringIO(text))


# The shipped file


def test_the_shipped_file_reads_as_in_pygeoapi() -> None:
    path = Path(__file__).parents[2] / "pygeoapi-config.yml"
    with path.open(encoding="utf-8") as file:
        assert read_config(path) == yaml_load(file)


def test_a_path_is_written_as_people_point_at_things() -> None:
    assert yaml_path("resources", "chirps3-daily", "eo", "schedules", 0, "cron") == (
        "resources.chirps3-daily.eo.schedules[0].cron"
    )
    assert yaml_path() == ""
