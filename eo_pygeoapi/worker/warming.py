"""What is made at its first use, and would be made by each run anew: the zygote makes it before it forks."""

import io
import logging
from collections.abc import Iterator
from contextlib import suppress

from prefect.logging.handlers import PrefectConsoleHandler
from pydantic import BaseModel, ValidationError

from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Settings


def warm() -> None:
    """Build the models whose validators pydantic puts off; read settings and the file, and write a line of a log."""
    for model in set(_models(BaseModel)):
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)
    with suppress(ValidationError, ConfigError):  # runs say it
        read_config(Settings().config)
    PrefectConsoleHandler(stream=io.StringIO()).emit(logging.makeLogRecord({"msg": "Beginning run '1'"}))


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)
