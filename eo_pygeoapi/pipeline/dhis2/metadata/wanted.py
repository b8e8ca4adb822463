"""The objects that the datasets of a connection want in DHIS2."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eo_pygeoapi.contract.period_types import NOT_OF_DHIS2
from eo_pygeoapi.contract.periods import name_in_dhis2
from eo_pygeoapi.datasets.convention import IMPORTER_GROUP, data_element_code, data_set_code
from eo_pygeoapi.pipeline.dhis2.checks_of_data_element import KEEP_ZEROS
from eo_pygeoapi.pipeline.dhis2.checks_of_data_set import NO_SUCH_PERIODS
from eo_pygeoapi.pipeline.dhis2.client import UID
from eo_pygeoapi.pipeline.dhis2.metadata import disaggregation, fitting
from eo_pygeoapi.pipeline.dhis2.metadata.held import Held
from eo_pygeoapi.pipeline.dhis2.metadata.members import DEFAULT, AtLeast, Includes, Is, Levels, Member, RefersTo
from eo_pygeoapi.pipeline.dhis2.metadata.names import names_of
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Need, Needs
from eo_pygeoapi.pipeline.dhis2.metadata.objects import Wanted, short
from eo_pygeoapi.pipeline.dhis2.metadata.people import GROUP_NAME, wanted_people
from eo_pygeoapi.pipeline.dhis2.metadata.sharing import Sharing


@dataclass(frozen=True)
class Surroundings:
    """What the wanted objects depend on: what DHIS2 has, its version, and the UID of its combination `default`.

    `shared_titles` are titles of datasets that several data elements would be called by.
    """

    held: Held
    version: tuple[int, ...]
    default_combo: str
    shared_titles: frozenset[str] = frozenset()

    def code(self, collection: str, identifier: str) -> str:
        """Return the code that an object must have; empty where its identifier is its UID."""
        found = self.held.get(collection, identifier)
        return "" if found and found["id"] == identifier else identifier


def wanted_objects(needs: Needs, sets: Mapping[str, Sequence[Need]], there: Surroundings) -> Iterator[Wanted]:
    """Yield all objects; `sets` has the needs by the identifiers of the data sets that their values go to."""
    importers = {there.held.id_of("userGroups", IMPORTER_GROUP): GROUP_NAME}
    of_options = Sharing(importers, needs.readers, of_data=True, alone=True)
    combinations = {need.combination.code: need.combination for need in needs.datasets if need.combination}
    for combination in combinations.values():
        yield from disaggregation.wanted_of(combination, there.held, of_options)
    elements: dict[str, Need] = {}
    for need in needs.datasets:  # those that differ in their option combination share an element
        elements.setdefault(need.data_element, need)
    for need in elements.values():
        yield _data_element(need, there, Sharing(importers))
    for identifier, of_set in sets.items():
        ours = identifier == data_set_code(of_set[0].dataset.period_type)
        yield _data_set(identifier, of_set, needs, there, Sharing(importers, needs.readers, of_data=True, alone=ours))
    yield from wanted_people(needs, there.held)


def _data_element(need: Need, there: Surroundings, sharing: Sharing) -> Wanted:
    dataset, identifier = need.dataset, need.data_element
    type_ = fitting.aggregation_type(dataset, there.version)
    alike = fitting.fitting_aggregation_types(dataset, there.version)
    of_held = (there.held.get("dataElements", identifier) or {}).get("aggregationType")
    keeps_zeros = (of_held if of_held in alike else type_) in KEEP_ZEROS
    members: list[Member] = [
        Is("domainType", "AGGREGATE", usual=True),
        Is("valueType", fitting.value_type(dataset), fitting.fitting_value_types(dataset)),
        Is("aggregationType", type_, alike),
        Is("zeroIsSignificant", True, (False,) if keeps_zeros else ()),
        Levels(fitting.aggregation_levels(dataset, type_, need.levels)),
        sharing,
    ]
    if need.combination:
        combo = there.held.id_of("categoryCombos", need.combination.code)
        members.append(RefersTo("categoryCombo", combo, need.combination.name))
    elif not dataset.dhis2.category_option_combo and not dataset.dhis2.disaggregation:
        members.append(RefersTo("categoryCombo", there.default_combo, DEFAULT))
    uid, code = there.held.id_of("dataElements", identifier), there.code("dataElements", identifier)
    return Wanted("dataElements", uid, code, *names_of(dataset, there.shared_titles), members)


def _data_set(identifier: str, of_set: Sequence[Need], needs: Needs, there: Surroundings, sharing: Sharing) -> Wanted:
    period_type = of_set[0].dataset.period_type
    elements = {there.held.id_of("dataElements", need.data_element): need.data_element for need in of_set}
    units = {str(unit["id"]): str(unit.get("name", unit["id"])) for need in of_set for unit in need.units}
    uid, code = there.held.id_of("dataSets", identifier), there.code("dataSets", identifier)
    members: list[Member] = [
        Is("periodType", name_in_dhis2(period_type)),
        AtLeast("openFuturePeriods", max(need.open_future_periods(needs.today) for need in of_set)),
        Is("expiryDays", 0),
        Includes("dataSetElements", elements, "data element", "dataElement", {"dataSet": {"id": uid}}),
        Includes("organisationUnits", units, "organisation unit"),
        sharing,
    ]
    if not any(need.dataset.dhis2.attribute_option_combo for need in of_set):
        members.append(RefersTo("categoryCombo", there.default_combo, DEFAULT))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", period_type).lower()
    name = f"Earth observation, {words}" if identifier == data_set_code(period_type) else identifier
    return Wanted("dataSets", uid, code, name, short(name), members)


def set_of(need: Need, held: Held) -> str:
    """Return the identifier of the data set for a dataset's values: the given one, the element's own, or the usual."""
    usual = data_set_code(need.dataset.period_type)
    if need.dataset.dhis2.data_set:
        return need.dataset.dhis2.data_set
    element = held.get("dataElements", need.data_element) or {}
    own = [member["dataSet"] for member in element.get("dataSetElements", [])]
    fitting_ones = [found for found in own if found.get("periodType") == name_in_dhis2(need.dataset.period_type)]
    if fitting_ones and not any(found.get("code") == usual for found in own):
        return str(fitting_ones[0]["id"])
    return usual


def mistakes(needs: Needs, held: Held, period_types: Collection[str]) -> Iterator[tuple[Need, str]]:
    """Yield the datasets whose periods or identifiers cannot be used, and why; `period_types` are those of DHIS2."""
    for need in needs.datasets:
        if need.dataset.period_type in NOT_OF_DHIS2:
            yield need, NO_SUCH_PERIODS.format(need.dataset.period_type)
            continue
        if (period_type := name_in_dhis2(need.dataset.period_type)) not in period_types:
            allowed = ", ".join(period_types)
            yield need, f"this version of DHIS2 has no {period_type} periods; set periodType to one of {allowed}"
            continue
        same = [other.dataset.id for other in needs.datasets if other.data_element == need.data_element]
        if len(same) > 1 and need.data_element == data_element_code(need.dataset.id):
            yield need, f"{' and '.join(same)} would have one data element {need.data_element}; set dhis2.dataElement"
        for collection, key, identifier in (
            ("dataElements", "dataElement", need.data_element),
            ("dataSets", "dataSet", need.dataset.dhis2.data_set),
        ):
            if words := held.ambiguous.get((collection, identifier)):
                yield need, f"dhis2.{key}: {words}; use the code of the one, or the UID of the other"
            elif UID.fullmatch(identifier) and held.get(collection, identifier) is None:
                yield (
                    need,
                    f"dhis2.{key}: DHIS2 has no {identifier!r}; give a code, not a UID, to have it made",
                )
