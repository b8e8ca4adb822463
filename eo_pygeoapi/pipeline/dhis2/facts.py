"""Facts of a DHIS2 that an import reads once, before it sends values."""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import Any, Self

from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import name_in_dhis2, named_in_dhis2, period_of
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.datasets.convention import data_set_code
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.groups import OPTION_COMBO_FIELDS, option_combos_of
from eo_pygeoapi.pipeline.dhis2.identifiers import Found, Object, look_up, named
from eo_pygeoapi.wording import some

NEW_IMPORT = (2, 43)  # from here on DHIS2 takes or refuses all that is sent together
# the UID that DHIS2 gives to the option combination `default` when it makes the database
DEFAULT_OPTION_COMBO = "HllvX50cXC0"
COMBINATION = "categoryCombo[id,name,isDefault]"
ELEMENT_FIELDS = (
    "id,code,name,domainType,valueType,aggregationType,aggregationLevels,zeroIsSignificant,dataSetElements[dataSet[id]],"
    f"access[data[write]],{COMBINATION}"
)
DATA_SET_FIELDS = (
    "id,code,name,periodType,openFuturePeriods,expiryDays,access[data[write]],dataInputPeriods[period[id],openingDate,"
    f"closingDate],{COMBINATION},dataSetElements[dataElement[id],{COMBINATION}],organisationUnits[id]"
)
AT_ONCE = 3  # so many readings are under way
UNIT_FIELDS = "id,code,name,level,path,openingDate,closedDate"


@dataclass(frozen=True)
class User:
    """Our user in DHIS2; the roots are UIDs of units, and include all units below them."""

    username: str = ""
    authorities: frozenset[str] = frozenset()
    capture_roots: frozenset[str] = frozenset()
    view_roots: frozenset[str] = frozenset()

    @classmethod
    def of(cls, me: Object) -> Self:
        """Read the user from the answer of `/api/me`."""
        return cls(
            username=str(me.get("username", "")),
            authorities=frozenset(me.get("authorities", [])),
            capture_roots=frozenset(unit["id"] for unit in me.get("organisationUnits", [])),
            view_roots=frozenset(unit["id"] for unit in me.get("dataViewOrganisationUnits", [])),
        )


@dataclass(frozen=True)
class Facts:
    """A DHIS2 as it is for one data element, data set and list of organisation units.

    `units` has the units by the identifiers that the values name them with; `data_set` is the one that is given, or
    else the only one of `data_sets`, those of the data element that may be meant; `option_combos` are the given ones,
    by their identifiers, and `default_combos` all that are called `default`, of which there should be one. `groups` has
    the option combinations of a disaggregation, by its groups. `ambiguous` says in words which identifiers mean two
    objects.
    """

    version: tuple[int, ...] = (0, 0, 0)
    calendar: str = "iso8601"
    now: datetime = datetime.min
    last_analytics: str = ""
    user: User = User()
    element: Object | None = None
    data_set: Object | None = None
    data_sets: Sequence[Object] = ()
    units: Mapping[str, Object] = field(default_factory=dict)
    option_combos: Mapping[str, Object] = field(default_factory=dict)
    default_combos: Sequence[Object] = ()
    groups: Mapping[str, Object] = field(default_factory=dict)
    ambiguous: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """Whether DHIS2 refuses all values of a request if it refuses one of them."""
        return self.version >= NEW_IMPORT

    @property
    def today(self) -> date:
        """The server's day."""
        return self.now.date()

    def may(self, authority: str) -> bool:
        """Tell whether the user has an authority."""
        return bool({"ALL", authority} & self.user.authorities)

    def may_write_to(self, unit: Object) -> bool:
        """Tell whether a unit lies in the part of the hierarchy that the user captures data in."""
        return _lies_below(unit, self.user.capture_roots)

    def may_read(self, unit: Object) -> bool:
        """Tell whether DHIS2 shows the user a unit's values; those of others look as if there were none."""
        return _lies_below(unit, self.user.view_roots or self.user.capture_roots)

    @cached_property
    def group_uids(self) -> Mapping[str, str]:
        """The UIDs of the option combinations of a disaggregation, by its groups."""
        return {group: str(combo["id"]) for group, combo in self.groups.items()}

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The identifiers that the values name units with, by the units' UIDs; the first where there are several."""
        return {str(unit["id"]): name for name, unit in reversed(list(self.units.items()))}

    @cached_property
    def assigned(self) -> frozenset[str] | None:
        """The UIDs of the units that the data set is for, or any of several; None where no data set is known."""
        data_sets = [self.data_set] if self.data_set else self.data_sets
        units = (unit["id"] for found in data_sets for unit in found.get("organisationUnits", []))
        return frozenset(units) if data_sets else None

    def not_assigned(self) -> str:
        """Return what a unit is that none of the data sets is for."""
        if self.data_set:
            return f"not assigned to the data set {named(self.data_set)}"
        names = [named(found) for found in self.data_sets]
        return f"assigned to none of the {len(names)} data sets {some(names)}"

    def category_combination(self) -> Object:
        """Return the category combination of the data element, which a data set may replace by another."""
        own: Object = (self.element or {}).get("categoryCombo") or {}
        members = (self.data_set or {}).get("dataSetElements", [])
        ours = [entry for entry in members if entry["dataElement"]["id"] == (self.element or {}).get("id")]
        return next((entry["categoryCombo"] for entry in ours if entry.get("categoryCombo")), own)

    def attribute_combination(self) -> Object:
        """Return the attribute combination of the data set."""
        found: Object = (self.data_set or {}).get("categoryCombo") or {}
        return found

    def default_combo(self) -> str:
        """Return the UID of the option combination that DHIS2 takes where none is given."""
        for combo in self.default_combos:
            of_default = (combo.get("categoryCombo") or {}).get("isDefault")
            if of_default or (of_default is None and combo["id"] == DEFAULT_OPTION_COMBO):
                return str(combo["id"])
        return str(self.default_combos[0]["id"]) if self.default_combos else DEFAULT_OPTION_COMBO

    def open_until(self) -> date | None:
        """Return the last day that DHIS2 takes values for; None where it is not known, or input periods say it.

        Without open future periods not even the present period is open.
        """
        if not self.data_set or (self.is_new and self.data_set.get("dataInputPeriods")):
            return None
        type_: Any = named_in_dhis2(str(self.data_set.get("periodType", "")), self.calendar)
        try:
            present = period_of(self.today, type_)
            for _ in range(int(self.data_set.get("openFuturePeriods") or 0)):
                present = period_of(date.fromordinal(present.end.toordinal() + 1), type_)
        except (KeyError, OverflowError):  # a period type of DHIS2 that we have no use for
            return None
        return date.fromordinal(present.start.toordinal() - 1)


