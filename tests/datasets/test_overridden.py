from typing import Any

import pytest

from eo_pygeoapi.contract.models import ImportInputs
from eo_pygeoapi.datasets.overridden import overridden
from tests.pipeline.made import dataset

MONTH = {"datasetId": "rain", "start": "2025-07", "end": "2025-07"}
FROM_DHIS2 = {"source": "dhis2", "level": [2, 3], "parent": "ImspTQPwCqd"}
FROM_FILE = {"source": "geojson", "href": "districts.geojson"}
AREAS = {"type": "FeatureCollection", "features": [{"type": "Feature"}]}


@pytest.mark.parametrize(
    ("units", "inputs", "expected"),
    [
        (FROM_DHIS2, {}, []),
        (FROM_DHIS2, {"dryRun": False, "dhis2": {"dataElement": "RAIN"}}, []),
        # a part of the dataset's units
        (FROM_DHIS2, {"orgUnitLevel": [3, 2], "parentOrgUnit": "ImspTQPwCqd"}, []),
        (FROM_DHIS2, {"orgUnitLevel": 2}, []),
        (FROM_DHIS2 | {"group": "GroupGroup1"}, {"orgUnitLevel": 2}, []),
        (FROM_DHIS2 | {"parent": ""}, {"parentOrgUnit": "O6uvpzGd5pu"}, []),
        (FROM_FILE, {"orgUnitLevel": 2, "parentOrgUnit": "O6uvpzGd5pu"}, []),
        (FROM_FILE, {"orgUnitIds": ["O6uvpzGd5pu"]}, []),
        (FROM_DHIS2, {"orgUnitIds": ["O6uvpzGd5pu"]}, []),  # known when they are loaded
        # others, or maybe others
        (FROM_DHIS2, {"orgUnitLevel": [2, 4]}, ["orgUnitLevel"]),
        (FROM_DHIS2, {"orgUnitLevel": 2, "parentOrgUnit": "O6uvpzGd5pu"}, ["parentOrgUnit"]),
        (FROM_FILE, {"features": AREAS}, ["features"]),
        (None, {"orgUnitLevel": 2}, []),
        (None, {"features": AREAS}, []),
        (FROM_FILE, {"aggregation": {"temporal": "max"}}, ["aggregation"]),
        (FROM_FILE, {"aggregation": {"spatial": "mean"}, "periodType": "daily"}, []),
        (FROM_FILE, {"periodType": "monthly", "parameters": {"stage": "prelim"}}, ["periodType", "parameters"]),
    ],
)
def test_what_a_request_changes_is_named(units: Any, inputs: dict[str, Any], expected: list[str]) -> None:
    configured = dataset(source="chirps3", options={"stage": "final"}, orgUnits=units)
    assert overridden(ImportInputs.model_validate(MONTH | inputs), configured) == expected
