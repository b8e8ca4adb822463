"""What cron expressions are called."""

import pytest

from eo_pygeoapi.datasets.cron_words import in_words


@pytest.mark.parametrize(
    "cron, words",
    [
        ("0 6 * * *", "every day at 06:00"),
        ("30 7 * * 1", "every Monday at 07:30"),
        ("30 7 * * 7", "every Sunday at 07:30"),
        ("0 6,18 * * mon,thu", "every Monday and Thursday at 06:00 and 18:00"),
        ("0 6 * * 1-5", "every Monday to Friday at 06:00"),
        ("0 5 7 * *", "on the 7th of every month at 05:00"),
        ("0 5 1,11,21 * *", "on the 1st, 11th and 21st of every month at 05:00"),
        ("0 6 15 1 *", "every year on 15 January at 06:00"),
        ("0 6 3 1,7 *", "on the 3rd in January and July at 06:00"),
        ("0 6 * 6-9 *", "every day in June to September at 06:00"),
        ("0 6 1 * 1", "on the 1st of every month and every Monday at 06:00"),
        ("5 * * * *", "every day, every hour at minute 5"),
        ("* * * * *", "every day, every minute"),
        ("*/15 8-17 * * 1-5", "every Monday to Friday, every 15 minutes from 08:00 to 17:45"),
    ],
)
def test_an_expression_has_words(cron: str, words: str) -> None:
    assert in_words(cron) == words


@pytest.mark.parametrize(
    "cron", ["0 6 l * *", "0 6 * * 1#2", "1,7,9 * * * *", "7,9 1,2,5,9 * * *", "*/15 1,5 * * *", "0 6 * * * 30"]
)
def test_what_has_no_short_words_stays_as_it_is(cron: str) -> None:
    assert in_words(cron) == cron
