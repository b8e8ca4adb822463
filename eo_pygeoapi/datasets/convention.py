"""The codes that our metadata has in DHIS2 where the configuration file names none.

`eo-pygeoapi dhis2 setup` makes objects with these codes, and an import finds them by these codes.
"""

import hashlib
import re
from collections.abc import Mapping

LONGEST = 50  # of a code in DHIS2
IMPORTER_ROLE, IMPORTER_GROUP = "EO_IMPORTER", "EO_IMPORTERS"


def data_element_code(dataset_id: str) -> str:
    """Return the code of a dataset's data element: `EO_CHIRPS3_DAILY` for `chirps3-daily`.

    Of an id that is too long the end is replaced by a digest of the whole.
    """
    return _code(dataset_id)


def data_set_code(period_type: str) -> str:
    """Return the code of the data set for values of a period type: `EO_DAILY`, `EO_WEEKLY_SUNDAY`."""
    return f"EO_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', period_type).upper()}"


def category_code(dataset_id: str, category: str) -> str:
    """Return the code of a category of a disaggregated dataset: `EO_POPULATION_SEX`."""
    return _code(f"{dataset_id} {category}")


def option_code(category: str, option: str) -> str:
    """Return the code of an option of a category, which datasets share: `EO_SEX_FEMALE`."""
    return _code(f"{category} {option}")


def option_names(divided: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the option combinations of groups, as their options' codes: `EO_SEX_FEMALE, EO_AGE_UNDER_1_YEAR`."""
    return {group: ", ".join(option_code(*pair) for pair in options.items()) for group, options in divided.items()}


def _code(name: str) -> str:
    code = f"EO_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
    if len(code) <= LONGEST:
        return code
    digest = hashlib.sha256(name.encode()).hexdigest()[:8].upper()
    return f"{code[: LONGEST - 9]}_{digest}"
