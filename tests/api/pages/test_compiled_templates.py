"""pygeoapi makes an environment of Jinja for each page."""

from pathlib import Path

import pytest
from jinja2 import Environment
from pygeoapi import util

from eo_pygeoapi.api.pages.compiled_templates import compile_once


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the templates that Jinja compiles, where pygeoapi renders."""
    names: list[str] = []
    once = Environment.compile

    def compile_and_note(self: Environment, source: str, name: str, *others: object, **more: object) -> object:
        names.append(name)
        return once(self, source, name, *others, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Environment, "compile", compile_and_note)
    monkeypatch.setattr(util, "Environment", util.Environment)
    compile_once()
    return names


def test_each_template_is_compiled_once_until_it_is_edited(tmp_path: Path, compiled: list[str]) -> None:
    (tmp_path / "page.html").write_text('{% include "part.html" %} {{ data.x }}')
    (tmp_path / "part.html").write_text("a part")
    config: dict[str, object] = {"server": {}}

    def page(x: int) -> str:
        return str(util.render_j2_template(config, {"path": str(tmp_path)}, "page.html", {"x": x}, "en"))

    assert [page(1), page(2)] == ["a part 1", "a part 2"]
    assert compiled == ["page.html", "part.html"]
    (tmp_path / "part.html").write_text("another part")
    assert page(3) == "another part 3"
    assert compiled == ["page.html", "part.html", "part.html"]
