"""A process with several outputs and inputs of every kind, which none of ours has, and a provider that is broken."""

import json
from copy import deepcopy
from typing import Any

from pygeoapi.process.base import BaseProcessor
from pygeoapi.provider.base import BaseProvider

from eo_pygeoapi.echo import DESCRIPTION

BBOX = "https://schemas.opengis.net/ogcapi/processes/part1/1.0/openapi/schemas/bbox.yaml"
OPTIONAL = {"minOccurs": 0, "maxOccurs": 1}
MORE_INPUTS = {
    "area": {"schema": {"allOf": [{"format": "ogc-bbox"}, {"$ref": BBOX}]}, **OPTIONAL},
    "scan": {"schema": {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}, **OPTIONAL},
    "either": {"schema": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}, **OPTIONAL},
    "many": {"schema": {"type": "integer", "minimum": 1}, "minOccurs": 0, "maxOccurs": 3},
    "elsewhere": {"schema": {"$ref": "http://127.0.0.1:9/schema.json"}, **OPTIONAL},
}


class TwoOutputs(BaseProcessor):  # type: ignore[misc]
    """Gives a text, or what inputs beside `text` it was given, and a picture of eight bytes."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        described = deepcopy(DESCRIPTION)
        described |= {
            "id": "two-outputs",
            "inputs": {**described["inputs"], **MORE_INPUTS},
            "outputs": {
                "note": {"title": "Note", "schema": {"type": "string", "contentMediaType": "text/plain"}},
                "picture": {"title": "Picture", "schema": {"type": "string", "contentMediaType": "image/png"}},
            },
        }
        super().__init__(processor_def, described)

    def execute(self, data: dict[str, Any], outputs: dict[str, Any] | None = None) -> tuple[str, Any]:
        others = {name: value for name, value in data.items() if name in MORE_INPUTS}
        note = json.dumps(others) if others else "schön"
        return "application/json", {"note": note, "picture": b"\x89PNG\r\n\x1a\n"}


class BrokenProvider(BaseProvider):  # type: ignore[misc]
    """Fails in a way that nobody foresaw."""

    def get_fields(self) -> dict[str, Any]:
        return {}

    def query(self, **asked: Any) -> dict[str, Any]:
        raise RuntimeError("not for clients")
