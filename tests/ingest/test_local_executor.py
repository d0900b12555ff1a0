"""Overlapping changes nothing: batches of the local executor equal serial ones to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from ingest_fakes import fake_models

from freeda_models.presets import load_preset
from freeda_store import Caption
from freeda_store.records import NewPrototype
from ingest.batches import BatchResult, SeededCaption
from ingest.executors.local import LocalExecutor
from ingest.identity import caption_seed
from ingest.manifests import stage_settings
from ingest.models import PresetModels
from ingest.pipeline import process_batch
from ingest.settings import DEFAULT_SETTINGS

WORDS = ("car", "tree", "boat", "house", "cat", "truck")
CAPTIONS = [Caption(f"a {word} and a red {other}") for word in WORDS for other in WORDS]


def seeded(captions: Sequence[Caption]) -> list[SeededCaption]:
    return [SeededCaption(caption, caption_seed(caption, 0)) for caption in captions]


def same(one: BatchResult, two: BatchResult) -> bool:
    """Equal to the last bit, but for the time that it took."""
    return repr(_plain(one)) == repr(_plain(two))


def _plain(result: BatchResult) -> object:
    rows = [
        (g.caption, g.seed, g.image_hwc.tobytes(), g.notes, [_plain_prototype(p) for p in g.prototypes])
        for g in result.generations
    ]
    return rows, result.without_nouns, result.dropped, result.unknown, result.batch, result.undrawn


def _plain_prototype(p: NewPrototype) -> object:
    arrays = p.text_key.tobytes(), p.visual.tobytes(), p.attribution_hw.tobytes()
    return p.noun, p.kind, p.span, p.scores, arrays


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_overlapped_batches_equal_serial_ones_to_the_last_bit(size: int, live: bool) -> None:
    items = seeded([*CAPTIONS, Caption("nothing"), Caption("a ghost")])
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    results = list(LocalExecutor(fake_models()).run(batches, live=live))
    assert [list(result.batch) for result in results] == batches
    for batch, result in zip(batches, results, strict=True):
        assert same(result, process_batch(fake_models(), DEFAULT_SETTINGS, batch))


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
    preset = tiny.model_copy(update={"generator": tiny.generator.model_copy(update={"steps": 2})})
    models, settings = PresetModels(preset, "cpu"), stage_settings(preset)
    items = seeded(CAPTIONS[:9])
    batches = [items[start : start + 3] for start in range(0, 9, 3)]
    overlapped = list(LocalExecutor(models, settings).run(batches))
    assert sum(len(g.prototypes) for result in overlapped for g in result.generations) > 0
    for batch, result in zip(batches, overlapped, strict=True):
        assert same(result, process_batch(models, settings, batch))
