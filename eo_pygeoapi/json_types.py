"""JSON as it comes from outside and goes out again; what is looked into further is a model."""

from collections.abc import Mapping
from typing import Any

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
# an object of a document that others define, such as pygeoapi's configuration: only its reader knows the members
JsonObject = dict[str, Any]
JsonMapping = Mapping[str, Any]
