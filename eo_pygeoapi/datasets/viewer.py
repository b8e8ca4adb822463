"""Who asks, and whose datasets, jobs and problems they see.

A request's token makes one `Viewer`. What reads datasets, deployments, jobs or problems is given it, and finds nothing
that it does not see; no route compares tenants. pygeoapi makes processors and reads its resources without telling for
whom, so these look up the viewer of the request that is being answered (`viewer`).
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import ForbiddenError, token_wanted


@dataclass(frozen=True)
class Viewer:
    """Sees what belongs to `tenant`, and what belongs to none where that is empty; the operator sees all.

    `connection`, where it is not empty, is the only DHIS2 connection that the token called `name` may execute for.
    """

    tenant: str = ""
    operator: bool = False
    connection: str = ""
    name: str = ""

    def sees(self, tenant: str) -> bool:
        """Return whether it sees what belongs to a tenant, or to none."""
        return self.operator or tenant == self.tenant

    def datasets(self, known: Mapping[str, Dataset]) -> dict[str, Dataset]:
        """Return those of the datasets that it sees."""
        return {id_: dataset for id_, dataset in known.items() if self.sees(dataset.tenant)}

    def permit(self, connection: str) -> None:
        """Raise ForbiddenError where it may not execute for this DHIS2 connection; empty: it is not known which."""
        if self.connection and self.connection != connection:
            other = repr(connection) if connection else "one that is not known any more"
            bound = f"token {self.name!r} is for the DHIS2 connection {self.connection!r}, not {other}"
            options = f"--scope execute --connection {connection}" if connection else "--scope execute"
            raise ForbiddenError(bound, "execute", token_wanted(options))


OPERATOR = Viewer(operator=True)
ANYBODY = Viewer()
# of the request that is being answered; commands, the watch and workers see all
_viewer: ContextVar[Viewer] = ContextVar("viewer", default=OPERATOR)


def viewer() -> Viewer:
    """Return who asks."""
    return _viewer.get()


def answer_to(asking: Viewer) -> None:
    """Have all that follows in this request be for this viewer."""
    _viewer.set(asking)
