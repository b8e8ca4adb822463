"""The codes by which DHIS2 has what the configuration file does not name."""

from pathlib import Path

from eo_pygeoapi.contract.period_types import PERIOD_TYPES
from eo_pygeoapi.datasets.convention import LONGEST, data_element_code, data_set_code
from eo_pygeoapi.datasets.read import read_datasets


def test_the_code_of_a_data_element_is_made_from_the_id() -> None:
    assert data_element_code("chirps3-daily") == "EO_CHIRPS3_DAILY"
    long, longer = data_element_code("x" * 60), data_element_code("x" * 61)
    assert len(long) == len(longer) == LONGEST and long != longer


def test_the_code_of_a_data_set_is_made_from_the_period_type() -> None:
    assert (data_set_code("daily"), data_set_code("WeeklySunday")) == ("EO_DAILY", "EO_WEEKLY_SUNDAY")
    assert len({data_set_code(type_) for type_ in PERIOD_TYPES}) == len(PERIOD_TYPES)


def test_only_a_dataset_that_names_a_connection_has_a_usual_data_element() -> None:
    blocks = {
        "rain": {"source": "chirps3", "dhis2": {"connection": "national"}},
        "own": {"source": "chirps3", "dhis2": {"connection": "national", "dataElement": "RAIN"}},
        "nowhere": {"source": "chirps3"},
    }
    resources = {id_: {"type": "collection", "eo": block} for id_, block in blocks.items()}
    found = read_datasets({"resources": resources}, Path("."))
    assert [found[id_].dhis2.data_element for id_ in blocks] == ["EO_RAIN", "RAIN", ""]
