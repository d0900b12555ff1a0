"""Providers of regions in a segmenter, merged superpixels, and the vote of regions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from segment_fakes import FakeBackbone, FakeBank, FakeClip, small_settings, striped_picture

from freeda_models.protocols import MaskProposals, ModelIdentity
from freeda_models.regions.options import EdgeTamOptions, EomtOptions, Sam2Options
from freeda_models.segmentation import PresetSettings
from freeda_segment.errors import OptionError
from freeda_segment.pixels.labelling import BACKGROUND, LabelledPixels
from freeda_segment.pixels.voting import vote_in_bands
from freeda_segment.region_networks import load_regions
from freeda_segment.regions.merging import merge_similar
from freeda_segment.regions.providers import GivenRegions, ProposedRegions, RegionProvider, divide_picture
from freeda_segment.regions.superpixels import Felzenszwalb, parse_superpixels
from freeda_segment.segmenter import Segmenter
from freeda_segment.settings import OwnRegions, SegmentSettings, parse_regions


@dataclass
class FakeProposer:
    """One mask, the left part of every picture; counts how often it is asked, and with what."""

    share: float = 0.5
    seen: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("sam-a", "", "cc", 0, "")

    def propose(self, image_hwc: Any) -> MaskProposals:
        self.seen.append(image_hwc.shape)
        logits = np.full((1, 8, 8), -4, np.float16)
        logits[:, :, : int(8 * self.share)] = 4
        return MaskProposals(logits, np.ones(1, np.float32), (8.0, 8.0))


def segmenter(**changes: Any) -> Segmenter:
    return Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings(**changes))


def test_a_picture_is_asked_for_once_and_windows_are_cut_from_its_map() -> None:
    proposer = FakeProposer()
    opened = segmenter().with_regions(ProposedRegions("sam2", proposer))
    image = striped_picture(["red", "green"], 64, 128)
    encoded = opened.encode(image)
    assert proposer.seen == [(64, 128, 3)]
    assert len(encoded.windows) > 1
    assert encoded.divided is not None
    assert encoded.divided.given == 1
    whole = encoded.divided.labels
    for window in encoded.windows:
        cut = whole[window.box.slices]
        assert ((window.labels == window.labels[0, 0]) == (cut == cut[0, 0])).all()
        assert set(np.unique(window.labels)) == set(range(window.labels.max() + 1))
    left = whole[:, : whole.shape[1] // 2]
    assert len(np.unique(left)) == 1


def test_given_regions_decide_where_borders_lie() -> None:
    """Regions that cross the picture's colours: each gets one class, its border where the map has it."""
    image = striped_picture(["red", "green"], 32, 32)
    regions = np.zeros((32, 32), np.int64)
    regions[:, 20:] = 5
    result = segmenter(alpha=1.0).with_regions(GivenRegions(regions)).segment(image, "red,green")
    assert (result.labels == np.where(regions == 5, 1, 0)).all()
    assert (result.region_map == (regions == 5)).all()
    assert result.provenance.settings["regions"] == "given"
    assert "regions" not in result.provenance.models
    assert result.region_at(31, 3).label == 1


def test_results_name_the_network_and_its_options() -> None:
    settings = small_settings(regions=Sam2Options(points_per_side=8))
    opened = Segmenter(
        FakeBank(),
        FakeClip(),
        FakeBackbone(),
        settings=settings,
        regions=ProposedRegions("sam2", FakeProposer()),
    )
    told = opened.provenance
    assert told.models["regions"] == "sam-a"
    assert told.settings["regions"] == "sam2"
    assert told.settings["regions.points_per_side"] == 8
    assert "regions.points_per_batch" not in told.settings
    assert segmenter().provenance.settings["regions"] == "superpixels"
    assert opened.with_bank(FakeBank()).provenance == told


def test_a_network_that_is_not_loaded_is_refused() -> None:
    with pytest.raises(OptionError, match="'sam2', which is not loaded"):
        segmenter(regions=Sam2Options())
    opened = segmenter().with_regions(ProposedRegions("sam2", FakeProposer()))
    assert opened.with_settings(alpha=0.5).settings.regions == OwnRegions("sam2")
    assert opened.with_settings(regions=None).settings.regions is None
    assert opened.with_settings(regions=None).proposer is None
    with pytest.raises(OptionError, match="hand the provider in"):
        load_regions(None, small_settings(regions=OwnRegions("mine")), "cpu")  # type: ignore[arg-type]


