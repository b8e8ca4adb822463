"""What the process `eo-reconcile` takes and gives."""

from pydantic import Field

from eo_pygeoapi.contract.models import Difference, GivenIdentifier, Model
from eo_pygeoapi.json_types import JsonObject


class ReconcileInputs(Model):
    """Inputs of the process `eo-reconcile`."""

    dataset_id: GivenIdentifier = Field(title="Dataset", description="one of the enabled datasets")
    start: str = Field(
        "", title="First period", description="inclusive; YYYY, YYYY-MM, YYYY-MM-DD, or an ISO 8601 duration (-P30D)"
    )
    end: str = Field("", title="Last period", description="inclusive; forms as for `start`")
    datetime: str = Field(
        "", title="Interval", description="start/end as an OGC interval, instead of `start` and `end`"
    )


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
