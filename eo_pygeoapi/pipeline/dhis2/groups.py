"""The option combinations of a disaggregation: what the configuration calls them, and what DHIS2 has.

DHIS2 makes the option combinations of a category combination itself, without codes; the configuration may therefore
also name one by its options.
"""

from collections.abc import Iterator, Mapping

from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.identifiers import Object

OPTION_COMBO_FIELDS = "id,code,name,categoryCombo[id,name,isDefault],categoryOptions[id,code,name,access[data[write]]]"


def option_combos_of(dhis2: Dhis2, target: DatasetTarget, combination: Object) -> Mapping[str, Object]:
    """Return the option combinations of a category combination that the groups of a target mean, by group.

    A group that means none, or several, is missing.
    """
    if not target.disaggregation or not combination.get("id"):
        return {}
    there = dhis2.matching("categoryOptionCombos", f"categoryCombo.id:eq:{combination['id']}", OPTION_COMBO_FIELDS)
    found = {group: _meant_by(name, there) for group, name in target.disaggregation.items()}
    return {group: combo for group, combo in found.items() if combo is not None}


def _meant_by(name: str, combos: list[Object]) -> Object | None:
    """Return the only combination that has this UID, code or name, or these options, in any order."""
    options = frozenset(part.strip() for part in name.split(","))
    found = [c for c in combos if name in (c["id"], c.get("code"), c.get("name")) or options in _options_of(c)]
    return found[0] if len(found) == 1 else None


def _options_of(combo: Object) -> Iterator[frozenset[str]]:
    options = combo.get("categoryOptions") or []
    for key in ("code", "name", "id"):
        yield frozenset(str(option.get(key)) for option in options)
