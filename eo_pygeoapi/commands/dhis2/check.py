"""`eo-pygeoapi dhis2 check`: look at each connection, and at each dataset as before an import."""

from collections.abc import Iterator, Sequence

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.dhis2.checkup import Line, lines_of_connection, lines_of_dataset
from eo_pygeoapi.pipeline.dhis2.client import Dhis2, connect
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Need, Needs
from eo_pygeoapi.pipeline.dhis2.metadata.people import authorities_of
from eo_pygeoapi.pipeline.dhis2.metadata.surveying import today_of
from eo_pygeoapi.pipeline.org_units.in_dhis2 import units_in_dhis2
from eo_pygeoapi.settings import Dhis2Connection


def look(name: str, connection: Dhis2Connection, datasets: Sequence[Dataset]) -> Iterator[Line]:
    """Yield a line for all that is right or wrong with a connection and its datasets."""
    try:
        with connect(connection) as dhis2:
            needs = Needs([Need(dataset) for dataset in datasets], today_of(dhis2))
            yield from lines_of_connection(dhis2, name, connection.url, authorities_of(needs))
            for dataset in datasets:
                yield from _of_dataset(dhis2, dataset)
    except EoError as error:
        yield Line(state="error", connection=name, subject="connection", message=str(error))


def _of_dataset(dhis2: Dhis2, dataset: Dataset) -> Iterator[Line]:
    try:
        units, missing = units_in_dhis2(dataset, dhis2)
        yield from lines_of_dataset(dhis2, dataset, [*(str(unit["id"]) for unit in units), *missing])
    except EoError as error:
        about = {"connection": dataset.dhis2.connection, "dataset": dataset.id}
        yield Line(state="error", subject="preflight", message=str(error), **about)
