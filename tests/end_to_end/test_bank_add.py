"""``freeda bank add``: a concept that no caption named is found after it was added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.tiny_quality import CAPTIONS, PRESET
from freeda_cli.main import app
from freeda_ingest import open_ingestor
from freeda_segment import open_segmenter
from freeda_segment.evaluation.datasets import load_scenes
from freeda_store import Bank

CONCEPT = "penguin"


def freeda(*arguments: object) -> Any:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    return result


def iou_of_concept(bank: Path) -> float:
    """IoU of the concept over the held-out scenes that show it, among all classes."""
    scenes = load_scenes()
    label = scenes.class_names.index(CONCEPT)
    shown = [number for number in range(len(scenes)) if (scenes.labels[number] == label).any()]
    overlap = union = 0
    with open_segmenter(bank, device="cpu") as segmenter:
        prototypes = segmenter.prepare(list(scenes.class_names))
        for number in shown:
            mask = segmenter.segment(scenes.images[number], prototypes).mask(CONCEPT)
            truth = scenes.labels[number] == label
            overlap += int(np.count_nonzero(mask & truth))
            union += int(np.count_nonzero(mask | truth))
    return overlap / union


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank from the example captions that do not name the concept: one an object."""
    folder = tmp_path_factory.mktemp("add")
    lines = [line for line in CAPTIONS.read_text().splitlines() if CONCEPT not in line]
    (folder / "captions.jsonl").write_text("\n".join(lines[:15]))
    with open_ingestor(folder / "bank", PRESET, device="cpu") as ingestor:
        ingestor.run(folder / "captions.jsonl")
    return folder / "bank"


def test_a_concept_that_no_caption_named_is_found_once_it_is_added(without: Path) -> None:
    before = iou_of_concept(without)
    add = ("bank", "add", CONCEPT, "--bank", without, "--device", "cpu", "--json")
    told = json.loads(freeda(*add, "--images", 8).stdout)
    assert (told["written"], told["revision"], told["unknown"]) == (8, 2, [])
    (concept,) = told["concepts"]
    assert concept["apart"] >= 0.8
    assert iou_of_concept(without) >= max(0.6, before + 0.4)

    again = json.loads(freeda(*add, "--images", 8).stdout)
    assert (again["written"], again["done_before"], again["revision"]) == (0, 8, None)
    more = json.loads(freeda(*add, "--images", 10).stdout)
    assert (more["written"], more["done_before"], more["revision"]) == (2, 8, 3)
    with Bank.open(without) as bank:
        nouns = [info.noun for info in bank.infos() if info.source == "freeda bank add"]
        assert set(nouns) == {CONCEPT}
        assert len(nouns) <= 10
        assert bank.revisions()[1].message == f"add {CONCEPT}"


def test_words_that_the_models_do_not_know_are_named(without: Path) -> None:
    result = freeda("bank", "add", "zebra", "--images", 1, "--bank", without, "--device", "cpu")
    assert "preset tiny does not know 'zebra'" in result.stderr
