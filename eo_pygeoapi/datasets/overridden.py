"""Find what a request overrides of its dataset, so that its values are others."""

from eo_pygeoapi.contract.models import ImportInputs
from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2


def overridden(inputs: ImportInputs, configured: Dataset) -> list[str]:
    """Return the names of the inputs that change units, aggregation, periods or data of the configured dataset.

    A request overrides nothing where the dataset leaves the choice to it, as one without units of its own does.
    """
    wanted = configured.overridden_by(inputs)
    changed = {
        "aggregation": wanted.aggregation != configured.aggregation,
        "periodType": wanted.period_type != configured.period_type,
        "parameters": wanted.options != configured.options,
    }
    own = configured.org_units
    given = {
        "orgUnitLevel": inputs.org_unit_level,
        "parentOrgUnit": inputs.parent_org_unit,
        "orgUnitIds": inputs.org_unit_ids,
        "features": inputs.features,
    }
    units = [name for name, value in given.items() if value and own is not None]
    if isinstance(own, OrgUnitsFromDhis2) and not own.group and not {"orgUnitIds", "features"} & set(units):
        if sorted(inputs.org_unit_level) == sorted(own.level) and inputs.parent_org_unit == own.parent:
            units = []
    return [*units, *(name for name, differs in changed.items() if differs)]
