from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import UndefinedError
from segment_fakes import striped_picture

import freeda_segment.outputs.pages
from freeda_segment import Segmenter
from freeda_segment.images import Picture
from freeda_segment.outputs import IndexEntry, Result, output_paths, write_index
from freeda_segment.outputs.pages import render_page
from freeda_segment.outputs.report import report
from freeda_store.files.own_files import is_ours

TEMPLATES = sorted(Path(freeda_segment.outputs.pages.__file__).with_name("templates").iterdir())
AWAY = ("http:", "https:", "//", "<script ", "<link", "@import", "url(")


def page(segmenter: Any, tmp_path: Any, source: str) -> Path:
    given = Picture(striped_picture(["red", "blue"], 20, 30), (20, 30), source)
    told = report(Result(segmenter.segment(given, "red,blue,yellow")))
    kept = json.loads(json.dumps(told))  # as the report of an earlier run is read
    entry = IndexEntry.of(kept, output_paths(tmp_path, "a", ["preview", "overlay"]))
    return write_index(tmp_path, [entry])


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_take_nothing_from_a_network(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert [each for each in AWAY if each in text] == []
    assert "safe" not in text, "every text is escaped"


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


def test_names_that_are_not_utf_8_are_shown(segmenter: Segmenter, tmp_path: Path) -> None:
    assert "caf\\udce9.png" in page(segmenter, tmp_path, "caf\udce9.png").read_text()


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_page("index.html.j2")


def test_legends_say_what_was_found_first(segmenter: Segmenter, tmp_path: Path) -> None:
    text = page(segmenter, tmp_path, "a.png").read_text()
    legend = text[text.index("<table") : text.index("</section>")]
    assert "not found: yellow" in legend
    assert "no class" not in legend
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :30], picture[:, 30:] = (30, 40, 220), (220, 30, 30)
    told = report(Result(segmenter.segment(picture, "red,blue")))
    entry = IndexEntry.of(told, output_paths(tmp_path, "b", ["preview", "overlay"]))
    text = write_index(tmp_path, [entry]).read_text()
    assert text.index("</svg> blue</th>") < text.index("</svg> red</th>")
