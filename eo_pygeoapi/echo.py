"""The process `echo`, for conformance tests; off unless the configuration file names it.

    resources:
      echo:
        type: process
        processor: {name: eo_pygeoapi.echo.EchoProcessor}

The conformance suite of OGC API - Processes drives it: the first input is a plain string, the one output has the same
id, and there is an input of every kind that the suite looks for (array, bounding box, several types, with a format).
"""

import time
from copy import deepcopy
from typing import Any

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from eo_pygeoapi.json_types import JsonObject

LONGEST_PAUSE = 60
# inputs that the answer repeats where they are given
REPEATED = ("numbers", "area", "anything", "note")

DESCRIPTION: JsonObject = {
    "version": "1.0.0",
    "id": "echo",
    "title": "Echo",
    "description": "Answers with the text that it is given, for conformance tests",
    "keywords": ["echo", "test"],
    "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
    "outputTransmission": ["value", "reference"],
    "links": [],
    "inputs": {
        "text": {
            "title": "Text",
            "description": "what to answer with",
            "schema": {"type": "string"},
            "minOccurs": 1,
            "maxOccurs": 1,
        },
        "pause": {
            "title": "Pause",
            "description": "seconds before the answer",
            "schema": {"type": "number", "minimum": 0, "maximum": LONGEST_PAUSE},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "fail": {
            "title": "Fail",
            "description": "whether to fail, with the text as the reason",
            "schema": {"type": "boolean", "default": False},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "plain": {
            "title": "Plain",
            "description": "whether to answer with the text alone, as text/plain",
            "schema": {"type": "boolean", "default": False},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "numbers": {
            "title": "Numbers",
            "description": "a list, which the answer repeats",
            # the suite sends a lone text to a list of texts
            "schema": {"type": "array", "items": {"type": "integer"}},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "area": {
            "title": "Area",
            "description": "a bounding box, which the answer repeats",
            "schema": {
                "allOf": [
                    {
                        "format": "ogc-bbox",
                        "type": "object",
                        "required": ["bbox"],
                        "properties": {
                            "bbox": {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}},
                            "crs": {"type": "string"},
                        },
                    }
                ]
            },
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "anything": {
            "title": "Anything",
            "description": "a text or an object, which the answer repeats",
            "schema": {"oneOf": [{"type": "string"}, {"type": "object"}]},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "note": {
            "title": "Note",
            "description": "a text with a media type, which the answer repeats",
            "schema": {"type": "string", "contentMediaType": "text/plain"},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
    },
    "outputs": {
        "text": {
            "title": "Text",
            "description": "the text, how long it is, and the other inputs; the text alone where `plain` is true",
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["message", "length"],
                        "properties": {
                            "message": {"type": "string"},
                            "length": {"type": "integer"},
                            **{name: {} for name in REPEATED},
                        },
                    },
                    {"type": "string", "contentMediaType": "text/plain"},
                ]
            },
        }
    },
    "example": {"inputs": {"text": "Hello"}},
}


class EchoProcessor(BaseProcessor):  # type: ignore[misc]
    """Answer with a text, after a pause, or fail."""

    def __init__(self, processor_def: JsonObject) -> None:
        super().__init__(processor_def, deepcopy(DESCRIPTION))

    def execute(self, data: JsonObject, outputs: JsonObject | None = None) -> tuple[str, Any]:
        """Return the media type and the output; ProcessorExecuteError with the text as the reason on `fail`."""
        text = str(data.get("text", ""))
        time.sleep(min(float(data.get("pause", 0)), LONGEST_PAUSE))
        if data.get("fail"):
            raise ProcessorExecuteError(user_msg=text)
        if data.get("plain"):
            return "text/plain", text
        repeated = {name: data[name] for name in REPEATED if name in data}
        return "application/json", {"message": text, "length": len(text), **repeated}
