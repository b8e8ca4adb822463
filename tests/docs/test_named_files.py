"""The pages for developers name files that there are."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.stack import CHECKOUT

PAGES = ("CONTRIBUTING.md", "docs/decisions.md", "docs/developers.md", "docs/zonal.md", "bench/README.md")
FOLDERS = ("eo_pygeoapi", "flows", "tests", "bench", ".ci")
FILES = [str(path) for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py")]


def named(page: Path) -> set[str]:
    """Return the Python files that stand in `code` on this page."""
    codes = re.findall(r"`([^`\n]+)`", page.read_text())
    return {name for code in codes for name in re.findall(r"(?<![\w./-])[\w./*-]+\.py\b", code)}


@pytest.mark.parametrize("page", PAGES)
def test_each_file_that_a_page_names_is_there(page: str) -> None:
    names = named(CHECKOUT / page)
    assert names
    assert [name for name in names if not any(fnmatch(file, f"*/{name}") for file in FILES)] == []
