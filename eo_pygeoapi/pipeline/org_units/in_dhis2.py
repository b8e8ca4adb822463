"""The organisation units of a dataset as DHIS2 has them, without their geometries."""

from collections.abc import Sequence

from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2, OrgUnitsFromGeoJSON
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.facts import UNIT_FIELDS
from eo_pygeoapi.pipeline.dhis2.identifiers import Object, look_up
from eo_pygeoapi.pipeline.org_units.geojson import read_features, read_geojson
from eo_pygeoapi.redaction import redact


def units_in_dhis2(dataset: Dataset, dhis2: Dhis2) -> tuple[list[Object], Sequence[str]]:
    """Return the units that a dataset's values are for, and the identifiers of those that DHIS2 does not have.

    Of a dataset that leaves its units to requests there are none. Raises OrgUnitsError where a file of units cannot be
    read, and Dhis2Error.
    """
    source = dataset.org_units
    if isinstance(source, OrgUnitsFromDhis2):
        return list(dhis2.org_units(source.level, source.parent, source.group, fields=UNIT_FIELDS)), []
    if not isinstance(source, OrgUnitsFromGeoJSON):
        return [], []
    named = redact(source.href)
    areas, _ = read_features(read_geojson(dataset.resolve(source.href), named), named, source.id, source.name)
    identifiers = [area.id for area in areas]
    found = look_up(dhis2, "organisationUnits", identifiers, UNIT_FIELDS).objects
    return list(found.values()), [name for name in identifiers if name not in found]