def read_facts(
    dhis2: Dhis2, target: DatasetTarget, org_units: Sequence[str], period_type: PeriodType | None = None
) -> Facts:
    """Read the facts for an import of these units' values; an object that does not exist is None, or missing.

    After the first reading three are under way at once. Where the target names no data set and the data element is in
    several, those of the period type come into question, and of them the one with the usual code.
    """
    user = dhis2.me()  # alone, for DHIS2 locks out a user who fails to log in some times
    with ThreadPoolExecutor(AT_ONCE - 1, "facts") as threads:

        def soon[T](read: Callable[[], T]) -> Future[T]:
            return threads.submit(copy_context().run, read)

        reading_units = soon(partial(look_up, dhis2, "organisationUnits", org_units, UNIT_FIELDS))
        reading_system, reading_combos = soon(dhis2.system_info), soon(partial(_default_combos, dhis2))
        elements = look_up(dhis2, "dataElements", [target.data_element], ELEMENT_FIELDS)
        element = elements.objects.get(target.data_element)
        given_sets = look_up(dhis2, "dataSets", [target.data_set], DATA_SET_FIELDS) if target.data_set else Found()
        data_sets: Sequence[Object] = list(given_sets.objects.values())
        if not target.data_set:
            data_sets = _data_sets_of(dhis2, element, period_type)
        combos = [name for name in (target.category_option_combo, target.attribute_option_combo) if name]
        option_combos = look_up(dhis2, "categoryOptionCombos", combos, OPTION_COMBO_FIELDS) if combos else Found()
        units, system, default_combos = reading_units.result(), reading_system.result(), reading_combos.result()
    last = str(system.get("lastAnalyticsTableSuccess") or "")  # 1970-01-01 if analytics never ran
    facts = Facts(
        version=version_of(system),
        calendar=str(system.get("calendar", "iso8601")),
        now=instant(system.get("serverDate")) or datetime.now(UTC).replace(tzinfo=None),
        last_analytics="" if last.startswith("1970-01-01") else last,
        user=User.of(user),
        element=element,
        data_set=data_sets[0] if len(data_sets) == 1 else None,
        data_sets=data_sets,
        units=units.objects,
        option_combos=option_combos.objects,
        default_combos=default_combos,
        ambiguous={**elements.ambiguous, **given_sets.ambiguous, **option_combos.ambiguous, **units.ambiguous},
    )
    return replace(facts, groups=option_combos_of(dhis2, target, facts.category_combination()))


def _data_sets_of(dhis2: Dhis2, element: Object | None, period_type: PeriodType | None) -> Sequence[Object]:
    ids = [member["dataSet"]["id"] for member in (element or {}).get("dataSetElements", [])]
    data_sets = dhis2.found("dataSets", ids, DATA_SET_FIELDS) if ids else []
    if period_type:
        fitting = [found for found in data_sets if found.get("periodType") == name_in_dhis2(period_type)]
        data_sets = fitting or data_sets
    own = data_set_code(period_type or "")
    usual = [s for s in data_sets if s.get("code") in (own, data_set_code(str(s.get("periodType", ""))))]
    return usual or data_sets


def _default_combos(dhis2: Dhis2) -> Sequence[Object]:
    try:
        return dhis2.matching("categoryOptionCombos", "name:eq:default", OPTION_COMBO_FIELDS)
    except Dhis2Error as error:
        if error.transient:
            raise
        return []  # not every user may list them


def version_of(system: Object) -> tuple[int, ...]:
    """Return the three numbers of a version, from what the server says of itself; zeros where it says none."""
    version = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(system.get("version", "")))
    return tuple(int(part or 0) for part in version.groups()) if version else (0, 0, 0)


def instant(text: Any) -> datetime | None:
    """Return the time that DHIS2 writes as `2025-07-20T10:15:00.000`, in the server's time zone; None for none."""
    try:
        return datetime.fromisoformat(str(text)[:23])
    except ValueError:
        return None


def _lies_below(unit: Object, roots: frozenset[str]) -> bool:
    return bool(roots & set(str(unit.get("path", "")).split("/")))
