"""What a request sets that makes its values other than those of the dataset's own settings."""

from eo_pygeoapi.contract.models import ImportInputs
from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2


def overridden(inputs: ImportInputs, configured: Dataset) -> list[str]:
    """Return the names of the inputs that change units, aggregation, periods or data of the configured dataset.

    What a dataset leaves to the request, such as its units, is not changed by it.
    """
    wanted = configured.overridden_by(inputs)
    changed = {
        "aggregation": wanted.aggregation != configured.aggregation,
        "periodType": wanted.period_type != configured.period_type,
        "parameters": wanted.options != configured.options,
    }
    return [*_units(inputs, configured), *(name for name, differs in changed.items() if differs)]


def _units(inputs: ImportInputs, configured: Dataset) -> list[str]:
    own = configured.org_units
    if own is None:
        return []
    given = {
        "orgUnitLevel": inputs.org_unit_level,
        "parentOrgUnit": inputs.parent_org_unit,
        "orgUnitIds": inputs.org_unit_ids,
        "features": inputs.features,
    }
    names = [name for name, value in given.items() if value]
    if isinstance(own, OrgUnitsFromDhis2) and not own.group and not {"orgUnitIds", "features"} & set(names):
        same = sorted(inputs.org_unit_level) == sorted(own.level) and inputs.parent_org_unit == own.parent
        return [] if same else names
    return names
