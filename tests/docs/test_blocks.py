"""Every command and YAML block of the documents is one that works: nothing in them is out of date."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from eo_pygeoapi.cli import app
from eo_pygeoapi.datasets.read import inspect_datasets
from tests.stack import CHECKOUT

PAGES = [*sorted((CHECKOUT / "docs").glob("*.md")), CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md"]
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
OURS = {"/datasets", "/problems", "/health", "/ready", "/"}
_OF_A_DATASET = re.compile(r"/datasets/[\w-]+(/latest|/coverage|/history)?")
# what belongs to pygeoapi
_STOCK = re.compile(r"/(collections|openapi|conformance|processes|jobs)\b")


def blocks(language: str) -> list[Any]:
    """The fenced blocks of all pages in a language."""
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(blocks_of(page.read_text(), language), start=1)
    ]


def blocks_of(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return [match["text"] for match in _BLOCK.finditer(page) if match["language"] == language]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, split as a shell does; a quoted string may go over several lines."""
    for line in re.split(r"\n(?=(?:[^']*'[^']*')*[^']*$)", text.replace("\\\n", " ")):
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words = words[1:]
        for part in _parts(words):
            if part:
                yield part


def _parts(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word in ("&&", "|", ";"):
            yield part
            part = []
        else:
            part.append(word)
    yield part


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_yaml_block_is_accepted_by_the_product(text: str) -> None:
    document = yaml.safe_load(text)
    if "resources" not in document and "eo" not in document:
        document = {"resources": document}
    resources = document.get("resources", {})
    for resource in (found for found in resources.values() if found.get("type") != "process"):
        resource.setdefault("type", "collection")
        resource["eo"].setdefault("source", "chirps3")  # a block that shows only what is added
    problems = inspect_datasets(document, Path("/etc/eo-pygeoapi")).problems

    assert problems == []


@pytest.mark.parametrize("text", blocks("sh"))
def test_a_command_of_ours_exists_with_its_options(text: str) -> None:
    root = typer.main.get_command(app)
    for words in commands(text):
        while words[:1] in (["uv"], ["docker"]) and "eo-pygeoapi" in words:
            words = words[words.index("eo-pygeoapi") :]
        if words[0] == "eo-pygeoapi":
            _parsed(root, words[1:])


def _parsed(command: Any, words: list[str]) -> None:
    """Parse a command line as the product would, and run nothing; raises for what it does not know."""
    context = command.make_context("eo-pygeoapi", list(words))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, list(rest), parent=context)


@pytest.mark.parametrize("text", blocks("sh"))
def test_an_address_of_ours_is_a_route(text: str) -> None:
    for address in re.findall(r"http://localhost:5000(/[^\s'\"?]*)", text):
        assert _STOCK.match(address) or address in OURS or _OF_A_DATASET.fullmatch(address), address
