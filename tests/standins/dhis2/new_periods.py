"""Periods that DHIS2 has not met before: until 2.42 it makes them when it is first asked for them, then when it stores.

Two requests that meet a period in the same moment collide, and find it there when they ask again. Until 2.42 a reading
fails and an import leaves valid days out; from 2.43 on an import stores nothing, and says SUCCESS with all values
ignored. When told to (`collide`), the stand-in answers as if each request met its new periods together with another.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.standins.dhis2.answers import refusal
from tests.standins.dhis2.periods import Period

TYPE_IDS = {"Daily": 3, "Weekly": 14, "Monthly": 7, "Quarterly": 9, "Yearly": 16}
DUPLICATE = (
    'ERROR: duplicate key value violates unique constraint "uk_tbkbjga8h4j5u33d7hbcuk66t"\n'
    "  Detail: Key (periodtypeid, startdate, enddate)=({type}, {start}, {end}) already exists."
)
LEFT_OUT = 3  # one of so many new periods is not taken


@dataclass
class KnownPeriods:
    """The periods that were asked for so far, when reading and when writing.

    Each collides once in both, so that a client that reads before it writes meets both.
    """

    collide: bool = False
    met: dict[str, set[str]] = field(default_factory=lambda: {"read": set(), "written": set()})

    def read(self, periods: Iterable[Period]) -> None:
        """Meet the periods of a reading; the first new one refuses it."""
        new = self._meet("read", periods)
        if new and self.collide:
            first = new[0]
            text = DUPLICATE.format(type=TYPE_IDS.get(first.type, 1), start=first.start, end=first.end)
            raise refusal(HTTPStatus.CONFLICT, text)

    def write(self, periods: Iterable[Period]) -> set[str]:
        """Meet the periods of an import, and return those that it does not find."""
        new = self._meet("written", periods)
        return {period.id for period in new[::LEFT_OUT]} if self.collide else set()

    def _meet(self, how: str, periods: Iterable[Period]) -> list[Period]:
        new = {period.id: period for period in periods if period.id not in self.met[how]}
        self.met[how] |= new.keys()
        return list(new.values())
