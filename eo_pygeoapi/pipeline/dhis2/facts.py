"""What an import has to know of a DHIS2 before it sends anything, asked once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from eo_pygeoapi.contract.periods import period_of
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.client import UID, Dhis2

NEW_IMPORT = (2, 43)  # from here on DHIS2 takes or refuses all that is sent together
ELEMENT_FIELDS = (
    "id,code,name,domainType,valueType,aggregationType,aggregationLevels,zeroIsSignificant,dataSetElements[dataSet[id]]"
)
DATA_SET_FIELDS = (
    "id,code,name,periodType,openFuturePeriods,expiryDays,access[data[write]],"
    "dataSetElements[dataElement[id]],organisationUnits[id]"
)
UNIT_FIELDS = "id,code,name,level,path,openingDate,closedDate"

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """A DHIS2 as it is for one data element, data set and list of organisation units.

    `units` has the units by the identifiers that the values name them with; `data_set` is the one that is given, or
    else the only one that the data element is in.
    """

    version: tuple[int, int]
    calendar: str
    today: date
    last_analytics: str
    username: str
    authorities: frozenset[str]
    roots: frozenset[str]
    element: Object | None
    data_set: Object | None
    data_set_count: int
    units: Mapping[str, Object]

    @property
    def is_new(self) -> bool:
        """Whether one value that DHIS2 does not take refuses all that are sent with it."""
        return self.version >= NEW_IMPORT

    def may(self, authority: str) -> bool:
        """Tell whether the user has an authority."""
        return bool({"ALL", authority} & self.authorities)

    def may_write_to(self, unit: Object) -> bool:
        """Tell whether a unit lies in the user's part of the hierarchy."""
        return bool(self.roots & set(str(unit.get("path", "")).split("/")))

    def assigned(self) -> frozenset[str] | None:
        """Return the UIDs of the units that the data set is for; None where no one data set is known."""
        return frozenset(unit["id"] for unit in self.data_set.get("organisationUnits", [])) if self.data_set else None

    def open_until(self) -> date | None:
        """Return the last day that DHIS2 takes values for; None where it is not known.

        Without open future periods not even the present period is open.
        """
        if not self.data_set:
            return None
        type_ = str(self.data_set.get("periodType", ""))
        try:
            present = period_of(self.today, type_[:1].lower() + type_[1:])  # type: ignore[arg-type]
            for _ in range(int(self.data_set.get("openFuturePeriods") or 0)):
                present = period_of(date.fromordinal(present.end.toordinal() + 1), type_[:1].lower() + type_[1:])  # type: ignore[arg-type]
        except (KeyError, OverflowError):  # a period type of DHIS2 that we have no use for
            return None
        return date.fromordinal(present.start.toordinal() - 1)


def read_facts(dhis2: Dhis2, target: DatasetTarget, schemes: Mapping[str, str], org_units: Sequence[str]) -> Facts:
    """Ask DHIS2 for what an import of these units' values has to know; what does not exist is None, or missing."""
    system, user = dhis2.system_info(), dhis2.me()
    scheme = schemes.get("dataElementIdScheme", "UID")
    element = next(iter(dhis2.found("dataElements", [target.data_element], ELEMENT_FIELDS, scheme)), None)
    data_sets = _data_sets(dhis2, target, schemes, element)
    by = "code" if schemes["orgUnitIdScheme"] == "CODE" else "id"
    asked = [unit for unit in org_units if by == "code" or UID.fullmatch(unit)]
    units = dhis2.found("organisationUnits", asked, UNIT_FIELDS, schemes["orgUnitIdScheme"])
    return Facts(
        version=_version(system),
        calendar=str(system.get("calendar", "iso8601")),
        today=_date(system.get("serverDate")) or date.today(),
        last_analytics=str(system.get("lastAnalyticsTableSuccess") or ""),
        username=str(user.get("username", "")),
        authorities=frozenset(user.get("authorities", [])),
        roots=frozenset(unit["id"] for unit in user.get("organisationUnits", [])),
        element=element,
        data_set=data_sets[0] if len(data_sets) == 1 else None,
        data_set_count=len(data_sets),
        units={unit[by]: unit for unit in units if by in unit},
    )


def _data_sets(
    dhis2: Dhis2, target: DatasetTarget, schemes: Mapping[str, str], element: Object | None
) -> Sequence[Object]:
    if target.data_set:
        return dhis2.found("dataSets", [target.data_set], DATA_SET_FIELDS, schemes["dataSetIdScheme"])
    ids = [member["dataSet"]["id"] for member in (element or {}).get("dataSetElements", [])]
    return dhis2.found("dataSets", ids, DATA_SET_FIELDS) if ids else []


def _version(system: Object) -> tuple[int, int]:
    """Return major and minor version; (0, 0) for one that is not to be read."""
    match = re.match(r"(\d+)\.(\d+)", str(system.get("version", "")))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _date(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
