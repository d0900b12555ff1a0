"""Faults of networks and devices: they cost what they spoil, are named, and do not end a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bank_contents import assert_same_bank, contents_of
from ingest_fakes import FakeBackbone, FakeClip, FakeGenerator, fake_manifest, fake_models

from freeda_ingest.batches import SeededCaption
from freeda_ingest.errors import DeviceMemoryError, NothingDrawnError
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.identity import caption_seed
from freeda_ingest.ingestor import Ingestor, RunOptions
from freeda_ingest.masks import DropReason
from freeda_ingest.models import LoadedModels
from freeda_ingest.pipeline import process_batch
from freeda_ingest.settings import DEFAULT_SETTINGS
from freeda_models.protocols import FloatArray, GeneratedImage, GenerationRequest, ImageArray
from freeda_store import Bank, Caption

WORDS = ("car", "tree", "boat", "house", "cat", "truck")
CAPTIONS = [Caption(f"a {word} and a red {other}") for word in WORDS for other in WORDS]


def seeded(captions: Sequence[Caption]) -> list[SeededCaption]:
    return [SeededCaption(caption, caption_seed(caption, 0)) for caption in captions]


class SmallDevice(FakeGenerator):
    """Holds so many pictures at most."""

    def __init__(self, most: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.most, self.error = most, error

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        if len(requests) > self.most:
            raise self.error(f"CUDA out of memory. Tried to allocate {len(requests)} GiB.")
        return super().generate(requests)


class SmallBackbone(FakeBackbone):
    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        if len(images_bhwc) > 2:
            raise RuntimeError("MPS backend out of memory")
        return super().encode(images_bhwc)


# memory


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(error: type[Exception]) -> None:
    batch = seeded(CAPTIONS[:7])
    generator = SmallDevice(2, error)
    result = process_batch(replace(fake_models(), generator=generator), DEFAULT_SETTINGS, batch)
    assert [len(drawn) for drawn in generator.batches] == [2, 2, 2, 1]
    assert [g.caption for g in result.generations] == [item.caption for item in batch]
    assert result.batch == tuple(batch)
    assert result.halved == 3
    parts = [process_batch(fake_models(), DEFAULT_SETTINGS, batch[i : i + 2]) for i in (0, 2, 4, 6)]
    for generation, expected in zip(
        result.generations, [g for part in parts for g in part.generations], strict=True
    ):
        np.testing.assert_array_equal(generation.image_hwc, expected.image_hwc)


@pytest.mark.parametrize("small", [{"generator": SmallDevice(2)}, {"backbone": SmallBackbone()}])
def test_a_run_goes_on_after_running_out_of_memory(small: dict[str, Any], tmp_path: Path, bank: Bank) -> None:
    report = Ingestor(bank, LocalExecutor(replace(fake_models(), **small)), batch_size=4).run(CAPTIONS[:10])
    assert (report.written, report.halved, report.dropped) == (10, 2, {})
    assert report.revision is not None
    with Bank.open(tmp_path / "halves", create=fake_manifest()) as other:
        Ingestor(other, LocalExecutor(fake_models()), batch_size=2).run(CAPTIONS[:10])
        assert_same_bank(contents_of(bank), contents_of(other))


def test_one_picture_that_does_not_fit_ends_the_run_with_advice(bank: Bank) -> None:
    executor = LocalExecutor(replace(fake_models(), generator=SmallDevice(0)))
    with pytest.raises(DeviceMemoryError, match=r"one picture at a time .*to allocate 1 GiB.*--device cpu"):
        Ingestor(bank, executor, batch_size=4).run(CAPTIONS[:4])


# numbers that are none


class Spoiling(FakeGenerator):
    """Pictures of captions with these words are worth nothing."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = words

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        return [
            replace(picture, flaw="pixels that are not numbers")
            if any(word in request.caption for word in self.words)
            else picture
            for request, picture in zip(requests, super().generate(requests), strict=True)
        ]


def test_a_worthless_picture_is_named_not_stored_and_drawn_again_by_the_next_run(bank: Bank) -> None:
    spoiling = Spoiling("boat")
    captions = [Caption("a car", "1"), Caption("a boat", "2"), Caption("a tree", "3")]
    executor = LocalExecutor(replace(fake_models(), generator=spoiling))
    first = Ingestor(bank, executor, batch_size=3).run(captions)
    assert (first.written, first.undrawn, first.prototypes) == (2, 1, 2)
    assert first.notes == ("caption 2: pixels that are not numbers",)
    assert first.cut_captions == 0
    assert len(spoiling.batches) == 1
    assert sorted(info.noun for info in bank.infos()) == ["car", "tree"]

    again = Ingestor(bank, executor, batch_size=3).run(captions)
    assert (again.done_before, again.written, again.undrawn, again.revision) == (2, 0, 1, None)
    mended = Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions)
    assert (mended.done_before, mended.written, mended.undrawn) == (2, 1, 0)


def test_a_batch_of_worthless_pictures_alone_is_no_trouble(bank: Bank) -> None:
    executor = LocalExecutor(replace(fake_models(), generator=Spoiling("boat")))
    captions = [Caption(f"a boat {index}") for index in range(3)] + [Caption("a car")]
    report = Ingestor(bank, executor, batch_size=3).run(captions)
    assert (report.written, report.undrawn) == (1, 3)


def test_a_generator_that_never_draws_ends_the_run(bank: Bank) -> None:
    executor = LocalExecutor(replace(fake_models(), generator=Spoiling("a")))
    with pytest.raises(NothingDrawnError, match=r"none of the first 3\d pictures .*not numbers"):
        Ingestor(bank, executor, batch_size=5).run([Caption(f"a car {index}") for index in range(80)])
    assert bank.revision is None


def test_many_captions_that_cannot_be_drawn_do_not_end_a_run_that_draws_others(bank: Bank) -> None:
    captions = [Caption(f"a {word} {index}") for index in range(40) for word in ("car", "boat")]
    executor = LocalExecutor(replace(fake_models(), generator=Spoiling("boat")))
    for written, done_before in ((40, 0), (0, 40)):
        report = Ingestor(bank, executor, batch_size=4).run(captions)
        assert (report.written, report.done_before, report.undrawn) == (written, done_before, 40)


class SpoiltMaps(FakeGenerator):
    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        pictures = super().generate(requests)
        pictures[0].attribution_shw[0, 2, 2] = np.nan
        return pictures


class SpoiltBackbone(FakeBackbone):
    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        features = super().encode(images_bhwc)
        features[0] = np.inf
        return features


class SpoiltClip(FakeClip):
    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        rows = super().encode_images(images_bhwc)
        rows[0] = np.nan
        return rows


@pytest.mark.parametrize(
    ("spoilt", "reason", "lost"),
    [
        ({"generator": SpoiltMaps()}, DropReason.NON_FINITE_MAP, 1),
        ({"backbone": SpoiltBackbone()}, DropReason.NON_FINITE_FEATURES, 2),
        ({"clip": SpoiltClip()}, DropReason.NON_FINITE_SCORE, 1),
    ],
)
def test_numbers_that_are_none_cost_their_nouns_alone(
    spoilt: dict[str, Any], reason: DropReason, lost: int, bank: Bank
) -> None:
    models: LoadedModels = replace(fake_models(), **spoilt)
    captions = [Caption("a car and a tree"), Caption("a boat and a cat")]
    report = Ingestor(bank, LocalExecutor(models), batch_size=2).run(captions, RunOptions())
    assert (report.written, report.prototypes, report.dropped) == (2, 4 - lost, {reason: lost})
    assert bank.verify().ok
