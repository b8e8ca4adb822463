"""Checks before an import: the data set, the combinations of options, and the periods that are open for input."""

from collections.abc import Sequence

from eo_pygeoapi.contract.period_types import NOT_OF_DHIS2
from eo_pygeoapi.contract.periods import name_in_dhis2
from eo_pygeoapi.datasets.block import Dataset, DatasetTarget
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.findings import Findings, error, warning
from eo_pygeoapi.pipeline.dhis2.identifiers import Object, named
from eo_pygeoapi.pipeline.dhis2.timeliness import INPUT_PERIODS_INVERSE, closed_for_input
from eo_pygeoapi.wording import some

NO_SUCH_PERIODS = (
    "the values are {0}, and DHIS2 has no {0} periods; they stay in the collection: leave dhis2.connection and "
    "dhis2.dataElement out, or set periodType to one that DHIS2 has"
)


def check_data_set(facts: Facts, payload: Payload, dataset: Dataset) -> Findings:
    """Is there the data set, does it hold the data element, and do its periods fit?"""
    given = payload.target.data_set
    if dataset.period_type in NOT_OF_DHIS2:
        yield error("period-type", NO_SUCH_PERIODS.format(dataset.period_type))
        return
    if facts.data_set is None:
        if given in facts.ambiguous:
            return
        if given:
            yield error(
                "data-set",
                f"there is no data set {given!r} that user {facts.user.username!r} may see; "
                "check dhis2.dataSet (UID or code) and the sharing",
            )
        elif facts.element and not facts.data_sets:
            yield error("data-set", f"{named(facts.element)} is in no data set; assign it to one")
        elif facts.data_sets:
            words = f"{named(facts.element)} is in {len(facts.data_sets)} data sets; set dhis2.dataSet to one of them"
            yield error("data-set", words) if facts.is_new else warning("data-set", words)
        return
    members = {member["dataElement"]["id"] for member in facts.data_set.get("dataSetElements", [])}
    if facts.element and facts.element["id"] not in members:
        yield error(
            "data-set", f"the data set {named(facts.data_set)} does not hold {named(facts.element)}; add it there"
        )
    type_ = str(facts.data_set.get("periodType", ""))
    if type_ != name_in_dhis2(dataset.period_type):
        yield error(
            "period-type",
            f"the values are {dataset.period_type}, but the data set {named(facts.data_set)} is {type_}; "
            "set periodType in the dataset's eo: block, or choose another data set",
        )


def check_combinations(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    """Are the option combinations of the combinations that data element and data set have?

    DHIS2 stores values of the combination `default` also where there are others, and nobody sees them.
    """
    target = payload.target
    if len(facts.default_combos) > 1:
        yield warning(
            "option-combinations",
            f"there are {len(facts.default_combos)} option combinations called default "
            f"({some([str(combo['id']) for combo in facts.default_combos])}); values go to {facts.default_combo()}; "
            "merge them (Data administration app, Data integrity)",
        )
    if facts.element and target.disaggregation:
        yield from _disaggregation(facts, target)
    elif facts.element:
        given = target.category_option_combo
        yield from _combination(facts, "categoryOptionCombo", given, facts.category_combination(), facts.element)
    if facts.data_set:
        given = target.attribute_option_combo
        yield from _combination(facts, "attributeOptionCombo", given, facts.attribute_combination(), facts.data_set)


def _disaggregation(facts: Facts, target: DatasetTarget) -> Findings:
    """Has each group an option combination of its own?"""
    combination = facts.category_combination()
    has = f"{named(facts.element)} has the category combination {named(combination)}"
    if missing := [f"{group} ({name})" for group, name in target.disaggregation.items() if group not in facts.groups]:
        yield error(
            "option-combinations",
            f"{has}, of which user {facts.user.username!r} sees no option combination for {some(missing)}; "
            "check dhis2.disaggregation (UID, code, or the names of the options) and the sharing of the options, or "
            "leave it out and have `eo-pygeoapi dhis2 setup` make the combination",
        )
    same: dict[str, list[str]] = {}
    for group, uid in facts.group_uids.items():
        same.setdefault(uid, []).append(group)
    for uid, groups in same.items():
        if len(groups) > 1:
            yield error(
                "option-combinations",
                f"dhis2.disaggregation: {' and '.join(groups)} mean one option combination, {uid}; merge them in the "
                "source's options.groups",
            )
    yield from _closed_options(facts, [o for combo in facts.groups.values() for o in combo["categoryOptions"]])


def _combination(facts: Facts, key: str, given: str, combination: Object, owner: Object) -> Findings:
    has = f"{named(owner)} has the category combination {named(combination)}"
    if not given:
        if combination.get("isDefault") is False:
            yield error(
                "option-combinations",
                f"{has}, and without an option of it values are stored where nobody sees them; "
                f"set dhis2.{key} to one of its option combinations (UID or code)",
            )
        return
    combo = facts.option_combos.get(given)
    if combo is None:
        if given not in facts.ambiguous:
            yield error(
                "option-combinations",
                f"there is no category option combination {given!r} that user {facts.user.username!r} may see; "
                f"check dhis2.{key} (UID or code) and the sharing of its options",
            )
        return
    own = combo.get("categoryCombo") or {}
    if own.get("id") and combination.get("id") and own["id"] != combination["id"]:
        yield error(
            "option-combinations",
            f"{named(combo)} is an option combination of {named(own)}, but {has}; "
            f"set dhis2.{key} to one of its option combinations, or leave it out where that is the default",
        )
    yield from _closed_options(facts, combo.get("categoryOptions") or [])


def _closed_options(facts: Facts, options: Sequence[Object]) -> Findings:
    """May the user write values of these options?"""
    written = (named(o) for o in options if ((o.get("access") or {}).get("data") or {}).get("write") is False)
    closed = list(dict.fromkeys(written))
    if closed:
        yield error(
            "sharing",
            f"user {facts.user.username!r} may not write values of the category options {some(closed)}; "
            "in their sharing settings give the user, or a group of it, 'can capture data'",
        )


def check_input_periods(facts: Facts, payload: Payload, _dataset: Dataset) -> Findings:
    """Are the periods among those that the data set is explicitly open for?"""
    if not (facts.data_set or {}).get("dataInputPeriods"):
        return
    if facts.version in INPUT_PERIODS_INVERSE:
        yield error(
            "input-periods",
            f"the data set {named(facts.data_set)} has input periods, and DHIS2 {'.'.join(map(str, facts.version))} "
            "refuses the open ones and takes the closed ones (DHIS2-21981); update DHIS2 to 2.43.2, or remove them",
        )
    closed = [id_ for id_ in payload.periods if closed_for_input(facts, id_)]
    if closed:
        words = (
            f"{len(closed)} of {len(payload.periods)} periods are closed ({some(closed)}): the data set "
            f"{named(facts.data_set)} has no input period for them that is open now; add them there"
        )
        yield error("input-periods", words) if len(closed) == len(payload.periods) else warning("input-periods", words)
