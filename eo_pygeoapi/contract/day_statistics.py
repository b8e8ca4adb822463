"""Statistics over the days of a period that a mean of days cannot give: counts of days, spells, degree days.

Each is a word and a threshold in the dataset's units, such as `days-above-35`. The words follow the climate indices of
the Expert Team on Climate Change Detection and Indices (ETCCDI, Zhang et al. 2011, https://doi.org/10.1002/wcc.147):
hot and cold days (SU, FD) are strictly above and below, a dry day is below and a wet day at or above the threshold
(CDD, CWD). Spells are those within the period; `dry-spells-5-1` counts those of 5 days or more with less than 1, as
xclim's `dry_spell_frequency` does with `op="max"`. Degree days are the sum of what the days' values are above the
threshold (McMaster and Wilhelm 1997, https://doi.org/10.1016/S0168-1923(97)00027-0).
"""

import re
from dataclasses import dataclass
from typing import Literal, cast

Kind = Literal[
    "days-above", "days-below", "degree-days", "longest-dry-spell", "longest-wet-spell", "dry-spells", "wet-spells"
]
# what the values of several periods make together
OVER_PERIODS: dict[Kind, Literal["sum", "max"]] = {
    "days-above": "sum",
    "days-below": "sum",
    "degree-days": "sum",
    "longest-dry-spell": "max",
    "longest-wet-spell": "max",
    "dry-spells": "sum",
    "wet-spells": "sum",
}
COUNTED = ("dry-spells", "wet-spells")  # of so many days or more, which the name says before the threshold
_SINGLE = "|".join(kind for kind in OVER_PERIODS if kind not in COUNTED)
PATTERN = rf"(?:({_SINGLE})|({'|'.join(COUNTED)})-([1-9]\d?))-(-?\d+(?:\.\d+)?)"
_THRESHOLDS = (35, 18, 10, 1, 1, "5-1", "3-1")
EXAMPLES = ", ".join(f"{kind}-{threshold}" for kind, threshold in zip(OVER_PERIODS, _THRESHOLDS, strict=True))


@dataclass(frozen=True)
class DayStatistic:
    """A statistic over days, and its threshold; spells that are counted have as many `days` or more."""

    kind: Kind
    threshold: float
    days: int = 0

    @property
    def is_count(self) -> bool:
        """Whether values are numbers of days, or of spells."""
        return self.kind != "degree-days"

    @property
    def counted(self) -> str:
        """What a count is of."""
        return "spells" if self.kind in COUNTED else "days"


def day_statistic(name: str) -> DayStatistic | None:
    """Return the statistic over days that has this name, None for other names."""
    found = re.fullmatch(PATTERN, name, re.ASCII)
    return DayStatistic(cast(Kind, found[1] or found[2]), float(found[4]), int(found[3] or 0)) if found else None
