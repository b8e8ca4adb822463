"""Where the people live by whom a dataset's cells are weighed, or who are exposed to its values."""

from typing import Self

from pydantic import Field, model_validator

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.datasets.source import YamlText
from eo_pygeoapi.json_types import JsonObject


class Population(Model):
    """The source of the people in each cell, and its options, as a dataset of people has them."""

    source: YamlText = "worldpop"
    options: JsonObject = {}


class Exposure(Model):
    """People are counted who live where the value is above or below a threshold, in the dataset's units."""

    above: float | None = Field(None, description="a place counts where its value is above this")
    below: float | None = Field(None, description="a place counts where its value is below this")

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("expected exactly one of above and below")
        return self

    def in_words(self) -> str:
        """Return the threshold: `above 35`."""
        return f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"
