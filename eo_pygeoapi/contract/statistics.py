"""The statistics that a request may ask for: over the cells of a unit, and over the times of a period."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from eo_pygeoapi.contract.day_statistics import EXAMPLES, PATTERN, day_statistic

SPATIAL_STATISTICS = ("mean", "sum", "min", "max", "median", "count", "std")
QUANTILE = r"p[1-9]\d?"
TemporalStatistic = Literal["mean", "sum", "min", "max"]
TEMPORAL_STATISTICS: tuple[TemporalStatistic, ...] = get_args(TemporalStatistic)


def _known_statistic(name: str) -> str:
    if name not in SPATIAL_STATISTICS and not re.fullmatch(QUANTILE, name):
        known = ", ".join(SPATIAL_STATISTICS)
        raise ValueError(f"{name!r} is not allowed; allowed: {known}, and quantiles from p1 to p99, such as p90")
    return name


SpatialStatistic = Annotated[
    str,
    AfterValidator(_known_statistic),
    Field(json_schema_extra={"pattern": f"^({'|'.join(SPATIAL_STATISTICS)}|{QUANTILE})$"}),
]


def _known_over_time(name: str) -> str:
    if name not in TEMPORAL_STATISTICS and day_statistic(name) is None:
        known = ", ".join(TEMPORAL_STATISTICS)
        raise ValueError(f"{name!r} is not allowed; allowed: {known}, and with a threshold {EXAMPLES}")
    return name


StatisticOverTime = Annotated[
    str,
    AfterValidator(_known_over_time),
    Field(json_schema_extra={"pattern": f"^({'|'.join(TEMPORAL_STATISTICS)}|{PATTERN})$"}),
]
