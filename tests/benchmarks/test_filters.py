"""The figures and the noise of the filters' benchmark; no network is loaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.filters import compare, mean_iou
from benchmarks.wild_captions import MistakenGenerator, clean_captions, wild_captions
from freeda_models.protocols import GeneratedImage, GenerationRequest, ModelIdentity
from freeda_segment.evaluation.metrics import Confusion, measure


class Echo:
    """Draws nothing; the map of a span holds where it starts."""

    identity = ModelIdentity("echo", "", "", 0, "")

    def __init__(self) -> None:
        self.asked: list[GenerationRequest] = []

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        self.asked += requests
        return [self._draw(request) for request in requests]

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        maps = np.array([[[start]] for start, _ in request.spans], dtype=np.float32)
        return GeneratedImage(np.zeros((2, 2, 3), np.uint8), maps, np.ones(len(maps), np.bool_))


def spans_of(text: str, *words: str) -> tuple[tuple[int, int], ...]:
    return tuple((text.index(word), text.index(word) + len(word)) for word in words)


def counts(seed: int, noise: float, scenes: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (scenes, 20, 20))
    wrong = np.random.default_rng(seed + 1).random(truth.shape) < noise
    found = np.where(wrong, (truth + 1) % 3, truth)
    return np.stack([Confusion.of(t, f, 3).counts for t, f in zip(truth, found, strict=True)])


def test_mean_iou_is_that_of_the_evaluation() -> None:
    made = counts(0, 0.3)
    assert mean_iou(made.sum(axis=0)) == pytest.approx(measure(Confusion(made.sum(axis=0))).mean_iou)
    absent = np.zeros((2, 3), dtype=np.int64)
    absent[0, 0] = 5
    assert mean_iou(absent) == 1.0


def test_the_interval_holds_the_difference_and_is_nothing_for_equals() -> None:
    better, worse = counts(0, 0.1), counts(0, 0.3)
    found = compare(better, worse)
    assert 0 < found.low < found.value < found.high
    same = compare(better, better)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_noise_in_the_share_asked_for() -> None:
    wild = wild_captions(0.3, 5)
    assert wild == wild_captions(0.3, 5)
    distinct = {caption.text for caption in clean_captions()}
    assert len(wild.mistakes) == round(0.3 * len(distinct))
    assert {caption.source for caption in wild.captions} == {"examples", "mislabelled", "crowded", "strange"}
    assert wild_captions(0, 5).mistakes == {}


def test_mistakes_are_drawn_otherwise_and_told_as_if_they_were_right() -> None:
    wild = wild_captions(1.0, 0)
    swapped = absent = 0
    for text, mistake in wild.mistakes.items():
        thing, place = text.split(" under ")[0].split(" on ")
        words = (thing.split()[-1], place.split()[-1], "sky")
        echo = Echo()
        request = GenerationRequest(text, 7, spans_of(text, *words))
        (told,) = MistakenGenerator(echo, wild.mistakes).generate([request])
        (asked,) = echo.asked
        assert (asked.caption, asked.seed) == (mistake.drawn, 7)
        assert thing not in asked.caption.split(" on ")[0]
        read = [asked.caption[asked.spans[row][0] : asked.spans[row][1]] for row in range(3)]
        assert read[1:] == [text[start:stop] for start, stop in request.spans[1:]]
        assert told.attribution_shw.ravel().tolist() == [start for start, _ in asked.spans]
        if read[0] == "under":
            absent += 1
        else:
            swapped += 1
            assert asked.caption.split(" on ")[0].endswith(read[0])
    assert abs(swapped - absent) <= 1


def test_captions_without_a_mistake_are_the_real_generators() -> None:
    echo = Echo()
    request = GenerationRequest("a car on grass", 1, ((2, 5),))
    MistakenGenerator(echo, {}).generate([request])
    assert echo.asked == [request]
