"""``freeda demo``: first a picture from the small bank, then the same from a bank made here."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from freeda_cli import demo
from freeda_cli.main import app
from freeda_segment.outputs import read_labels
from freeda_store import Bank


@pytest.fixture
def short_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples, with the captions that the small bank was made of and no others."""
    folder = tmp_path / "examples"
    shutil.copytree(demo.examples_folder(), folder)
    lines = (folder / demo.CAPTIONS).read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / demo.CAPTIONS).write_text("".join(lines[:4]), encoding="utf-8")
    monkeypatch.setattr(demo, "examples_folder", lambda: folder)
    return folder


def test_the_demo_labels_a_picture_then_makes_a_bank_and_labels_it_again(
    short_examples: Path, tmp_path: Path
) -> None:
    ran = CliRunner().invoke(app, ["demo", str(tmp_path / "demo"), "--no-open"])
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    shown = [line for line in lines if line.startswith("car-and-tree.png: ")]
    assert len(shown) == 2
    assert lines.index(shown[0]) < lines.index("Now the whole bank, from captions:") < lines.index(shown[1])
    small = read_labels(tmp_path / "demo" / "small-out" / "car-and-tree.labels.png")
    top, bottom = small.labels[:8], small.labels[-8:]
    assert np.median(top) != np.median(bottom), "sky and grass"
    with Bank.open(tmp_path / "demo" / "bank") as bank:
        assert bank.stats().captions == 4

    again = CliRunner().invoke(app, ["demo", str(tmp_path / "demo"), "--no-open", "--small"])
    assert again.exit_code == 0, again.output
    assert again.output.splitlines()[0] == shown[0]


def test_examples_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SMALL_BANK", "no-bank.zip")
    ran = CliRunner().invoke(app, ["demo", str(tmp_path / "demo")])
    assert ran.exit_code == 2
    assert "install freeda again" in ran.output
