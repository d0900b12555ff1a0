"""The notebook runs from its first cell to its last, and shows what its words say."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from own_modules import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "first_steps.ipynb"


def _outputs(notebook: nbformat.NotebookNode, words: str) -> list[nbformat.NotebookNode]:
    """What the one cell that holds some words put out."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source]
    return list(cell.outputs)


def _text(notebook: nbformat.NotebookNode, words: str) -> str:
    return "".join(output.get("text", "") for output in _outputs(notebook, words))


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert not any("freeda_" in cell.source for cell in code)


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(EXAMPLES / "car-and-tree.png", tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    assert "FREEDA_BANK" not in os.environ
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert "prototypes; car of" in _text(notebook, "bank.thumbnail")
    for words in ("bank.thumbnail", "open_segmenter", "retire_and_compare"):
        assert any("image/png" in output.get("data", {}) for output in _outputs(notebook, words))
    assert (tmp_path / "first-out" / "car-and-tree.labels.png").is_file()
    assert "runner-up" in _text(notebook, "= result.explain_at")
    corrected = re.match(r"car (\S+) -> (\S+)\n", _text(notebook, "retire_and_compare"))
    assert corrected
    assert float(corrected[2]) > float(corrected[1])
    assert _text(notebook, "rollback").splitlines() == [
        "1 first captions",
        "2 looks like no car",
        "3 keep it after all",
    ]
