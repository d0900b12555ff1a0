"""``freeda evaluate tiny`` with the bundled networks, in one process and in two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from freeda_cli.main import app


def evaluate(bank: Path, out: Path, *options: str) -> dict[str, Any]:
    arguments = ["evaluate", "tiny", "--bank", str(bank), "--out", str(out), "--device", "cpu", *options]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_two_processes_give_the_figures_of_one(example_bank: Path, tmp_path: Path) -> None:
    one = evaluate(example_bank, tmp_path / "one", "--limit", "4")
    two = evaluate(example_bank, tmp_path / "two", "--limit", "4", "--processes", "2")
    assert one["results"][0]["mean_iou"] > 0.6
    assert two["results"][0]["mean_iou"] == pytest.approx(one["results"][0]["mean_iou"], abs=0.005)
    assert two["results"][0]["pictures"] == 4


def test_prototypes_do_better_than_text_alone(example_bank: Path, tmp_path: Path) -> None:
    report = evaluate(example_bank, tmp_path, "--limit", "12", "--method", "freeda,maskclip")
    freeda, maskclip = report["results"]
    assert freeda["mean_iou"] > 2 * maskclip["mean_iou"]
