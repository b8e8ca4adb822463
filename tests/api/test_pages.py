"""What every page owes its readers: no script, nothing of other hosts, labels, contrast, print and narrow screens."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise, product

import pytest
import requests

from eo_pygeoapi.api.http.answers import TEMPLATES
from eo_pygeoapi.api.pages.coverage_picture import COLOURS
from tests.stack import PROCESS, base_config, collection
from tests.web import web

STYLE = (TEMPLATES / "style.css").read_text()
# the Prefect server is away: pages of jobs are errors, and all others come
PAGES = [
    "/",
    "/conformance",
    "/openapi",
    "/processes",
    f"/processes/{PROCESS}",
    "/collections",
    "/collections/rain",
    "/collections/rain/items",
    "/datasets/rain/latest",
    "/problems",
    "/jobs",
    "/metrics",
    "/health",
    "/ready",
    "/dataset-templates",
    "/datasets/rain/coverage",
    "/datasets/rain/history",
    "/nowhere",
    "/collections/nope",
    "/collections/nope/items",
    "/collections/rain/items/nothing",
    "/collections/rain/items?limit=-1",
]
TEXT, LARGE = 4.5, 3.0  # WCAG 2.2 AA: text, and borders that tell a field from the page


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = base_config()
    config["resources"]["rain"] = collection("rain", source="chirps3", orgUnits={"source": "dhis2", "level": 2})
    with web(tmp_path_factory.mktemp("web"), config, "http://127.0.0.1:9/api") as address:
        yield address


class Page(HTMLParser):
    """What a reader's program sees: tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_no_script_and_no_other_host(url: str, path: str) -> None:
    text = requests.get(f"{url}{path}{'&' if '?' in path else '?'}f=html", timeout=60).text
    page = Page(text)

    assert page.all("script", "iframe", "object", "embed", "img") == []
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    loaded = [link["href"] for link in page.all("link") if link["rel"] in ("stylesheet", "icon", "preload", "font")]
    assert loaded == ["data:,"] and "@import" not in text and "url(" not in text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_read_by_everybody(url: str, path: str) -> None:
    page = Page(requests.get(f"{url}{path}{'&' if '?' in path else '?'}f=html", timeout=60).text)

    assert page.all("html")[0]["lang"] and page.all("title") and page.all("main")
    assert page.all("meta")[1] == {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    assert len(page.all("h1")) == 1
    labels = {label.get("for") for label in page.all("label")}
    fields = [field for field in page.all("input", "select", "textarea") if field.get("type") != "hidden"]
    assert {field.get("id") for field in fields} <= labels
    assert all(drawn.get("aria-label") or drawn.get("aria-hidden") for drawn in page.all("svg"))
    assert page.all("a")[0] == {"class": "skip", "href": "#main"} and page.all("main")[0]["id"] == "main"
    assert all(landmark.get("aria-label") for landmark in page.all("nav"))
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(lower - higher <= 1 for higher, lower in pairwise(headings)), headings
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_landing_page_comes_while_prefect_is_away(url: str) -> None:
    answer = requests.get(f"{url}/?f=html", timeout=60)

    assert answer.status_code == 200 and "The Prefect server does not answer" in answer.text


def test_text_stands_out_from_what_is_behind_it() -> None:
    named = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", STYLE))
    behind = {named["pale"], *re.findall(r"background: (#[0-9a-f]{3,6})", STYLE)}

    assert len(behind) > 10
    for colour, back in product((named["ink"], named["accent"]), behind):
        assert contrast(colour, back) >= TEXT, (colour, back)
    for back in ("#fff", named["pale"]):
        assert contrast(named["soft"], back) >= TEXT
    assert contrast("#fff", named["accent"]) >= TEXT  # buttons
    (border,) = re.findall(r"input, select, button \{[^}]*border: 1px solid (#[0-9a-f]{6})", STYLE)
    assert contrast(border, "#fff") >= LARGE and contrast(border, named["pale"]) >= LARGE


def test_what_is_wrong_stands_out_from_what_is_right_without_colour() -> None:
    assert contrast(COLOURS["R"], COLOURS["-"]) >= LARGE and contrast(COLOURS["V"], COLOURS["P"]) >= 2
    assert contrast(COLOURS["V"], COLOURS["-"]) >= LARGE


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/collections/rain/queryables", "/collections/rain/schema"])
def test_a_page_holds_to_its_own_security_policy(url: str, path: str) -> None:
    answer = requests.get(f"{url}{path}{'&' if '?' in path else '?'}f=html", timeout=60)
    page, policy = Page(answer.text), answer.headers["Content-Security-Policy"]

    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'self'" in policy
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert not any("style" in attributes for _, attributes in page.tags)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_print_and_narrow_screens_have_rules_of_their_own() -> None:
    printed = STYLE.partition("@media print")[2]
    narrow = STYLE.partition("@media (max-width: 600px)")[2].partition("@media")[0]

    assert "nav" in printed and "display: none" in printed and "break-inside: avoid" in printed
    assert "table.stacked" in narrow and "grid-template-columns: 1fr" in narrow
    assert "content: attr(data-label)" in narrow  # where the heads of the columns are gone


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
