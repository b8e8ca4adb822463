"""What a refusal of all values is about, from DHIS2 2.43 on: all of them, or those that its words name.

The codes are those of DHIS2's `ErrorCode`; the words name units and periods by UID and id, in brackets.
"""

import re
from collections.abc import Mapping

from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.identifiers import words_with
from eo_pygeoapi.pipeline.dhis2.summary import Answer

# which data set, element, combination of options, and who may write to them: the same for all values
ABOUT_ALL = frozenset(
    "E7600 E8001 E8002 E8003 E8004 E8005 E8010 E8012 E8020 E8023 E8024 E8101 E8103 E8104 E8108 E8109 E8110 E8111 E8126 "
    "E8127".split()
)
ABOUT_UNITS = frozenset("E8011 E8022 E8025".split())
ABOUT_PERIODS = frozenset("E8021 E8030 E8032".split())
ABOUT_PERIODS_OF_A_UNIT = frozenset("E8031 E8033".split())
ABOUT_THE_UNIT_OF_A_VALUE = frozenset("E8105 E8106 E8107".split())  # "Value #0 org unit UID is not valid: `x`"


def named_by(answer: Answer, uids: Mapping[str, str]) -> list[DataValue]:
    """Return the values that the refusal names; none where it names none, or is about something else.

    `uids` are the UIDs of the units, by what the values call them.
    """
    words = words_with(answer.reason)

    def unit(value: DataValue) -> bool:
        return uids.get(value.org_unit, value.org_unit) in words

    def period(value: DataValue) -> bool:
        return value.period in words

    if answer.code in ABOUT_UNITS:
        return list(filter(unit, answer.values))
    if answer.code in ABOUT_PERIODS:
        return list(filter(period, answer.values))
    if answer.code in ABOUT_PERIODS_OF_A_UNIT:
        return [value for value in answer.values if unit(value) and period(value)]
    number = re.search(r"#(\d+)", answer.reason)
    if answer.code in ABOUT_THE_UNIT_OF_A_VALUE and number and int(number[1]) < len(answer.values):
        bad = answer.values[int(number[1])].org_unit
        return [value for value in answer.values if value.org_unit == bad]
    return []


def words_for(value: DataValue, answer: Answer, uids: Mapping[str, str]) -> str:
    """Return the words of the refusal for one value, without the names of all others."""
    if answer.code in ABOUT_PERIODS_OF_A_UNIT:  # all periods of the unit have the same words
        return re.sub(r"( and period\(s\))?:? *`?\[[^\]]*\]`?", "", answer.reason)
    own = uids.get(value.org_unit, value.org_unit) if answer.code in ABOUT_UNITS else value.period
    return re.sub(r"\[[^\]]*\]", own, answer.reason)
