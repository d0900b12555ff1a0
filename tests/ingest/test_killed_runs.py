"""SIGKILL at any moment, then the same command again: the bank of an undisturbed run."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bank_contents import contents, differences
from ingest_fakes import fake_manifest, fake_models, write_captions
from kill_at_random import LIMIT, Undisturbed, kill_at_random, run_undisturbed, start

from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor, RunOptions
from freeda_store import Bank

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captions(tmp_path_factory.mktemp("captions") / "captions.jsonl", 30)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, captions: Path) -> Undisturbed:
    whole = run_undisturbed(tmp_path_factory.mktemp("undisturbed") / "bank", captions)
    assert len(whole.contents.points) > 20
    return whole


@pytest.mark.parametrize("part", [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 0.97])
def test_killed_at_a_step(part: float, tmp_path: Path, captions: Path, undisturbed: Undisturbed) -> None:
    process = start(tmp_path / "bank", captions, str(int(part * undisturbed.steps)))
    assert process.wait().returncode == -signal.SIGKILL
    with Bank.open(tmp_path / "bank", create=fake_manifest()) as bank:
        Ingestor(bank, LocalExecutor(fake_models()), batch_size=4).run(captions, RunOptions(limit=LIMIT))
    assert differences(contents(tmp_path / "bank"), undisturbed.contents) == []


def test_killed_at_random_moments(tmp_path: Path, captions: Path, undisturbed: Undisturbed) -> None:
    trials = list(kill_at_random(tmp_path, captions, undisturbed, times=3, seed=20))
    assert sum(kills for kills, _ in trials) == 3
    assert [wrong for _, wrong in trials if wrong] == []


def test_a_difference_is_seen(undisturbed: Undisturbed) -> None:
    whole = undisturbed.contents
    first, second, *_ = whole.points
    (text, visual), pictures = whole.vectors[first], whole.pictures[second]
    changes = (
        ({"vectors": {first: (text + np.float32(5e-5), visual)}}, f"point {first} differs in its text key"),
        (
            {"vectors": {first: (text, visual * np.float32(1.01))}},
            f"point {first} differs in its visual vector",
        ),
        (
            {"scores": {first: replace(whole.scores[first], area=0.3)}},
            f"point {first} differs in its scores",
        ),
        ({"pictures": {second: (pictures[0][::-1], pictures[1])}}, f"point {second} differs in its picture"),
        ({"points": {first: whole.points[second]}}, f"point {first} differs in its provenance"),
    )
    for change, told in changes:
        [(name, values)] = change.items()
        told_otherwise: dict[str, Any] = {name: {**getattr(whole, name), **values}}
        changed = replace(whole, **told_otherwise)
        assert differences(changed, whole) == [told]
    fewer = replace(whole, points={id_: info for id_, info in whole.points.items() if id_ != first})
    assert differences(fewer, whole) == [f"point {first} is missing"]
    assert differences(whole, fewer) == [f"point {first} is too many"]
    assert differences(replace(whole, revisions=[]), whole) == ["revisions"]
    rounded = {id_: (text * np.float32(1 + 1e-6), visual) for id_, (text, visual) in whole.vectors.items()}
    assert differences(replace(whole, vectors=rounded), whole) == []
