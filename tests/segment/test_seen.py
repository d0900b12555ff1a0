"""What CLIP sees in regions itself: its weight in the score, and that it costs nothing where it has none."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from segment_fakes import (
    COLOURS,
    TEXT_DIM,
    FakeBackbone,
    FakeBank,
    FakeClip,
    FullBank,
    colour_feature,
    small_settings,
    striped_picture,
    unit,
    word_vector,
)
from test_segmenter import agreement

from freeda_models.protocols import (
    FloatArray,
    GuidedImageEncoder,
    GuidedImages,
    ImageArray,
    IndexArray,
)
from freeda_segment.encoding import EncodedImage, superpixel_pool
from freeda_segment.errors import ModelOutputError, OptionError
from freeda_segment.images import as_picture
from freeda_segment.outputs.explanation_json import explanation_document
from freeda_segment.outputs.explanation_page import ExplanationPage
from freeda_segment.regions.similarity import region_weights, score_window
from freeda_segment.regions.superpixels import parse_superpixels
from freeda_segment.segmenter import Segmenter

NAMES = ["red", "blue", "green"]


class SeeingClip(FakeClip, GuidedImageEncoder):
    """Sees in each place the colour that the backbone's feature is nearest to."""

    def __init__(self, spoil: float = 0.0) -> None:
        super().__init__()
        self.whole, self.guided, self._spoil = 0, 0, spoil

    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        self.whole += 1
        return super().encode_images(images_bhwc)

    def encode_images_guided(self, images_bhwc: ImageArray, guides_bhwd: FloatArray) -> GuidedImages:
        self.guided += 1
        colours = np.stack([colour_feature(colour) for colour in COLOURS.values()])
        nearest = np.abs(guides_bhwd[..., None, :] - colours).sum(axis=-1).argmin(axis=-1)
        vectors = np.stack([word_vector(name) for name in COLOURS])
        patches = vectors[nearest] + np.float32(self._spoil)
        return GuidedImages(FakeClip.encode_images(self, images_bhwc), patches)


class PictureBank(FakeBank):
    """One picture for all, so that prototypes can be shown."""

    def thumbnail(self, key: str) -> Image.Image:
        return Image.new("RGB", (4, 4))


def wrong_bank() -> FakeBank:
    """Every text key is of another word, so the bank knows nothing of the classes."""
    bank = FakeBank()
    bank.keys = unit(np.random.default_rng(1).standard_normal(bank.keys.shape))
    return bank


def make(bank: FakeBank, clip: FakeClip | None = None, **changes: object) -> Segmenter:
    grid = changes.pop("grid", (8, 8))
    assert isinstance(grid, tuple)
    return Segmenter(bank, clip or SeeingClip(), FakeBackbone(grid), settings=small_settings(**changes))


@pytest.mark.parametrize("superpixels", ["felzenszwalb", "none"])
@pytest.mark.parametrize("grid", [(8, 8), (5, 7)])
def test_what_the_bank_does_not_know_clip_sees(superpixels: str, grid: tuple[int, int]) -> None:
    picture = striped_picture(NAMES, 40, 90)
    changes: dict[str, Any] = {
        "alpha": 1.0,
        "stride": 8,
        "superpixels": parse_superpixels(superpixels),
        "grid": grid,
    }
    shares = {
        weight: agreement(make(wrong_bank(), dense_weight=weight, **changes).segment(picture, NAMES), NAMES)
        for weight in (0.0, 1.0)
    }
    assert shares[1.0] > 0.85 > shares[0.0]


def of_class(rows: FloatArray, starts: IndexArray, index: int) -> FloatArray:
    """The rows that belong to one class."""
    return np.split(rows, starts[1:])[index]


def test_scores_equal_the_literal_form() -> None:
    """Region by region and class by class, as docs/method.md says it, in windows that overlap."""
    weight = 0.3
    segmenter = make(FakeBank(), dense_weight=weight, stride=8)
    encoded = segmenter.encode(striped_picture(["red", "blue", "yellow"], 40, 70))
    prototypes = segmenter.prepare("red,blue|azure,sky")
    assert len(encoded.windows) > 1
    scored = segmenter.label(encoded, prototypes).request.windows
    for window, scores in zip(encoded.windows, scored, strict=True):
        assert window.seen is not None
        assert window.seen.tokens.shape == (8, 8, TEXT_DIM)
        weights = region_weights(window.labels, (8, 8)).toarray()
        for region in np.flatnonzero(scores.covered):
            mean = weights[region] @ window.seen.tokens.reshape(64, TEXT_DIM)
            mean = mean / np.linalg.norm(mean)
            for index in range(3):
                looks = of_class(prototypes.vectors, prototypes.vector_starts, index)
                texts = of_class(prototypes.embeddings, prototypes.embedding_starts, index)
                own = max(float(look @ window.regions.vectors[region]) for look in looks)
                joined = (1 - weight) * own + weight * max(float(text @ mean) for text in texts)
                assert scores.regions[region, index] == pytest.approx(1 / (1 + np.exp(-joined)), abs=1e-5)


def test_neighbours_are_joined_first_and_what_is_seen_then() -> None:
    changes: dict[str, Any] = {"retrieval": "both", "region_values": "text", "region_k": 3, "alpha": 1.0}
    picture = striped_picture(NAMES, 32, 32)
    at = {
        weight: make(FakeBank(), dense_weight=weight, **changes).segment(picture, NAMES).request.windows[0]
        for weight in (0.0, 0.4, 1.0)
    }
    cosines = {weight: np.log(each.regions / (1 - each.regions)) for weight, each in at.items()}
    np.testing.assert_allclose(cosines[0.4], 0.6 * cosines[0.0] + 0.4 * cosines[1.0], atol=1e-5)


