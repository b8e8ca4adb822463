import pytest

from eo_pygeoapi.wording import counted, estimated, lasting, nearest, shown, some


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


def test_one_has_no_plural() -> None:
    assert [counted(count, "job") for count in (0, 1, 12)] == ["0 jobs", "1 job", "12 jobs"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "less than a second"), (1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (5340, "89 minutes"),
        (7199, "2 hours"), (9000, "2.5 hours"), (216_000, "2.5 days"),
    ],
)  # fmt: skip
def test_a_duration_is_said_in_the_largest_unit_that_tells(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


@pytest.mark.parametrize(
    ("minutes", "text"), [(0.0, "about a minute or less"), (2.4, "about 2 minutes"), (150, "about 2.5 hours")]
)
def test_an_estimate_is_no_more_exact_than_a_minute(minutes: float, text: str) -> None:
    assert estimated(minutes) == text


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("timezone", "timeZone"),
        ("period_type", "periodType"),
        ("agregation", "aggregation"),
        ("PERIODTYPE", "periodType"),
        ("colour", None),
        ("", None),
        (7, None),
    ],
)
def test_a_name_that_is_nearly_a_known_one_is_asked_for(given: object, meant: str | None) -> None:
    known = ["timeZone", "periodType", "aggregation", "units"]
    assert nearest(given, known) == (f"; did you mean {meant}?" if meant else "")
    assert nearest(given, []) == ""
