from __future__ import annotations

import html
import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from jinja2 import UndefinedError
from segment_fakes import striped_picture

import freeda_segment.outputs.pages
from freeda_segment import Segmenter
from freeda_segment.images import Picture
from freeda_segment.outputs import (
    INDEX_NAME,
    Index,
    IndexEntry,
    NotSegmented,
    Result,
    explanation_page_of,
    output_paths,
    write_index,
)
from freeda_segment.outputs.commands import Commands
from freeda_segment.outputs.explanation_page import ExplanationPage
from freeda_segment.outputs.pages import page_templates, render_page
from freeda_segment.outputs.report import report
from freeda_segment.outputs.told import Told
from freeda_store.errors import ThumbnailAbsentError
from freeda_store.files.own_files import is_ours

TEMPLATES = sorted(Path(freeda_segment.outputs.pages.__file__).with_name("templates").iterdir())
AWAY = ("http:", "https:", "//", "<script ", "<link", "@import", "url(")


def page(segmenter: Any, tmp_path: Any, source: str) -> Path:
    given = Picture(striped_picture(["red", "blue"], 20, 30), (20, 30), source)
    told = report(Result(segmenter.segment(given, "red,blue,yellow")))
    kept = json.loads(json.dumps(told))  # as the report of an earlier run is read
    return write_index(tmp_path, Index([entry_of(kept, tmp_path, "a")]))