def test_what_competes_is_seen_too() -> None:
    """Named or not for CLIP: without names it is seen as much as the class that is seen most."""
    segmenter = make(FullBank(), dense_weight=1.0, background=None, alpha=1.0)
    encoded = segmenter.encode(striped_picture(["red", "blue"], 32, 32))
    prototypes = segmenter.prepare("red,green")
    (window,) = encoded.windows
    competitors = prototypes.competitors
    assert competitors is not None
    assert "blue" in competitors.names
    for embeddings in (competitors.embeddings, None):
        compared = replace(prototypes, competitors=replace(competitors, embeddings=embeddings))
        scores = score_window(
            window.labels,
            window.regions,
            window.tokens,
            window.embedding,
            compared,
            1.0,
            None,
            window.seen,
            1.0,
        )
        assert window.seen is not None
        seen = prototypes.global_cosines(window.seen.regions)
        best = seen.max(axis=1)
        if embeddings is not None:
            best = (window.seen.regions @ embeddings.T).max(axis=1)
        expected = 1 / (1 + np.exp(-np.column_stack([seen, best])))
        np.testing.assert_allclose(scores.regions[scores.covered], expected[scores.covered], atol=1e-5)


def test_without_weight_nothing_is_computed() -> None:
    clip = SeeingClip()
    segmenter = make(FakeBank(), clip)
    encoded = segmenter.encode(striped_picture(NAMES, 32, 64))
    assert (clip.whole, clip.guided) == (1, 0)
    assert all(window.seen is None for window in encoded.windows)
    seeing = segmenter.with_settings(dense_weight=0.2)
    again = seeing.encode(striped_picture(NAMES, 32, 64))
    assert (clip.whole, clip.guided) == (1, 1), "whole windows and their places come of one pass"
    for one, other in zip(encoded.windows, again.windows, strict=True):
        np.testing.assert_array_equal(one.embedding, other.embedding)
    made = segmenter.label(again, segmenter.prepare(NAMES)).request.windows
    plain = segmenter.label(encoded, segmenter.prepare(NAMES)).request.windows
    np.testing.assert_array_equal(made[0].regions, plain[0].regions)


def test_what_was_seen_is_explained() -> None:
    bank, picture = PictureBank(), striped_picture(["blue"], 32, 32)
    for superpixels in ("felzenszwalb", "none"):
        segmenter = make(bank, dense_weight=0.4, alpha=1.0, superpixels=parse_superpixels(superpixels))
        made = segmenter.segment(picture, "blue,green", keep_evidence=True)
        told = made.explain_at(15, 15)
        assert told.best.name == "blue"
        assert told.runner_up is not None
        assert told.best.seen == pytest.approx(1, abs=1e-5)
        expected = float(word_vector("blue") @ word_vector("green"))
        assert told.runner_up.seen == pytest.approx(expected, abs=1e-5)
        page = ExplanationPage(made, [told], [(1, 1)], bank).render()
        assert "CLIP sees in the region itself blue" in " ".join(re.sub("<[^>]*>", "", page).split())
        assert explanation_document("p.png", made, [told])["regions"][0]["best"]["seen"] == told.best.seen
    plain = make(bank).segment(picture, "blue,green", keep_evidence=True)
    alone = plain.explain_at(15, 15)
    assert alone.best.seen is None
    assert "CLIP sees in" not in ExplanationPage(plain, [alone], [(1, 1)], bank).render()


def test_a_picture_that_was_encoded_without_is_refused() -> None:
    segmenter = make(FakeBank())
    encoded = segmenter.encode(striped_picture(NAMES, 32, 32))
    seeing = segmenter.with_settings(dense_weight=0.2)
    with pytest.raises(OptionError, match=r"dense_weight = 0.* has 0\.2; make it anew"):
        seeing.label(encoded, seeing.prepare(NAMES))


def test_a_clip_that_cannot_is_refused_at_once() -> None:
    with pytest.raises(OptionError, match="clip-a does not say what it sees"):
        make(FakeBank(), FakeClip(), dense_weight=0.1)
    blind = make(FakeBank(), FakeClip())
    with pytest.raises(OptionError, match="vision transformer"):
        blind.with_settings(dense_weight=0.1)
    with pytest.raises(OptionError, match="dense weight is 2"):
        small_settings(dense_weight=2.0)
    assert small_settings(dense_weight=0.5).as_published().dense_weight == 0


def test_pictures_that_share_a_batch_are_seen_as_alone() -> None:
    segmenter = make(FakeBank(), dense_weight=0.2, batch_size=4)
    pictures = [as_picture(striped_picture(NAMES, 32, width)) for width in (32, 64, 96)]
    with superpixel_pool() as pool:
        started = [segmenter.start(picture, pool) for picture in pictures]
        together = list(segmenter.encode_each(started))
    for picture, made in zip(pictures, together, strict=True):
        alone = segmenter.encode(picture)
        assert isinstance(made, EncodedImage)
        for one, other in zip(made.windows, alone.windows, strict=True):
            assert one.seen is not None
            assert other.seen is not None
            np.testing.assert_allclose(one.seen.regions, other.seen.regions, atol=1e-6)


def test_numbers_that_are_none_are_told() -> None:
    segmenter = make(FakeBank(), SeeingClip(spoil=float("nan")), dense_weight=0.2)
    with pytest.raises(ModelOutputError, match="CLIP model clip-a"):
        segmenter.encode(striped_picture(NAMES, 32, 32))
