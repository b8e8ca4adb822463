import json
from pathlib import Path

import pytest

from eo_pygeoapi.contract.documents import SCHEMAS, json_schema

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_in_the_documentation_are_those_of_the_models(name: str) -> None:
    written = json.loads((FOLDER / f"{name}.json").read_text())
    assert written == json_schema(name), (
        "run `python -m eo_pygeoapi.contract.documents`, and say what changed in CHANGELOG.md"
    )


def test_there_are_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SCHEMAS)
    page = (FOLDER.parent / "api.md").read_text()
    assert all(f"`{name}`" in page for name in SCHEMAS)
