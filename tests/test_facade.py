"""``import freeda``: the way in, which costs nothing until a name is used."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import freeda
import freeda_errors
import freeda_segment
import freeda_store

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S))
]
NOT_YET = {"torch", "numpy", "sqlalchemy", "PIL", "qdrant_edge", "qdrant_client", "spacy", "skimage"}


def _imported_by(code: str) -> set[str]:
    """Top names of the modules that a fresh interpreter has after running some code."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_importing_loads_nothing_heavy_and_no_room() -> None:
    loaded = _imported_by("import freeda; dir(freeda); freeda.__version__")
    assert "freeda" in loaded
    assert not loaded & NOT_YET
    assert {name for name in loaded if name.startswith("freeda")} == {"freeda"}


def test_errors_load_no_room_and_openers_no_network_library() -> None:
    loaded = _imported_by("import freeda; freeda.FreedaError")
    assert {name for name in loaded if name.startswith("freeda")} == {"freeda", "freeda_errors"}
    loaded = _imported_by("import freeda; freeda.open_bank; freeda.open_segmenter; freeda.open_ingestor")
    assert {"freeda_store", "freeda_segment", "freeda_ingest"} <= loaded
    assert not loaded & {"torch", "transformers", "diffusers", "open_clip", "spacy", "ray"}


def test_every_name_is_there_and_listed() -> None:
    for name in freeda.__all__:
        assert getattr(freeda, name) is not None
    assert set(freeda.__all__) <= set(dir(freeda))
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(freeda, "no_such_name")  # noqa: B009


def test_names_are_those_of_the_rooms() -> None:
    assert freeda.Bank is freeda_store.Bank
    assert freeda.SegmentSettings is freeda_segment.SegmentSettings
    assert freeda.FreedaError is freeda_errors.FreedaError


def test_a_bank_that_is_not_there_is_an_error_of_freeda(tmp_path: Path) -> None:
    with pytest.raises(freeda.FreedaError, match="no-bank"):
        freeda.open_bank(tmp_path / "no-bank")
    with pytest.raises(freeda.FreedaError, match="no-bank"):
        freeda.segment("photo.jpg", "car", bank=tmp_path / "no-bank")


def test_segment_opens_segments_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Opened:
        def __enter__(self) -> Opened:
            return self

        def __exit__(self, *_: object) -> None:
            calls.append("closed")

        def segment(self, picture: str, classes: str, *, keep_evidence: bool) -> str:
            calls.append((picture, classes, keep_evidence))
            return "a result"

    def opener(*arguments: object, **options: object) -> Opened:
        calls.append((arguments, options))
        return Opened()

    monkeypatch.setattr("freeda.segmenting.open_segmenter", opener)
    made: object = freeda.segment("photo.jpg", ["car"], bank="flowers@2", device="cpu", keep_evidence=True)
    assert made == "a result"
    opened = ("flowers@2",), {"preset": None, "device": "cpu", "settings": None}
    assert calls == [opened, ("photo.jpg", ["car"], True), "closed"]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_on_a_page_speaks_of_freeda_alone_and_of_names_it_has(block: str) -> None:
    tree = ast.parse(block)
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in modules if name.startswith("freeda_")}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "freeda"
    }
    assert used <= set(freeda.__all__)
    assert bool(used) == ("freeda" in modules)


def test_pages_have_python() -> None:
    assert len(BLOCKS) >= 5
