"""From proposed masks to a label map: overlaps, holes, nothing, hundreds, one that covers all."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from freeda_models.protocols import MaskProposals
from freeda_segment.regions.numbering import numbered
from freeda_segment.regions.painting import cover, paint

GRID = 16
NOWHERE = np.full((40, 40), -1, np.int32)


def proposals(
    masks: list[NDArray[np.bool_]], quality: list[float] | None = None, **extent: Any
) -> MaskProposals:
    logits = np.where(np.stack(masks), 8, -8) if masks else np.zeros((0, GRID, GRID))
    rated = np.full(len(masks), 0.5) if quality is None else np.array(quality)
    extent_hw = extent.get("extent_hw", (float(GRID), float(GRID)))
    return MaskProposals(logits.astype(np.float16), rated.astype(np.float32), extent_hw)


def box(top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    mask = np.zeros((GRID, GRID), bool)
    mask[top:bottom, left:right] = True
    return mask


def quarters(side: int = 40) -> NDArray[np.int32]:
    """Four superpixels."""
    half = np.arange(side) >= side // 2
    return (2 * half[:, None] + half[None, :]).astype(np.int32)


def test_the_smaller_one_is_on_top_whatever_the_order() -> None:
    whole, part = box(2, 2, 14, 14), box(6, 6, 10, 10)
    for masks, expected in (([whole, part], [0, 1]), ([part, whole], [1, 0])):
        labels = paint(proposals(masks), (GRID, GRID))
        assert labels[3, 3] == expected[0]
        assert labels[8, 8] == expected[1]
        assert labels[0, 0] == -1


def test_of_one_size_the_better_one_is_on_top_and_then_the_later() -> None:
    left, right = box(4, 2, 10, 8), box(4, 6, 10, 12)
    assert paint(proposals([left, right], [0.9, 0.8]), (GRID, GRID))[6, 7] == 0
    assert paint(proposals([left, right], [0.8, 0.9]), (GRID, GRID))[6, 7] == 1
    assert paint(proposals([left, right], [0.8, 0.8]), (GRID, GRID))[6, 7] == 1


def test_holes_show_what_lies_below() -> None:
    ring = box(2, 2, 14, 14) & ~box(6, 6, 10, 10)
    labels = paint(proposals([ring, box(0, 0, 16, 16)]), (GRID, GRID))
    assert labels[7, 7] == 1
    assert labels[3, 3] == 0


@given(
    st.integers(1, 12),
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(0.3, 1),
    st.floats(0.3, 1),
    st.integers(0, 2**31),
)
def test_equal_to_upsampling_each_mask_whole(
    count: int, height: int, width: int, down: float, across: float, seed: int
) -> None:
    """As by ``F.interpolate`` to the padded size, masks one over another, but for logits next to 0."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 4, (count, 6, 7)).astype(np.float16)
    quality = rng.random(count).astype(np.float32)
    rows, columns = max(1, round(6 * down)), max(1, round(7 * across))
    given_ = MaskProposals(logits, quality, (float(rows), float(columns)))
    labels = paint(given_, (height * rows, width * columns))
    whole = torch.from_numpy(logits.astype(np.float32))[None]
    large = F.interpolate(whole, (6 * height, 7 * width), mode="bilinear", align_corners=False)[0].numpy()
    large = large[:, : height * rows, : width * columns]
    areas = (logits > 0).sum(axis=(1, 2))
    expected = np.full(labels.shape, -1)
    doubtful = np.zeros(labels.shape, bool)
    for index in sorted(range(count), key=lambda each: (-areas[each], quality[each], each)):
        expected[large[index] > 0] = index
        doubtful |= np.abs(large[index]) < 1e-3
    assert (labels == expected)[~doubtful].all()


def test_padding_is_left_out() -> None:
    """A grid whose right half is padding: what lies in the middle of it is the picture's right edge."""
    labels = paint(proposals([box(0, 0, 16, 4)], extent_hw=(16.0, 8.0)), (32, 32))
    assert (labels[:, :15] == 0).all()
    assert (labels[:, 17:] == -1).all()


def test_nothing_proposed_leaves_the_superpixels() -> None:
    labels = paint(proposals([]), (40, 40))
    assert (labels == -1).all()
    assert (cover(labels, quarters(), 1) == quarters()).all()
    assert (cover(labels, NOWHERE, 1) == -1).all()
    assert (paint(proposals([box(0, 0, 0, 0)]), (40, 40)) == -1).all()


