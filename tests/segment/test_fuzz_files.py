"""Files that the online stage reads beside pictures: classes, splits, reports, journals, label maps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import pytest
from fuzzing import altered, as_json, broken_bytes, commands, fuzz, survives, texts
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from freeda_segment import parse_classes, read_classes_file
from freeda_segment.evaluation.journal import Journal
from freeda_segment.evaluation.metrics import Counts
from freeda_segment.evaluation.specs import other_classes
from freeda_segment.evaluation.split_files import Files, read_split
from freeda_segment.outputs import (
    Index,
    IndexEntry,
    explanation_page_of,
    find_done,
    output_paths,
    write_index,
)
from freeda_segment.outputs.labels import read_labels
from freeda_segment.outputs.told import Told

REPORT = {
    "format": 1,
    "picture": {"source": "a.png", "file": "../a.png", "width": 4, "height": 4, "sha256": "0" * 64},
    "formats": ["overlay", "preview"],
    "opacity": 0.5,
    "label_offset": 0,
    "classes": [{"index": 0, "name": "car", "texts": ["car"], "colour": "#102030", "pixels": 9, "area": 0.5}],
    "background": {"area": 0.5},
    "bank": {"address": "bank", "revision": 1, "committed_at": "2026-01-01T00:00:00Z"},
    "models": {"clip": "x"},
    "settings": {"k": 3},
    "notes": [],
}


@fuzz
@given(st.lists(texts, max_size=4))
def test_any_texts_are_classes_or_refused(given_texts: list[str]) -> None:
    survives(lambda: parse_classes(given_texts))


def _files(folder: Path) -> Files:
    return Files(lambda name: folder / f"{name}.png", lambda name: folder / f"{name}.png", ".png", ".png")


READERS: dict[str, Any] = {
    "classes": read_classes_file,
    "names": lambda path: other_classes(path, 3),
    "split": lambda path: list(read_split(path, _files(path.parent))),
}
LIST = "\ufeffcar|auto\n# note\n\ttree, caf\xe9\r\nbus".encode()


@pytest.mark.parametrize("kind", READERS)
def test_any_bytes_of_a_list_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "list.txt"

    @fuzz
    @given(st.one_of(broken_bytes(LIST), st.binary(max_size=40), st.sampled_from([b"x" * 300, b"a/" * 3000])))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        survives(lambda: READERS[kind](path))

    check()


def test_a_report_that_was_changed_is_no_reason_to_stop(tmp_path: Path) -> None:
    paths = output_paths(tmp_path, "a", ["overlay", "preview", "report"])
    for file in paths.values():
        file.touch()
    path = paths["report"]
    wanted = {
        name: REPORT[name] for name in ("format", "opacity", "label_offset", "bank", "models", "settings")
    }
    wanted |= {"sha256": "0" * 64, "classes": [["car"]]}
    path.write_text(json.dumps(REPORT))
    assert find_done(tmp_path, "a", wanted, ["overlay", "preview"]) == REPORT

    @fuzz
    @given(altered(REPORT).map(as_json))
    def check(text: str) -> None:
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        found = survives(lambda: find_done(tmp_path, "a", wanted, ["overlay", "preview"]))
        if isinstance(found, dict):
            entry = IndexEntry(Told.model_validate(found), paths, explanation_page_of(tmp_path, "a"))
            survives(lambda: write_index(tmp_path, Index([entry])))

    check()


def test_a_journal_that_was_changed_goes_on_from_its_whole_lines(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "freeda", {}, 3) as journal:
        path = journal.path
    lines: list[Any] = [
        {"picture": f"p{i}", "counts": [[0, 1, 5], [2, 2, 7]], "borders": [[2, 3, 4, 5]]} for i in range(3)
    ]

    @fuzz
    @given(altered(lines))
    def check(changed: Any) -> None:
        entries = changed if isinstance(changed, list) else [changed]
        path.write_text("".join(as_json(line) + "\n" for line in entries))

        def go_on() -> None:
            with Journal.open(tmp_path, "freeda", {}, 3) as opened:
                assert all((each.confusion.counts >= 0).all() for each in opened.done.values())
                opened.add("caf\udce9", Counts.empty(3))

        written = path.read_bytes()
        survives(go_on)
        if not b'{"picture":'.startswith(written[:11]):
            assert path.read_bytes() == written, "what is no journal is left alone"
            return
        with Journal.open(tmp_path, "freeda", {}, 3) as again:
            assert "caf\udce9" in again.done

    check()


@pytest.mark.parametrize("names", ["[", "3", "[1]", "[" * 3000, '["car"]'])
@pytest.mark.parametrize("unlabelled", ["255", "x", "9" * 5000, "-1"])
def test_a_label_map_with_strange_texts(tmp_path: Path, names: str, unlabelled: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("freeda:classes", names)
    chunks.add_text("freeda:unlabelled", unlabelled)
    Image.new("P", (4, 4)).save(tmp_path / "a.png", pnginfo=chunks)
    survives(lambda: read_labels(tmp_path / "a.png"))


def test_a_label_map_of_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("P", (4, 4)).save(path)
    whole = path.read_bytes()

    @commands
    @given(broken_bytes(whole))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        survives(lambda: read_labels(path))

    check()
