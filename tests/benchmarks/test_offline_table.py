"""The offline table's rows and statistics, and that replayed models answer as the real ones do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rounding import assert_near, assert_same_picture

from benchmarks.offline_rows import DEFAULT, STRATEGIES, Row, all_rows, changed, fingerprint, joined
from benchmarks.offline_table import Figures, difference, together
from benchmarks.replay import Memory, ReplayedGenerator
from freeda_ingest.manifests import stage_settings
from freeda_ingest.masks import THRESHOLDS
from freeda_ingest.prototypes import WEIGHTINGS
from freeda_models.loading import load_generator
from freeda_models.presets import load_preset
from freeda_models.protocols import GenerationRequest
from freeda_models.text.keys import STRATEGIES as KEY_STRATEGIES
from freeda_segment.evaluation.metrics import Confusion, measure


def test_rows_try_every_strategy_and_are_presets_that_can_be_used() -> None:
    base = load_preset("tiny")
    presets = {(row.group, row.name): row.preset(base) for row in all_rows()}
    assert len(presets) == len(all_rows()), "two rows have one name"
    settings = [stage_settings(preset) for preset in presets.values()]
    assert {one.mask.threshold for one in settings} == set(THRESHOLDS)
    assert {one.weighting for one in settings} == set(WEIGHTINGS)
    assert set(STRATEGIES) == set(KEY_STRATEGIES)
    assert {one.key_strategy for one in settings} == set(KEY_STRATEGIES)
    assert presets[DEFAULT.group, DEFAULT.name] == base


def test_winners_are_joined_once_a_key_space() -> None:
    otsu = Row("threshold", "otsu", {"ingest": {"threshold": "otsu"}})
    gate = Row("gate", "contrast", {"ingest": {"min_contrast": 2.0}})
    clip = Row("keys clip", "a", {"keys": {"encoder": "clip"}})
    other = Row("keys other", "b", {"keys": {"encoder": "other"}})
    first, second = together([otsu, gate, clip, other], seed=3)
    assert first.changes == {
        "ingest": {"threshold": "otsu", "min_contrast": 2.0},
        "keys": {"encoder": "clip"},
    }
    assert second.changes["keys"] == {"encoder": "other"}
    assert first.seed == second.seed == 3
    assert joined([otsu]) == otsu.changes


def test_equal_settings_have_one_name_and_others_another() -> None:
    base = load_preset("tiny")
    same = changed(base, {"ingest": {"threshold": base.ingest.threshold}})
    assert fingerprint(base, 0) == fingerprint(same, 0) != fingerprint(base, 1)
    wider = changed(base, {"segment": {"k": 7}})
    assert fingerprint(base, 0) != fingerprint(wider, 0)
    assert fingerprint(base, 0, without=("segment",)) == fingerprint(wider, 0, without=("segment",))


def scenes(rng: np.random.Generator, right: float, count: int = 60) -> Figures:
    """Scenes of three classes, each pixel right with a probability."""
    truth = rng.integers(0, 3, (count, 200))
    wrong = (truth + rng.integers(1, 3, truth.shape)) % 3
    predicted = np.where(rng.random(truth.shape) < right, truth, wrong)
    rows = zip(truth, predicted, strict=True)
    return Figures(np.stack([Confusion.of(true, guess, 3).counts for true, guess in rows]), 1)


def test_the_interval_tells_a_difference_from_none() -> None:
    rng = np.random.default_rng(0)
    plain = scenes(rng, 0.8)
    assert difference(plain, plain) == (0, 0, 0)
    gain, low, high = difference(scenes(rng, 0.85), plain)
    assert 0 < low < gain < high
    gain, low, high = difference(scenes(rng, 0.8), plain)
    assert low < 0 < high
    assert plain.mean_iou == measure(Confusion(plain.counts.sum(axis=0))).mean_iou


def test_a_question_is_answered_once_and_only_whole_files_are_kept(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    asked: list[int] = []

    def answer() -> dict[str, np.ndarray]:
        asked.append(1)
        return {"x": np.arange(3)}

    for _ in range(2):
        np.testing.assert_array_equal(memory.recall(b"one", answer)["x"], [0, 1, 2])
    assert len(asked) == 1

    def fail() -> dict[str, np.ndarray]:
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError):
        memory.recall(b"two", fail)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("power", "side"), [(0, 16), (2, 16), (1, 8)])
def test_replayed_pictures_and_maps_are_those_of_the_generator(power: int, side: int, tmp_path: Path) -> None:
    preset = changed(
        load_preset("tiny"), {"generator": {"sharpen_power": power, "sharpen_side": side, "steps": 4}}
    )
    requests = [
        GenerationRequest("a car on sand under a blue sky", 1, ((2, 5), (9, 13))),
        GenerationRequest("a cat on snow", 2, ((2, 5),)),
    ]
    expected = load_generator(preset, "cpu").generate(requests)
    replayed = ReplayedGenerator(preset, Memory(tmp_path))
    assert replayed.identity == load_generator(preset, "cpu").identity
    for got in (replayed.generate(requests), ReplayedGenerator(preset, Memory(tmp_path)).generate(requests)):
        for one, other in zip(got, expected, strict=True):
            assert_same_picture(one.image_hwc, other.image_hwc)
            assert_near(one.attribution_shw, other.attribution_shw)
            np.testing.assert_array_equal(one.inside_window, other.inside_window)
