"""Cron expressions: what the configuration file may say is what Prefect takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect._vendor.croniter.croniter import CroniterBadDateError
from prefect.client.schemas.schedules import CronSchedule
from prefect.server.schemas.schedules import CronSchedule as ServerSchedule
from pydantic import TypeAdapter, ValidationError

from eo_pygeoapi.datasets.block import Cron

FIELD = st.one_of(
    st.sampled_from(
        ["*", "*/5", "1-5", "0,30", "MON", "L", "?", "1#2", "JAN-MAR", "h", "R", "H(1-5)", "60", "-1", "5-1"]
    ),
    st.integers(0, 70).map(str),
    st.text("0123456789*/-,#L?HRmon ", max_size=6),
)
EXPRESSION = st.one_of(
    st.lists(FIELD, min_size=0, max_size=8).map(" ".join),
    st.sampled_from(["@daily", "@midnight", "@hourly", "@reboot", "daily", " 0 6 * * *", "0  6 * * *", "0 6 * * *\n"]),
)
CRON = TypeAdapter(Cron)


@given(EXPRESSION)
def test_an_expression_is_taken_if_prefect_takes_it(text: str) -> None:
    try:
        CronSchedule(cron=text)
    except ValidationError:
        with pytest.raises(ValidationError, match="is no cron expression; allowed: minute hour day month weekday"):
            CRON.validate_python(text)
        return
    try:
        list(ServerSchedule(cron=text)._get_dates_generator(n=1))
    except CroniterBadDateError:
        with pytest.raises(ValidationError, match="names a time that never comes"):
            CRON.validate_python(text)
    else:
        assert CRON.validate_python(text) == text


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 4,6 *"])
def test_a_day_that_never_comes_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="names a time that never comes"):
        CRON.validate_python(text)


@pytest.mark.parametrize("text", ["0 6 * * *", "30 0 * * SUN#1", "0 0 L * *", "@daily"])
def test_what_people_write_is_taken(text: str) -> None:
    assert CRON.validate_python(text) == CronSchedule(cron=text).cron