def test_one_that_covers_all_is_one_region() -> None:
    labels = cover(paint(proposals([box(0, 0, 16, 16)]), (40, 40)), quarters(), 1)
    assert (labels == 0).all()


def test_hundreds_are_painted() -> None:
    rng = np.random.default_rng(1)
    corners = rng.integers(0, 14, (400, 2))
    sizes = rng.integers(1, 9, (400, 2))
    masks = [box(y, x, y + h, x + w) for (y, x), (h, w) in zip(corners, sizes, strict=True)]
    labels = cover(paint(proposals(masks), (200, 300), 20), np.zeros((200, 300), np.int32), 20)
    assert labels.min() == 0
    assert labels.max() > 50
    assert np.bincount(labels.ravel()).min() >= 20


def test_there_is_never_a_stack_of_masks() -> None:
    """200 masks on a megapixel: a stack would take 200 MB, or 800 as numbers."""
    rng = np.random.default_rng(0)
    masks = rng.normal(-1, 3, (200, 8, 8)).repeat(8, 1).repeat(8, 2).astype(np.float16)
    found = MaskProposals(masks, rng.random(200).astype(np.float32), (64.0, 64.0))
    tracemalloc.start()
    labels = paint(found, (1000, 1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert labels.max() > 150
    assert peak < 60e6


def test_what_is_not_covered_is_divided_into_superpixels() -> None:
    labels = np.full((40, 40), -1, np.int32)
    labels[10:30, 10:30] = 7
    covered = cover(labels, quarters(), 1)
    assert covered.max() == 4
    assert (covered[10:30, 10:30] == 0).all()
    assert len({covered[0, 0], covered[0, 39], covered[39, 0], covered[39, 39]}) == 4


def test_narrow_gaps_between_masks_are_closed_and_wide_ones_are_not() -> None:
    labels = np.full((40, 40), -1, np.int32)
    labels[:, :18], labels[:, 20:30] = 0, 1  # a gap of 2 and a rim of 10
    covered = cover(labels, np.zeros((40, 40), np.int32), 1)
    assert covered.max() == 2
    assert (covered[:, :19] == 0).all()
    assert (covered[:, 19:30] == 1).all()
    assert (covered[:, 30:] == 2).all()


def test_splinters_of_superpixels_go_to_their_neighbours() -> None:
    labels = np.full((40, 40), -1, np.int32)
    labels[3:37, 3:37] = 0
    rest = np.zeros((40, 40), np.int32)
    rest[:3, :3] = 1
    assert set(np.unique(cover(labels, rest, 10))) == {0, 1}
    assert set(np.unique(cover(labels, rest, 9))) == {0, 1, 2}


def test_small_regions_that_were_given_stay() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[7, 7] = 1
    assert (cover(labels, quarters(), 50) == labels).all()
    labels[20:] = -1
    assert cover(labels, quarters(), 50)[7, 7] == 1


def test_of_splinters_alone_none_is_lost() -> None:
    labels = np.full((4, 4), -1, np.int32)
    labels[0] = 3
    covered = cover(labels, np.arange(16, dtype=np.int32).reshape(4, 4), 100)
    assert covered.min() == 0


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.integers(1, 30), st.integers(0, 2**31))
def test_every_pixel_has_a_region_and_numbers_have_no_gaps(
    height: int, width: int, count: int, min_size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    masks = [rng.random((GRID, GRID)) < rng.random() for _ in range(count)]
    labels = paint(proposals(masks, list(rng.random(count))), (height, width))
    superpixels = numbered(rng.integers(0, 5, (height // 4 + 1, width // 4 + 1)))
    superpixels = superpixels.repeat(4, 0).repeat(4, 1)[:height, :width]
    for rest in (superpixels, np.full((height, width), -1, np.int32)):
        covered = cover(labels, rest, min_size)
        assert covered.dtype == np.int32
        assert covered.shape == (height, width)
        present = np.unique(covered[covered >= 0])
        assert (present == np.arange(len(present))).all()
        assert (covered >= 0).all() or (rest < 0).any()
        again = cover(labels, rest, min_size)
        assert (again == covered).all()


@pytest.mark.parametrize("labels", [[[5, 5, -1], [9, -1, 2]], [[-1, -1]], [[0]]])
def test_numbers_follow_their_order(labels: list[list[int]]) -> None:
    given_ = np.array(labels, np.int32)
    result = numbered(given_)
    assert ((result < 0) == (given_ < 0)).all()
    present = np.unique(given_[given_ >= 0])
    for place, label in enumerate(present):
        assert (result[given_ == label] == place).all()
