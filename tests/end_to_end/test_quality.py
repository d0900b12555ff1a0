"""Does it segment? mIoU on rendered scenes that no training saw, against exact label maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tiny_quality import measure_bank
from freeda_models.loading import load_generator, load_noun_extractor
from freeda_models.presets import load_preset
from freeda_models.protocols import GenerationRequest
from freeda_segment import Segmenter, open_segmenter
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import Metrics
from freeda_store import parse_filter


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return load_scenes()


@pytest.fixture(scope="module")
def generated(example_bank: Path) -> Metrics:
    return measure_bank(example_bank)


@pytest.fixture(scope="module")
def segmenter(example_bank: Path) -> Iterator[Segmenter]:
    with open_segmenter(example_bank, device="cpu") as opened:
        yield opened


def test_generated_prototypes_segment_unseen_scenes(generated: Metrics) -> None:
    assert generated.mean_iou >= 0.92
    assert generated.pixel_accuracy >= 0.97


def test_every_object_and_ground_is_found(generated: Metrics, scenes: Scenes) -> None:
    found = dict(zip(scenes.class_names, generated.iou, strict=True))
    assert {name: iou for name, iou in found.items() if not iou >= 0.8} == {}


def test_generated_prototypes_come_near_the_oracle(generated: Metrics, exact_bank: Path) -> None:
    assert generated.mean_iou >= 0.85 * measure_bank(exact_bank).mean_iou


def test_a_word_that_no_caption_of_the_bank_holds_finds_its_synonym(
    segmenter: Segmenter, scenes: Scenes
) -> None:
    without = segmenter.with_settings(where=parse_filter(["noun!=automobile"]))
    nouns = {info.noun for found in without.prepare(["automobile"]).support[0] for info in found.infos}
    assert "automobile" not in nouns
    names = [*scenes.class_names]
    names[names.index("car")] = "automobile"
    car = scenes.class_names.index("car")
    shown = [number for number in range(len(scenes)) if (scenes.labels[number] == car).any()]
    prototypes = without.prepare(names)
    overlap = union = 0
    for number in shown:
        mask = without.segment(scenes.images[number], prototypes).mask("automobile")
        truth = scenes.labels[number] == car
        overlap += int(np.count_nonzero(mask & truth))
        union += int(np.count_nonzero(mask | truth))
    assert overlap / union >= 0.6


def test_a_class_alone_leaves_the_rest_of_a_picture_to_none(segmenter: Segmenter, scenes: Scenes) -> None:
    """As well as with all classes named; ``benchmarks/open_lists.py`` measures it on all scenes."""
    names = ("car", "cat", "banana", "house", "grass", "sky")
    every = segmenter.prepare(list(scenes.class_names))
    alone = {name: segmenter.prepare(name) for name in names}
    overlap, union = np.zeros((2, len(names))), np.zeros((2, len(names)))
    for row, name in enumerate(names):
        label = scenes.class_names.index(name)
        shown = [number for number in range(len(scenes)) if (scenes.labels[number] == label).any()]
        for number in shown[:3]:
            encoded, truth = segmenter.encode(scenes.images[number]), scenes.labels[number] == label
            for column, prototypes in enumerate((alone[name], every)):
                mask = segmenter.label(encoded, prototypes).mask(name)
                overlap[column, row] += np.count_nonzero(mask & truth)
                union[column, row] += np.count_nonzero(mask | truth)
    of_one, of_all = (overlap / union).mean(axis=1)
    assert of_one >= of_all - 0.03
    assert of_one >= 0.75, "every pixel would be the class: 0.2"


def test_a_photograph_is_told_to_be_unlike_anything_in_the_bank(segmenter: Segmenter, scenes: Scenes) -> None:
    from skimage.data import astronaut, chelsea, coffee

    prototypes = segmenter.prepare("cat,sky")
    for picture in (astronaut(), chelsea(), coffee()):
        assert "resembles nothing in the bank" in segmenter.segment(picture, prototypes).doubt
    for picture in scenes.images[:6]:
        assert segmenter.segment(picture, prototypes).doubt == ""


def test_attribution_lies_on_the_object(segmenter: Segmenter) -> None:
    """Attribution of a noun is denser where the segmenter sees the noun than elsewhere."""
    preset = load_preset("tiny")
    captions = [
        f"a {word} on sand under a blue sky" for word in ("car", "tree", "cat", "penguin", "mushroom")
    ]
    nouns = load_noun_extractor(preset).extract(captions)
    requests = [
        GenerationRequest(caption, 1, (next(noun.span for noun in found if noun.key != "sand"),))
        for caption, found in zip(captions, nouns, strict=True)
    ]
    drawn = load_generator(preset, "cpu").generate(requests)
    contrasts = []
    for caption, picture in zip(captions, drawn, strict=True):
        name = caption.split()[1]
        mask = segmenter.segment(picture.image_hwc, [name, "sand", "sky"]).mask(name)
        assert mask.any(), f"the generated {name} is not recognised"
        attribution = picture.attribution_shw[0]
        step = mask.shape[0] // attribution.shape[0]
        share = mask.reshape(attribution.shape[0], step, attribution.shape[1], step).mean(axis=(1, 3))
        inside = (attribution * share).sum() / share.sum()
        outside = (attribution * (1 - share)).sum() / (1 - share).sum()
        contrasts.append(inside / outside)
    assert min(contrasts) > 1
    assert np.mean(contrasts) > 1.3
