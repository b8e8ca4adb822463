"""The process `echo`, for conformance tests; off unless the configuration file names it.

    resources:
      echo:
        type: process
        processor: {name: eo_pygeoapi.echo.EchoProcessor}

Its shape is what the conformance suite of OGC API - Processes can drive: the first input is a plain string, and the
one output has the same id.
"""

import time
from copy import deepcopy
from typing import Any

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from eo_pygeoapi.json_types import JsonObject

LONGEST_PAUSE = 60

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
    },
    "outputs": {
        "text": {
            "title": "Text",
            "description": "the text, and how long it is",
            "schema": {
                "type": "object",
                "required": ["message", "length"],
                "properties": {"message": {"type": "string"}, "length": {"type": "integer"}},
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
        return "application/json", {"message": text, "length": len(text)}
