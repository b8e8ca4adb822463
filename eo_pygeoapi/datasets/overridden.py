"""Find what a request overrides of its dataset, so that its values are others."""

from eo_pygeoapi.contract.models import ImportInputs
from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2


def overridden(inputs: ImportInputs, configured: Dataset) -> list[str]:
    """Return the names of the inputs that change units, aggregation, periods or data of the configured dataset.

    A request overrides nothing where the dataset leaves the choice to it, as one without units of its own does, and
    where it asks for a part of the dataset's units. Whether `orgUnitIds` are such a part is known when they are loaded.
    """
    wanted = configured.overridden_by(inputs)
    changed = {
        "features": bool(inputs.features) and configured.org_units is not None,
        **_other_units(inputs, configured.org_units),
        "aggregation": wanted.aggregation != configured.aggregation,
        "periodType": wanted.period_type != configured.period_type,
        "parameters": wanted.options != configured.options,
    }
    return [name for name, differs in changed.items() if differs]


def _other_units(inputs: ImportInputs, own: object) -> dict[str, bool]:
    """Tell which inputs ask for units beside the dataset's own; levels and parents of a file choose from the file."""
    if not isinstance(own, OrgUnitsFromDhis2):
        return {}
    parent = inputs.parent_org_unit
    return {
        "orgUnitLevel": bool(own.level) and not set(inputs.org_unit_level) <= set(own.level),
        "parentOrgUnit": bool(parent and own.parent) and parent != own.parent,
    }
