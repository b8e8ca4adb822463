"""The period types: those of DHIS2, and those that its climate data have beside them."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

PeriodTypeName = Literal[
    "daily",
    "weekly",
    "weeklyWednesday",
    "weeklyThursday",
    "weeklyFriday",
    "weeklySaturday",
    "weeklySunday",
    "biWeekly",
    "monthly",
    "biMonthly",
    "quarterly",
    "quarterlyNov",
    "sixMonthly",
    "sixMonthlyApril",
    "sixMonthlyNov",
    "yearly",
    "financialFeb",
    "financialApril",
    "financialJuly",
    "financialAug",
    "financialSep",
    "financialOct",
    "financialNov",
    "dailyEthiopian",
    "monthlyEthiopian",
    "yearlyEthiopian",
    "dailyNepali",
    "monthlyNepali",
    "yearlyNepali",
    "pentadal",
    "dekadal",
]
PERIOD_TYPES: tuple[PeriodTypeName, ...] = get_args(PeriodTypeName)
NOT_OF_DHIS2: tuple[PeriodTypeName, ...] = ("pentadal", "dekadal")


def _dhis2_name_to_ours(value: object) -> object:
    ours = value[:1].lower() + value[1:] if isinstance(value, str) else value
    return ours if ours in PERIOD_TYPES else value  # as it was written, for the message


PeriodType = Annotated[
    PeriodTypeName,
    BeforeValidator(_dhis2_name_to_ours),
    Field(json_schema_extra={"enum": [*PERIOD_TYPES, *(p[0].upper() + p[1:] for p in PERIOD_TYPES)]}),
]
