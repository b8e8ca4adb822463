"""What pages call members of documents, and how they write values."""

import pytest

from eo_pygeoapi.api.pages.page_words import (
    STEP_NAMES,
    besides_dhis2,
    day_in_words,
    step_word,
    worded,
    words_of,
    written,
)
from eo_pygeoapi.gateway.steps import IMPORT_STEPS


def test_every_step_has_words() -> None:
    assert tuple(STEP_NAMES) == IMPORT_STEPS


@pytest.mark.parametrize(
    ("name", "words"), [("dryRun", "Dry run"), ("datasetId", "Dataset"), ("providerRequests", "Provider requests")]
)
def test_members_are_called_by_words(name: str, words: str) -> None:
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"), (False, "no"), (None, "–"), (1234, "1,234"), (0.948366013322486, "0.948366"),
        (1234567.8, "1,234,568"), ("-P62D", "62 days before it runs"), ("-P1M", "1 month before it runs"),
        ("2026-11-30T06:43:12Z", "2026-11-30 06:43 UTC"), ("WARNING", "done, with warnings"), ("Bo", "Bo"),
        ([2, 3], "2, 3"), ({"dataElement": "RAIN", "dryRun": True}, "data element RAIN, dry run yes"),
    ],
)  # fmt: skip
def test_values_are_written_for_people(value: object, text: str) -> None:
    assert written(value) == text


def test_a_message_names_a_step_by_words() -> None:
    assert worded("extract_source_data (step 3 of 7)") == "Get the data (step 3 of 7)"
    assert worded("dismissed during extract_source_data (step 3 of 7)") == "dismissed during Get the data (step 3 of 7)"
    assert worded("finished: 6 values") == "finished: 6 values"
    assert worded("publish_results: 6 values are published") == "Publish the results: 6 values are published"


@pytest.mark.parametrize(
    ("step", "job", "word"),
    [
        ("waiting", "running", "waiting"), ("waiting", "dismissed", "not reached"),
        ("waiting", "failed", "not reached"),
        ("running", "dismissed", "broken off"), ("failed", "failed", "failed"),
    ],
)  # fmt: skip
def test_no_step_of_a_job_that_has_ended_waits(step: str, job: str, word: str) -> None:
    assert step_word(step, job) == word


def test_a_summary_goes_on_beside_the_day_until_which_dhis2_has_values() -> None:
    assert day_in_words("2026-11-04") == "4 November 2026"
    assert besides_dhis2("in DHIS2 until 4 November; 3 periods missing before") == "3 periods missing before"
    assert besides_dhis2("published until 4 November, not in DHIS2") == "published until 4 November, not in DHIS2"
