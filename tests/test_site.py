"""The documentation as a site: every page is in it, and it opens from disk without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docs import presets_reference

ROOT = Path(__file__).parents[1]
_LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch"}
_ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_CSS_ADDRESS = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)


class _Assets(HTMLParser):
    """What a browser would fetch from elsewhere for a page, and what the page's own scripts name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._inside = tag
        names = ["src", "srcset", "poster", "data", "style"]
        if tag == "link" and _LOADING_LINKS & set(values.get("rel", "").split()):
            names.append("href")
        self.found += [value for name in names if _ELSEWHERE.search(value := values.get(name, ""))]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.found += re.findall(r"https?://[^\s\"')]+", data)


def _foreign_assets(html: str) -> list[str]:
    parser = _Assets()
    parser.feed(html)
    return parser.found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` builds it, where every warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def _pages(site: Path) -> Iterator[tuple[Path, str]]:
    for page in sorted(site.rglob("*.html")):
        yield page.relative_to(site), page.read_text(encoding="utf-8")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    foreign = {str(page): found for page, html in _pages(site) if (found := _foreign_assets(html))}
    assert foreign == {}
    styles = {
        path.name: _CSS_ADDRESS.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.css")
    }
    assert len(styles) >= 3
    assert {name: found for name, found in styles.items() if found} == {}
    assert 'data-md-component="source"' not in (site / "index.html").read_text()  # asks a forge for its stars


def test_the_search_needs_no_server(site: Path) -> None:
    assert (site / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index = {")
    assert "iframe-worker/shim.js" in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "assets" / "iframe-worker" / "shim.js").is_file()


def test_every_page_can_be_reached_from_the_first(site: Path) -> None:
    first = (site / "index.html").read_text(encoding="utf-8")
    navigation = first[first.index('class="md-nav md-nav--primary') :]
    linked = set(re.findall(r'href="([^"#]+\.html)"', navigation)) | {"index.html"}
    documents = (path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
    pages = {str(path.with_suffix(".html")).replace("README", "index") for path in documents}
    assert pages - linked == set(), "add the page to `nav` in mkdocs.yml"


def test_bars_in_code_of_tables_are_bars(site: Path) -> None:
    assert "source=coco|garage</code>" in (site / "captions.html").read_text(encoding="utf-8")


def test_formulas_need_no_script(site: Path) -> None:
    method = (site / "method.html").read_text(encoding="utf-8")
    assert method.count("<math") > 20
    assert "arithmatex" not in method
    for page, html in _pages(site):
        assert ":class:" not in html, page
        assert 'class="mermaid"' not in html, f"{page}: its drawing comes from elsewhere; make it an SVG"


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://unpkg.com/x"></script>',
        '<link rel="stylesheet" href="//fonts.example/x.css">',
        '<img srcset="http://example.org/a.png 2x">',
        '<p style="background: url(https://example.org/a.png)">',
        '<script>fetch("https://example.org")</script>',
    ],
)
def test_the_search_for_foreign_assets_finds_them(html: str) -> None:
    assert _foreign_assets(html)
    assert not _foreign_assets('<a href="https://example.org">for people</a> <p>https://example.org</p>')


def test_the_page_of_presets_is_up_to_date_and_explains_every_field() -> None:
    page = presets_reference.PAGE.read_text(encoding="utf-8")
    assert page == presets_reference.reference(), "run `make docs`"
    assert "| `guidance` | number, 0 to 1,000 | `7.5` |" in page
    assert "| `slic` | `compactness` | number above 0 |" in page
