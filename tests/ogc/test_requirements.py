"""Each requirement has a test, and each test names requirements that there are."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ogc.requirements import REQUIREMENTS

TESTS = Path(__file__).parents[1]


def marks(text: str) -> Iterator[tuple[str, str]]:
    """Return (function, id) for each id in a decorator `requirement(…)` of a module's tests."""
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for decorator in function.decorator_list:
            if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("requirement")):
                continue
            assert function.name.startswith("test_"), f"{function.name} is no test"
            for argument in decorator.args:
                assert isinstance(argument, ast.Constant), f"{function.name}: ids are written out, for people to find"
                yield function.name, str(argument.value)


@pytest.fixture(scope="module")
def marked() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for function, id_ in marks(path.read_text()):
            found.setdefault(id_, set()).add(f"{path.relative_to(TESTS)}::{function}")
    return found


def test_every_requirement_has_a_test(marked: dict[str, set[str]]) -> None:
    assert [id_ for id_ in REQUIREMENTS if id_ not in marked] == []


def test_every_mark_names_a_requirement(marked: dict[str, set[str]]) -> None:
    assert {id_: tests for id_, tests in marked.items() if id_ not in REQUIREMENTS} == {}


def test_marks_are_read_from_decorators_only() -> None:
    text = '@requirement("a", "b")\n@pytest.mark.parametrize("x", [1])\ndef test_x(x): ...\ndef test_y(): "requirement"'
    assert list(marks(text)) == [("test_x", "a"), ("test_x", "b")]
    with pytest.raises(AssertionError, match="written out"):
        list(marks("@pytest.mark.requirement(*IDS)\ndef test_x(): ..."))