def test_what_was_encoded_with_other_regions_is_refused() -> None:
    plain = segmenter()
    proposing = plain.with_regions(ProposedRegions("sam2", FakeProposer()))
    image = striped_picture(["red", "green"], 32, 32)
    with pytest.raises(OptionError, match="made with regions"):
        plain.label(proposing.encode(image), plain.prepare("red"))
    with pytest.raises(OptionError, match="made with merge_similarity"):
        plain.label(segmenter(merge_similarity=0.9).encode(image), plain.prepare("red"))


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        (np.zeros((3, 3), np.int32), r"gave int32 \(3, 3\); expected integers"),
        (np.zeros((32, 32)), "gave float64"),
        (np.full((32, 32), -2), "gave the label -2"),
    ],
)
def test_what_is_no_map_is_refused(given_: NDArray[Any], told: str) -> None:
    class Broken:
        name = "broken"

        def __call__(self, image_hwc: Any, size_hw: tuple[int, int]) -> Any:
            return given_

    assert isinstance(Broken(), RegionProvider)
    with pytest.raises(OptionError, match=told):
        segmenter().with_regions(Broken()).encode(striped_picture(["red"], 32, 32))


def test_given_regions_are_resized_to_the_nearest() -> None:
    regions = np.arange(6).reshape(2, 3)
    image = striped_picture(["red"], 40, 60)
    divided = divide_picture(GivenRegions(regions), image, image, Felzenszwalb())
    assert (divided.labels == regions.repeat(20, 0).repeat(20, 1)).all()
    assert divided.given == 6
    assert (GivenRegions(regions)(image, (1, 1)) == 4).all()


def test_uncovered_pixels_without_superpixels_keep_their_patch() -> None:
    image = striped_picture(["red", "green", "blue", "yellow"], 32, 32)
    opened = segmenter(superpixels=parse_superpixels("none"), alpha=1.0)
    proposing = opened.with_regions(ProposedRegions("mine", FakeProposer()))
    encoded = proposing.encode(image)
    assert (encoded.windows[0].labels[:, 20:] == -1).all()
    with_patches = opened.segment(image, "red,green,blue,yellow").labels
    labels = proposing.segment(image, "red,green,blue,yellow").labels
    assert (labels[:, 20:] == with_patches[:, 20:]).all()


