import inspect
import re
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from eo_pygeoapi import errors
from eo_pygeoapi.errors import EoError, InputError, ProblemsError

# how many columns of the drawing one level takes
INDENT = 4


def classes(base: type[EoError] = EoError) -> Iterator[type[EoError]]:
    yield base
    for subclass in base.__subclasses__():
        if subclass.__module__ == errors.__name__:
            yield from classes(subclass)


def drawn() -> dict[str, tuple[str, int | None]]:
    """Read the tree of the module's docstring: name -> (name of the class above, status)."""
    tree: dict[str, tuple[str, int | None]] = {}
    above: dict[int, str] = {}
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        if match := re.match(r"( *[│ ]*(?:[├└]── )?)([A-Z]\w*Error)(?: +(\d{3}) |$)", line):
            depth = (len(match[1]) - INDENT) // INDENT
            above[depth] = match[2]
            tree[match[2]] = (above.get(depth - 1, ""), int(match[3]) if match[3] else None)
    return tree


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    shown = [cls for cls in classes() if cls is not ProblemsError]  # a base that only holds code is not drawn
    above = {cls: next(b for b in cls.__mro__[1:] if b is not ProblemsError) for cls in shown}
    expected = {
        cls.__name__: (
            above[cls].__name__ if cls is not EoError else "",
            int(cls.status) if cls is not EoError else None,
        )
        for cls in shown
    }
    assert drawn() == expected


@pytest.mark.parametrize("cls", list(classes()))
def test_each_class_has_a_status_a_code_and_says_what_it_is(cls: type[EoError]) -> None:
    assert isinstance(cls.status, HTTPStatus) and cls.status >= HTTPStatus.BAD_REQUEST
    assert re.fullmatch(r"[A-Z][A-Za-z]+", cls.code)
    assert isinstance(cls.transient, bool)
    assert cls.__doc__ and cls.__doc__.endswith(".")


def test_trying_again_helps_only_where_a_server_is_away() -> None:
    transient = {cls.__name__ for cls in classes() if cls.transient}
    assert transient == {
        "EngineUnavailableError",
        "StoreUnavailableError",
        "SourceUnavailableError",
        "Dhis2UnavailableError",
    }


@pytest.mark.parametrize(("given", "problems", "text"), [("one", ["one"], "one"), (["a", "b"], ["a", "b"], "a; b")])
def test_problems_are_kept_one_by_one_and_read_as_one_text(
    given: str | list[str], problems: list[str], text: str
) -> None:
    error = InputError(given)
    assert error.problems == problems and str(error) == text
