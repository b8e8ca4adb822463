"""The codes that our metadata has in DHIS2 where the configuration file names none.

`eo-pygeoapi dhis2 setup` makes objects with these codes, and an import finds them by these codes.
"""

import hashlib
import re

LONGEST = 50  # of a code in DHIS2
IMPORTER_ROLE, IMPORTER_GROUP = "EO_IMPORTER", "EO_IMPORTERS"


def data_element_code(dataset_id: str) -> str:
    """Return the code of a dataset's data element: `EO_CHIRPS3_DAILY` for `chirps3-daily`.

    Of an id that is too long the end is replaced by a digest of the whole.
    """
    code = f"EO_{re.sub(r'[^A-Z0-9]', '_', dataset_id.upper())}"
    if len(code) <= LONGEST:
        return code
    digest = hashlib.sha256(dataset_id.encode()).hexdigest()[:8].upper()
    return f"{code[: LONGEST - 9]}_{digest}"


def data_set_code(period_type: str) -> str:
    """Return the code of the data set for values of a period type: `EO_DAILY`, `EO_WEEKLY_SUNDAY`."""
    return f"EO_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', period_type).upper()}"