def entry_of(told: Mapping[str, Any], folder: Path, stem: str, **more: Any) -> IndexEntry:
    files = output_paths(folder, stem, ["preview", "overlay"])
    return IndexEntry(Told.model_validate(told), files, explanation_page_of(folder, stem), **more)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_take_nothing_from_a_network(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert [each for each in AWAY if each in text] == []
    assert "safe" not in text, "every text is escaped"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_need_no_inline_style_or_handler(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert re.findall(r"\s(?:style|on[a-z]+)=", text) == []


def test_only_style_and_script_of_the_page_itself_may_run(segmenter: Segmenter, tmp_path: Path) -> None:
    text = page(segmenter, tmp_path, "a.png").read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    allowed = html.unescape(policy[1])
    assert "default-src 'none'" in allowed
    for kind in ("style", "script"):
        (inside,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in allowed


def test_another_room_builds_on_the_templates(tmp_path: Path) -> None:
    frame = '{% extends "page.html.j2" %}{% from "macros.html.j2" import swatch %}'
    blocks = (
        "{% block title %}<b>{% endblock %}{% block content %}{{ swatch('#102030') }}{{ it }}{% endblock %}"
    )
    (tmp_path / "own.html.j2").write_text(frame + blocks)
    text = page_templates(tmp_path).get_template("own.html.j2").render(it="<i>")
    assert text.startswith("<!doctype html>")
    assert 'fill="#102030"' in text
    assert "&lt;i&gt;" in text
    assert "<script" not in text


def test_pages_fit_small_screens_and_are_known_as_ours(segmenter: Segmenter, tmp_path: Path) -> None:
    path = page(segmenter, tmp_path, "a.png")
    assert is_ours(path)
    text = path.read_text()
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert text.startswith("<!doctype html>")
    assert text.count("<html") == text.count("</html>") == 1


def test_names_are_escaped_in_texts_and_attributes(segmenter: Segmenter, tmp_path: Path) -> None:
    text = page(segmenter, tmp_path, "\"><img src='x' onerror=alert(1)>").read_text()
    assert "<img src='x'" not in text
    assert text.count("&#34;&gt;&lt;img src=&#39;x&#39; onerror=alert(1)&gt;") == 3


HOSTILE = "'\"><script>alert(1)</script>"


def test_commands_failures_and_what_was_left_out_are_escaped(segmenter: Segmenter, tmp_path: Path) -> None:
    given = Picture(striped_picture(["red", "blue"], 20, 30), (20, 30), HOSTILE)
    told = report(Result(segmenter.segment(given, f"red|{HOSTILE},blue")))
    commands = Commands(("freeda", "explain", HOSTILE, "--bank", "caf\udce9"))
    entry = entry_of(told, tmp_path, HOSTILE.replace("/", ""), commands=commands)
    index = Index([entry], [NotSegmented(HOSTILE, "no <i>picture</i>")], "1 <u>")
    text = write_index(tmp_path, index).read_text(encoding="utf-8")
    assert text.count("<script") == 1, "the page's own"
    assert "<i>" not in text
    assert "<u>" not in text
    parser = Attributes()
    parser.feed(text)
    (line,) = {value for name, value in parser.found if name == "data-command" if value}
    assert line == commands.pointing
    assert line.endswith("--bank $'caf\\351' --at ")
    shown = text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert html.escape(HOSTILE) + "</b>: no &lt;i&gt;" in shown
    assert "left out: 1 &lt;u&gt;" in text


class Attributes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += attrs


def test_what_was_there_before_is_told_and_files_are_linked(segmenter: Segmenter, tmp_path: Path) -> None:
    picture = striped_picture(["red", "blue"], 20, 30)
    told = report(Result(segmenter.segment(picture, "red,blue")))
    fresh = write_index(tmp_path, Index([entry_of(told, tmp_path, "a b")])).read_text()
    assert "was up to date" not in fresh
    assert "30 × 20 pixels" in fresh
    assert 'href="./a%20b.overlay.png"' in fresh
    kept = write_index(tmp_path, Index([entry_of(told, tmp_path, "a b", skipped=True)])).read_text()
    assert "was up to date" in kept


@pytest.mark.parametrize("index_first", [True, False])
@pytest.mark.parametrize("stem", ["photo", 'a "b" <i>#1%', "caf\udce9"])
def test_index_and_explanations_link_each_other(
    segmenter: Segmenter, tmp_path: Path, stem: str, index_first: bool
) -> None:
    given = striped_picture(["red", "blue"], 20, 30)
    made = segmenter.segment(given, "red,blue", keep_evidence=True)
    entry = entry_of(report(Result(made)), tmp_path, stem)
    explanation = ExplanationPage(made, [made.explain_at(1, 1)], [(1, 1)], NoThumbnails())
    path = tmp_path / INDEX_NAME
    if index_first:
        write_index(tmp_path, Index([entry]))
        assert shown_links(path, ".explain.html") == []
        explanation.write(entry.explanation)
    else:
        explanation.write(entry.explanation)
        assert shown_links(entry.explanation, INDEX_NAME) == []
        write_index(tmp_path, Index([entry]))
    (there,) = shown_links(path, ".explain.html")
    assert os.fsdecode(unquote_to_bytes(there.removeprefix("./"))) == entry.explanation.name
    (back,) = shown_links(entry.explanation, INDEX_NAME)
    parser = Attributes()
    parser.feed(path.read_text())
    assert ("id", back.partition("#")[2]) in parser.found


def test_a_page_of_somebody_else_is_not_linked(segmenter: Segmenter, tmp_path: Path) -> None:
    made = segmenter.segment(striped_picture(["red"], 20, 30), "red", keep_evidence=True)
    index, theirs = tmp_path / INDEX_NAME, '<!doctype html><a href="./a.explain.html" hidden></a>'
    index.write_text(theirs)
    target = tmp_path / "a.explain.html"
    ExplanationPage(made, [made.explain_at(1, 1)], [(1, 1)], NoThumbnails()).write(target)
    assert index.read_text() == theirs
    assert shown_links(target, INDEX_NAME) == []


def shown_links(file: Path, text: str) -> list[str]:
    return [each for each in re.findall(r'<a href="([^"]*)">', file.read_text()) if text in each]


class NoThumbnails:
    def thumbnail(self, key: str, /) -> Any:
        raise ThumbnailAbsentError("none was kept")


def test_names_that_are_not_utf_8_are_shown(segmenter: Segmenter, tmp_path: Path) -> None:
    assert "caf\\udce9.png" in page(segmenter, tmp_path, "caf\udce9.png").read_text()


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_page("index.html.j2")


def test_legends_say_what_was_found_first(segmenter: Segmenter, tmp_path: Path) -> None:
    text = page(segmenter, tmp_path, "a.png").read_text()
    legend = text[text.index('<table class="share-table"') :]
    assert "not found: yellow" in legend
    assert "no class" not in text
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :30], picture[:, 30:] = (30, 40, 220), (220, 30, 30)
    told = report(Result(segmenter.segment(picture, "red,blue")))
    text = write_index(tmp_path, Index([entry_of(told, tmp_path, "b")])).read_text()
    assert text.index("</svg> blue</th>") < text.index("</svg> red</th>")
