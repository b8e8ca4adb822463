"""Why an import is skipped, which is no failure: there is nothing to import, or nowhere to import it to."""

from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.datasets.convention import data_element_code
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.settings import no_connection


def why_skipped(payload: Payload, can_connect: bool) -> str:
    """Say why there is nothing to ask DHIS2 for; empty where there is something."""
    name = payload.target.connection
    if not can_connect:
        return no_connection(name)
    if not payload.target.data_element:
        return (
            "no data element; set dhis2.dataElement in the dataset's eo: block or in the request, or name there its "
            "dhis2.connection alone, for which `eo-pygeoapi dhis2 setup` makes one"
        )
    return "" if payload.count else "there are no values to import"


def not_set_up(target: DatasetTarget, dataset_id: str, facts: Facts) -> str:
    """Say how to make the data element that the configuration file does not name; empty where it names one."""
    code = data_element_code(dataset_id)
    if target.data_element != code or code in facts.ambiguous:
        return ""
    return (
        f"DHIS2 has no data element {code} that user {facts.user.username!r} may see; `eo-pygeoapi dhis2 setup "
        f"{dataset_id} --apply` makes it, or set dhis2.dataElement in the dataset's eo: block"
    )
