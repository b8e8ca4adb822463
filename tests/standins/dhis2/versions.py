"""What differs between DHIS2 until 2.42 and from 2.43 on, as far as a table can say it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

PERIOD_TYPES = (
    *("Daily", "Weekly", "WeeklyWednesday", "WeeklyThursday", "WeeklySaturday", "WeeklySunday", "BiWeekly"),
    *("Monthly", "BiMonthly", "Quarterly", "QuarterlyNov", "SixMonthly", "SixMonthlyApril", "SixMonthlyNov"),
    *("Yearly", "FinancialApril", "FinancialJuly", "FinancialSep", "FinancialOct", "FinancialNov"),
)


@dataclass(frozen=True)
class Differences:
    """What a client sees of a version."""

    login_page: str
    tomcat: str
    more_system_info: dict[str, Any] = field(default_factory=dict)
    more_import_options: dict[str, bool] = field(default_factory=dict)
    describes_imports: bool = False  # `description` in the summary
    values_as_a_group: bool = False  # one mistake refuses all
    common_part_once: bool = False  # of the values that are read
    remarks_always: bool = False  # `comment` and `followup`, also where there is none
    rows_in_order: bool = False  # of the periods, not as they lie in the table
    names_periods: bool = False  # beside their ids, in `dataInputPeriods`
    audits_creation: bool = False
    meets_periods: bool = False  # a period is made when it is first asked for, so that two requests collide
    import_strategy: str = "strategy"  # how the metadata import calls it
    maintenance_answers: bool = False
    analytics_rows: bool = True
    indexes_per_table: int = 41
    period_types: Sequence[str] = PERIOD_TYPES


UNTIL_242 = Differences(
    login_page="/dhis-web-login/",
    tomcat="11.0.25",
    describes_imports=True,
    remarks_always=True,
    names_periods=True,
    meets_periods=True,
    import_strategy="mode",
)
FROM_243 = Differences(
    login_page="/login/",
    tomcat="11.0.20",
    more_system_info={"sessionTimeout": 3600, "capability": {"analyticsTotalCounts": False}},
    more_import_options={"atomic": False},
    values_as_a_group=True,
    common_part_once=True,
    rows_in_order=True,
    audits_creation=True,
    maintenance_answers=True,
    analytics_rows=False,  # of the server that was recorded, though its tables were made
    indexes_per_table=21,
    period_types=sorted([*PERIOD_TYPES, "FinancialAug", "FinancialFeb", "WeeklyFriday"]),
)


@dataclass(frozen=True)
class Version:
    """A version by what it says of itself: `2.42` is 2.42.0, `2.43.2-SNAPSHOT` itself."""

    text: str

    @property
    def numbers(self) -> tuple[int, int]:
        major, minor = re.findall(r"\d+", self.text)[:2]
        return int(major), int(minor)

    @property
    def says(self) -> str:
        return f"{self.text}.0" if re.fullmatch(r"\d+\.\d+", self.text) else self.text

    @property
    def differences(self) -> Differences:
        return FROM_243 if self.numbers >= (2, 43) else UNTIL_242
