"""What the process `eo-reconcile` takes and gives."""

from pydantic import Field

from eo_pygeoapi.contract.models import DatedInputs, Difference, Model
from eo_pygeoapi.json_types import JsonObject


class ReconcileInputs(DatedInputs):
    """Inputs of the process `eo-reconcile`."""


class ReconcileOutputs(Model):
    """The one output, `result`, of the process `eo-reconcile`."""

    dataset_id: str
    start: str = Field(description="first day that was compared")
    end: str = Field(description="last day that was compared")
    sent: int = Field(description="values that we have sent, and DHIS2 was asked for")
    equal: int
    different: int
    by_reason: dict[str, int] = Field({}, description="how many of which likely reason")
    differences: list[Difference] = Field([], description="the first 100; all of them are in the job's file")

    def to_json(self, **kwargs: object) -> JsonObject:
        """Return what a client sees; empty members of differences are absent."""
        answer = super().to_json(**kwargs)
        answer["differences"] = [{n: v for n, v in entry.items() if v != ""} for entry in answer["differences"]]
        return answer
