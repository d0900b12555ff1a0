from __future__ import annotations

import literal
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from freeda_segment.regions.windows import (
    central_window,
    overlap_count,
    resize_picture,
    upsample_rows,
    window_boxes,
    working_size,
)


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [
        ((500, 375), (597, 448)),
        ((448, 448), (448, 448)),
        ((1, 1), (448, 448)),
        ((100, 20_000), (10, 2048)),
        ((1, 20_000), (1, 2048)),
    ],
)
def test_working_size(size_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    assert working_size(size_hw, 448, 2048) == expected


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 90), st.integers(1, 90))
def test_windows_equal_the_literal_ones_and_cover(height: int, width: int, window: int, stride: int) -> None:
    stride = min(stride, window)
    boxes = window_boxes((height, width), window, stride)
    expected = literal.boxes(height, width, window, stride)
    assert [(box.top, box.left, box.bottom, box.right) for box in boxes] == expected
    assert len({box.size_hw for box in boxes}) == 1
    assert overlap_count((height, width), boxes).min() >= 1


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 50), st.integers(1, 50), st.integers(1, 7))
def test_bands_of_rows_equal_the_whole_resize(
    height: int, width: int, to_height: int, to_width: int, band: int
) -> None:
    scores = torch.rand(3, height, width, generator=torch.Generator().manual_seed(height * 31 + width))
    whole = F.interpolate(scores[None], (to_height, to_width), mode="bilinear", align_corners=False)[0]
    bands = [
        upsample_rows(scores, (to_height, to_width), slice(start, min(start + band, to_height)))
        for start in range(0, to_height, band)
    ]
    np.testing.assert_allclose(torch.cat(bands, 1).numpy(), whole.numpy(), atol=1e-5)


def test_the_central_window_is_the_nearest_centre() -> None:
    boxes = window_boxes((4, 10), 4, 2)
    owners = central_window((4, 10), boxes)
    assert owners[2].tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3]


def test_resize_keeps_a_picture_of_the_right_size() -> None:
    picture = np.zeros((5, 6, 3), np.uint8)
    assert resize_picture(picture, (5, 6)) is picture
    assert resize_picture(picture, (10, 3)).shape == (10, 3, 3)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_a_plain_resize_reads_four_pixels_like_torch(
    height: int, width: int, to_height: int, to_width: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = resize_picture(picture, (to_height, to_width), "plain")
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(picture).permute(2, 0, 1)[None].double(),
        (to_height, to_width),
        mode="bilinear",
        align_corners=False,
        antialias=False,
    )
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, expected[0].permute(1, 2, 0).numpy(), atol=0.501)


def test_a_plain_resize_keeps_stripes_that_antialiasing_greys() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert resize_picture(stripes, (8, 8), "antialiased").std() < 5
    assert set(np.unique(resize_picture(stripes[:, 1:], (7, 7), "plain"))) <= {0, 255}
