"""A process with several outputs, which none of ours has."""

from copy import deepcopy
from typing import Any

from pygeoapi.process.base import BaseProcessor

from eo_pygeoapi.echo import DESCRIPTION


class TwoOutputs(BaseProcessor):  # type: ignore[misc]
    """Gives a text and a picture of eight bytes."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        described = deepcopy(DESCRIPTION)
        described |= {
            "id": "two-outputs",
            "outputs": {
                "note": {"title": "Note", "schema": {"type": "string", "contentMediaType": "text/plain"}},
                "picture": {"title": "Picture", "schema": {"type": "string", "contentMediaType": "image/png"}},
            },
        }
        super().__init__(processor_def, described)

    def execute(self, data: dict[str, Any], outputs: dict[str, Any] | None = None) -> tuple[str, Any]:
        return "application/json", {"note": "schön", "picture": b"\x89PNG\r\n\x1a\n"}
