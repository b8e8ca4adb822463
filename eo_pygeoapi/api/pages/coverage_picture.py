"""A coverage matrix as a picture: a line for each unit, a column for each period."""

from dataclasses import dataclass
from itertools import groupby
from typing import Self

from eo_pygeoapi.contract.operations import COVERAGE_LEGEND, Coverage, CoverageCode
from eo_pygeoapi.store.coverage_reasons import causes_of

UNITS_SHOWN, REASONS_SHOWN = 60, 20
CELL, LINE, NAMES, TOP = 12, 16, 180, 20  # pixels
LABEL = 72  # pixels of a day's
BETWEEN_MARKS = 100  # pixels at least, so that labels do not touch
# dark on light and light on dark differ in brightness too, so that the picture can be read in grey
COLOURS: dict[CoverageCode, str] = {
    "V": "#2b7a4b",
    "P": "#8fc9a6",
    "-": "#ffffff",
    "N": "#dfe3e8",
    "R": "#b3261e",
    "K": "#e3a008",
    "O": "#9aa5b1",
}


@dataclass(frozen=True)
class Run:
    """Neighbouring periods of one unit with the same code."""

    x: int
    width: int
    colour: str
    title: str


@dataclass(frozen=True)
class Row:
    """The line of one unit."""

    name: str
    y: int
    runs: list[Run]


@dataclass(frozen=True)
class Mark:
    """A period that is named above its column."""

    x: int
    label: str


@dataclass(frozen=True)
class Why:
    """A reason, and of how many units and periods it is the one."""

    meaning: str
    reason: str
    units: int
    first: str
    last: str


@dataclass(frozen=True)
class Picture:
    """All that the template draws; `more` units are not shown."""

    rows: list[Row]
    marks: list[Mark]
    width: int
    height: int
    first: str
    last: str
    more: int
    reasons: list[Why]
    legend: list[tuple[str, str]]

    @classmethod
    def of(cls, coverage: Coverage) -> Self:
        """Draw the first units of a matrix."""
        shown, reasons = coverage.org_units[:UNITS_SHOWN], _reasons(coverage)
        rows = []
        for n, unit in enumerate(shown):
            start, runs = 0, list[Run]()
            why = reasons.get(unit.id, [""] * len(coverage.periods))
            for (code, reason), some in groupby(zip((row[n] for row in coverage.rows), why, strict=True)):
                count = len(list(some))
                first, last = coverage.periods[start], coverage.periods[start + count - 1]
                when = first if count == 1 else f"{first} to {last}"
                meaning = next(text for known, text in COVERAGE_LEGEND.items() if known == code)
                colour = next(text for known, text in COLOURS.items() if known == code)
                said = f"{when}: {meaning}{f', {reason}' if reason else ''}"
                runs.append(Run(NAMES + CELL * start, CELL * count, colour, said))
                start += count
            rows.append(Row(unit.name, TOP + n * LINE, runs))
        return cls(
            rows=rows,
            marks=[
                Mark(NAMES + CELL * n, _label(coverage.periods[n]))
                for n in range(0, len(coverage.periods), -(-BETWEEN_MARKS // CELL))
                if n == 0 or (len(coverage.periods) - n) * CELL >= LABEL
            ],
            width=NAMES + CELL * len(coverage.periods),
            height=TOP + LINE * len(shown) + 4,
            first=_label(coverage.periods[0]) if coverage.periods else "",
            last=_label(coverage.periods[-1]) if coverage.periods else "",
            more=len(coverage.org_units) - len(shown),
            reasons=_counted(coverage),
            legend=[(COLOURS[code], meaning) for code, meaning in COVERAGE_LEGEND.items()],
        )


def _reasons(coverage: Coverage) -> dict[str, list[str]]:
    """Return the reason in each period, empty where there is none, of each unit that has one."""
    number, found = {period: n for n, period in enumerate(coverage.periods)}, dict[str, list[str]]()
    for one in coverage.reasons:
        row = found.setdefault(one.org_unit, [""] * len(number))
        first, last = number[one.first], number[one.last]
        row[first : last + 1] = [one.reason] * (last + 1 - first)
    return found


def _counted(coverage: Coverage) -> list[Why]:
    """Return each reason once, that of most units first."""
    causes = sorted(causes_of(coverage), key=lambda cause: -cause.units)[:REASONS_SHOWN]
    return [Why(COVERAGE_LEGEND[c.code], c.reason, c.units, _label(c.first), _label(c.last)) for c in causes]


def _label(period: str) -> str:
    """Write a day as people do; ids of longer periods are readable."""
    is_day = len(period) == 8 and period.isdigit()
    return f"{period[:4]}-{period[4:6]}-{period[6:]}" if is_day else period