def test_neighbours_alike_become_one_region() -> None:
    """Five strips: the second and third look alike to the backbone, and so do the first and last."""
    labels = (np.arange(40) // 8)[None].repeat(10, 0).astype(np.int32)
    looks = np.array([[1, 0], [0, 1], [0.1, 1], [-1, 0], [1, 0.05]], np.float32)
    tokens = looks[labels[::2, ::8]]
    merged = merge_similar(labels, tokens, 0.9)
    assert merged[0, ::8].tolist() == [0, 1, 1, 2, 3]  # those that do not touch stay apart
    assert (merge_similar(labels, tokens, 1.0) == labels).all()
    assert (merge_similar(labels, tokens, -1.0) == 0).all()
    nothing = np.full((10, 40), -1, np.int32)
    assert (merge_similar(nothing, tokens, -1.0) == -1).all()


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 8), st.floats(-1, 1), st.integers(0, 2**31))
def test_merging_only_joins_regions(
    height: int, width: int, count: int, similarity: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.unique(rng.integers(0, count, (height, width)), return_inverse=True)[1]
    regions = labels.reshape(height, width).astype(np.int32)
    merged = merge_similar(regions, rng.normal(size=(4, 4, 3)).astype(np.float32), similarity)
    assert set(np.unique(merged)) == set(range(merged.max() + 1))
    for index in np.unique(regions):
        assert len(np.unique(merged[regions == index])) == 1


def test_a_segmenter_merges_superpixels() -> None:
    image = striped_picture(["red", "red", "green", "green"], 32, 32)
    image[:, :8] //= 2  # a shadow: another superpixel, and a similar feature
    separate = segmenter().encode(image).windows[0].labels
    merged = segmenter(merge_similarity=0.6).encode(image).windows[0].labels
    assert merged.max() < separate.max()
    assert separate[0, 0] != separate[0, 12]
    assert merged[0, 0] == merged[0, 12] != merged[0, 31]


def vote(labels: NDArray[Any], regions: NDArray[np.int32], rows: int) -> NDArray[np.int16]:
    voted = list(vote_in_bands(bands(labels, rows), regions, (len(labels), labels.shape[1]), 3))
    return np.concatenate([each.labels for each in voted])


def bands(labels: NDArray[Any], rows: int) -> list[LabelledPixels]:
    scores = np.ones(labels.shape, np.float32)
    starts = range(0, len(labels), rows)
    return [LabelledPixels(labels[top : top + rows], scores[top : top + rows], top) for top in starts]


def test_the_majority_of_a_region_wins() -> None:
    labels = np.array([[0, 0, 1, 2], [0, 1, 2, 2]], np.int16)
    regions = np.array([[0, 0, 0, -1], [0, 0, 1, 1]], np.int32)
    for rows in (1, 2):
        voted = vote(labels, regions, rows)
        assert voted.tolist() == [[0, 0, 0, 2], [0, 0, 2, 2]]
        assert voted.dtype == np.int16


def test_of_equals_background_wins_and_then_the_first_class() -> None:
    labels = np.array([[2, 1, BACKGROUND, 2]], np.int16)
    regions = np.array([[0, 0, 1, 1]], np.int32)
    assert vote(labels, regions, 1).tolist() == [[1, 1, BACKGROUND, BACKGROUND]]


@given(st.integers(1, 24), st.integers(1, 24), st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**31))
def test_a_vote_at_the_original_size_is_one_of_pixels(
    height: int, width: int, high: int, wide: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 3, (height, width)).astype(np.int16)
    regions = rng.integers(-1, 4, (high, wide)).astype(np.int32)
    voted = vote(labels, regions, 5)
    large = regions[np.ix_(np.arange(height) * high // height, np.arange(width) * wide // width)]
    for index in range(-1, 4):
        inside = labels[large == index]
        if index < 0:
            assert (voted[large < 0] == inside).all()
        elif inside.size:
            assert (voted[large == index] == np.bincount(inside + 1, minlength=4).argmax() - 1).all()


def test_masks_vote_and_superpixels_only_when_asked() -> None:
    """Patches alone label a picture; the vote then makes one class of the mask, or of every region."""
    image = striped_picture(["red", "green", "green", "red", "green"], 32, 40)
    regions = np.full((32, 40), -1)
    regions[:, :12] = 3
    opened = segmenter(alpha=1.0, superpixels=parse_superpixels("slic", {"n_segments": 1}))
    giving = opened.with_regions(GivenRegions(regions))
    encoded, prototypes = giving.encode(image), giving.prepare("red,green")
    assert encoded.divided is not None
    assert encoded.divided.given == 1
    patches = tuple(replace(each, labels=np.full_like(each.labels, -1)) for each in encoded.windows)
    mixed = replace(encoded, windows=patches)

    def mixtures(vote: str) -> list[int]:
        voting = giving.with_settings(majority_vote=vote)
        result = voting.label(mixed, prototypes)
        for share in result.shares:
            assert share.pixels == (result.labels == share.index).sum()
        return [len(np.unique(result.labels[:, part])) for part in (slice(12), slice(12, None))]

    assert mixtures("none") == [2, 2]
    assert mixtures("masks") == [1, 2]
    assert mixtures("regions") == [1, 1]


def test_superpixels_of_windows_vote_only_when_asked() -> None:
    image = striped_picture(["red", "green", "red"], 32, 32)
    opened = segmenter(alpha=1.0, superpixels=parse_superpixels("slic", {"n_segments": 1}))
    encoded, prototypes = opened.encode(image), opened.prepare("red,green")
    nothing = np.zeros_like(encoded.windows[0].regions.covered)
    uncovered = replace(encoded.windows[0], regions=replace(encoded.windows[0].regions, covered=nothing))
    mixed = replace(encoded, windows=(uncovered,))
    found = [
        len(np.unique(opened.with_settings(majority_vote=vote).label(mixed, prototypes).labels))
        for vote in ("none", "masks", "regions")
    ]
    assert found == [2, 2, 1]


def test_settings_of_a_preset_name_networks() -> None:
    declared = PresetSettings(regions="edgetam", region_options={"points_per_side": 8.0})
    assert SegmentSettings.of(declared).regions == EdgeTamOptions(points_per_side=8)
    assert SegmentSettings.of(PresetSettings()).regions is None
    assert parse_regions("eomt", {}) == EomtOptions()
    with pytest.raises(OptionError, match=r"\[segment\].*no option 'points_per_side'"):
        SegmentSettings.of(PresetSettings(region_options={"points_per_side": 8.0}))
    with pytest.raises(OptionError, match="unknown region network 'sam3'"):
        parse_regions("sam3", {})
