"""Who reads the environment: settings, and where a process begins; all others are given what they need."""

import ast
from collections.abc import Iterator

import pytest

from tests.stack import CHECKOUT

PACKAGE = CHECKOUT / "eo_pygeoapi"


def reads(tree: ast.AST) -> Iterator[str]:
    """Yield what of `os` is asked for the environment, but for the lines under `if __name__ == "__main__"`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            continue
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv"):
            yield f"{ast.unparse(node)} in line {node.lineno}"
        yield from reads(node)


@pytest.mark.parametrize("folder", ["worker", "gateway", "commands"])
def test_values_of_the_environment_come_as_arguments(folder: str) -> None:
    found = {path.name: list(reads(ast.parse(path.read_text()))) for path in (PACKAGE / folder).glob("*.py")}
    assert found and {name: lines for name, lines in found.items() if lines} == {}


def test_what_reads_the_environment_is_seen() -> None:
    assert list(reads(ast.parse("import os\ndef f():\n    return os.environ['X']"))) == ["os.environ in line 3"]
    assert list(reads(ast.parse("if __name__ == '__main__':\n    main(os.environ)"))) == []
