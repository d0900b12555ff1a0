"""Overlapping changes nothing: batches of the local executor equal serial ones, up to rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple

import pytest
from ingest_fakes import fake_models
from rounding import assert_near, assert_same_picture

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.identity import caption_seed
from freeda_ingest.manifests import stage_settings
from freeda_ingest.models import PresetModels
from freeda_ingest.pipeline import process_batch
from freeda_ingest.settings import DEFAULT_SETTINGS
from freeda_models.presets import load_preset
from freeda_store import Caption

WORDS = ("car", "tree", "boat", "house", "cat", "truck")
CAPTIONS = [Caption(f"a {word} and a red {other}") for word in WORDS for other in WORDS]


def seeded(captions: Sequence[Caption]) -> list[SeededCaption]:
    return [SeededCaption(caption, caption_seed(caption, 0)) for caption in captions]


def assert_same(one: BatchResult, two: BatchResult) -> None:
    """Equal, numbers up to rounding, but for the time that it took."""
    assert _words(one) == _words(two)
    for mine, theirs in zip(one.generations, two.generations, strict=True):
        assert_same_picture(mine.image_hwc, theirs.image_hwc)
        for my, their in zip(mine.prototypes, theirs.prototypes, strict=True):
            assert_near(my.text_key, their.text_key)
            assert_near(my.visual, their.visual)
            assert_same_picture(my.attribution_hw, their.attribution_hw)
            assert astuple(my.scores) == pytest.approx(astuple(their.scores), rel=1e-4)


def _words(result: BatchResult) -> object:
    rows = [
        (g.caption, g.seed, g.notes, [(p.noun, p.kind, p.span) for p in g.prototypes])
        for g in result.generations
    ]
    return rows, result.without_nouns, result.dropped, result.unknown, result.batch, result.undrawn


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_overlapped_batches_equal_serial_ones(size: int, live: bool) -> None:
    items = seeded([*CAPTIONS, Caption("nothing"), Caption("a ghost")])
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    results = list(LocalExecutor(fake_models()).run(batches, live=live))
    assert [list(result.batch) for result in results] == batches
    for batch, result in zip(batches, results, strict=True):
        assert_same(result, process_batch(fake_models(), DEFAULT_SETTINGS, batch))


def test_a_live_batch_comes_back_before_the_next_is_read() -> None:
    read = 0

    def batches() -> Iterator[list[SeededCaption]]:
        nonlocal read
        for caption in CAPTIONS[:4]:
            read += 1
            yield seeded([caption])

    for count, _ in enumerate(LocalExecutor(fake_models()).run(batches(), live=True), start=1):
        assert read == count


@pytest.mark.slow
def test_so_they_do_with_real_networks_in_two_threads() -> None:
    tiny = load_preset("tiny")
    preset = tiny.model_copy(update={"generator": tiny.drawing.model_copy(update={"steps": 2})})
    models, settings = PresetModels(preset, "cpu"), stage_settings(preset)
    items = seeded(CAPTIONS[:9])
    batches = [items[start : start + 3] for start in range(0, 9, 3)]
    overlapped = list(LocalExecutor(models, settings).run(batches))
    assert sum(len(g.prototypes) for result in overlapped for g in result.generations) > 0
    for batch, result in zip(batches, overlapped, strict=True):
        assert_same(result, process_batch(models, settings, batch))
