import pytest

from eo_pygeoapi.wording import shown, some


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), ("a'b", '"a\'b"'), (1.5, "1.5"), ({"a": [1]}, "{'a': [1]}")]
)
def test_a_value_is_shown_as_people_write_it(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_long_value_is_cut() -> None:
    assert shown("x" * 78) == f"'{'x' * 78}'"
    assert shown("x" * 79) == f"'{'x' * 76}..." and len(shown("x" * 79)) == 80


def test_of_many_names_the_first_are_named() -> None:
    assert some(["a", "b"], 2) == "a, b"
    assert some([1, 2, 3, 4], 2) == "1, 2 and 2 more"
