"""SIGKILL at any moment, then the same command again: the bank of an undisturbed run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from ingest_fakes import fake_manifest, fake_models, write_captions
from kill_at_random import LIMIT, Undisturbed, contents, differences, kill_at_random, run_undisturbed, start

from freeda_store import Bank
from ingest.executors.local import LocalExecutor
from ingest.ingestor import Ingestor, RunOptions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captions(tmp_path_factory.mktemp("captions") / "captions.jsonl", 30)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, captions: Path) -> Undisturbed:
    whole = run_undisturbed(tmp_path_factory.mktemp("undisturbed") / "bank", captions)
    infos = whole.contents["infos"]
    assert isinstance(infos, list)
    assert len(infos) > 20
    return whole


@pytest.mark.parametrize("part", [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 0.97])
def test_killed_at_a_step(part: float, tmp_path: Path, captions: Path, undisturbed: Undisturbed) -> None:
    process = start(tmp_path / "bank", captions, str(int(part * undisturbed.steps)))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with Bank.open(tmp_path / "bank", create=fake_manifest()) as bank:
        Ingestor(bank, LocalExecutor(fake_models()), batch_size=4).run(captions, RunOptions(limit=LIMIT))
    assert differences(contents(tmp_path / "bank"), undisturbed.contents) == []


def test_killed_at_random_moments(tmp_path: Path, captions: Path, undisturbed: Undisturbed) -> None:
    trials = list(kill_at_random(tmp_path, captions, undisturbed, times=3, seed=20))
    assert sum(kills for kills, _ in trials) == 3
    assert [wrong for _, wrong in trials if wrong] == []


def test_a_difference_is_seen(tmp_path: Path, captions: Path, undisturbed: Undisturbed) -> None:
    whole = dict(undisturbed.contents)
    visuals = whole["visuals"]
    assert isinstance(visuals, bytes)
    whole["visuals"] = bytes([visuals[0] ^ 1]) + visuals[1:]
    ids = whole["ids"]
    assert isinstance(ids, tuple)
    assert differences(whole, undisturbed.contents) == ["visuals", f"point {ids[0]} differs"]
