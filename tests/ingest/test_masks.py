from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from freeda_ingest.errors import OptionError
from freeda_ingest.masks import MAX_CONTRAST, THRESHOLDS, DropReason, Mask, MaskSettings, make_mask, normalise
from freeda_ingest.resampling import resample

OPEN: dict[str, Any] = {"min_area": 0.0, "max_area": 1.0}


def blob(size: int = 8) -> np.ndarray:
    """A bright square on a dim ground."""
    attribution = np.full((size, size), 0.1, dtype=np.float32)
    attribution[2:5, 3:6] = 0.9
    return attribution


@pytest.mark.parametrize("threshold", sorted(THRESHOLDS))
def test_the_mask_lies_on_the_bright_part(threshold: str) -> None:
    value = {"fixed": 0.5, "otsu": 0.0, "mean_std": 1.0}[threshold]
    mask = make_mask(blob(), (64, 64), MaskSettings(threshold=threshold, value=value))
    assert isinstance(mask, Mask)
    truth = np.zeros((64, 64), dtype=bool)
    truth[16:40, 24:48] = True
    overlap = (mask.mask_hw & truth).sum() / (mask.mask_hw | truth).sum()
    assert overlap > 0.8
    assert mask.area == pytest.approx(mask.mask_hw.mean())
    assert mask.contrast > 4


def test_without_upsampling_all_is_exact() -> None:
    mask = make_mask(blob(), (8, 8), MaskSettings(value=0.5))
    assert isinstance(mask, Mask)
    np.testing.assert_array_equal(mask.mask_hw, blob() > 0.5)
    assert mask.area == 9 / 64
    assert mask.contrast == pytest.approx(9, rel=1e-5)
    assert mask.normalised_hw.min() == 0
    assert mask.normalised_hw.max() == 1


def test_nothing_outside_and_nothing_at_all_outside() -> None:
    everything = make_mask(blob(), (8, 8), MaskSettings(value=-1.0, **OPEN))
    assert isinstance(everything, Mask)
    assert everything.contrast == 1
    exact = make_mask((blob() > 0.5).astype(np.float32), (8, 8), MaskSettings())
    assert isinstance(exact, Mask)
    assert exact.contrast == MAX_CONTRAST


@pytest.mark.parametrize(
    ("attribution", "settings", "reason"),
    [
        (np.full((8, 8), 0.3, np.float32), {}, DropReason.FLAT_MAP),
        (np.zeros((8, 8), np.float32), {}, DropReason.FLAT_MAP),
        (np.where(blob() > 0.5, np.float32(np.nan), 0), {}, DropReason.NON_FINITE_MAP),
        (np.where(blob() > 0.5, np.float32(np.inf), 0), {}, DropReason.NON_FINITE_MAP),
        (blob(), {"min_area": 0.2}, DropReason.TOO_SMALL),
        (blob(), {"max_area": 0.1}, DropReason.TOO_LARGE),
        (blob(), {"value": 1.0, "min_area": 0.0}, DropReason.TOO_SMALL),
    ],
)
def test_what_gives_no_mask_is_named(
    attribution: np.ndarray, settings: dict[str, Any], reason: DropReason
) -> None:
    assert make_mask(attribution.astype(np.float32), (8, 8), MaskSettings(**settings)) is reason


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(OptionError, match="unknown threshold 'magic'; choose one of fixed, otsu, mean_std"):
        MaskSettings(threshold="magic")
    with pytest.raises(OptionError, match="min_area <= max_area"):
        MaskSettings(min_area=0.5, max_area=0.4)


def test_otsu_and_mean_std_are_what_they_say() -> None:
    flat = np.concatenate([np.full(50, 0.2), np.full(50, 0.8)]).astype(np.float32).reshape(10, 10)
    assert 0.2 <= THRESHOLDS["otsu"](flat, 0.0) < 0.8
    assert THRESHOLDS["otsu"](flat, 0.1) == pytest.approx(THRESHOLDS["otsu"](flat, 0.0) + 0.1)
    assert THRESHOLDS["mean_std"](flat, 2.0) == pytest.approx(0.5 + 2 * 0.3)


maps = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(0, width=32) | st.sampled_from([np.nan, np.inf]),
)


@given(maps, st.sampled_from(sorted(THRESHOLDS)), st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_any_map_gives_a_sound_mask_or_a_reason(
    attribution: np.ndarray, threshold: str, size_hw: tuple[int, int]
) -> None:
    made = make_mask(attribution, size_hw, MaskSettings(threshold=threshold, value=0.3, **OPEN))
    if isinstance(made, DropReason):
        assert made in (DropReason.NON_FINITE_MAP, DropReason.FLAT_MAP, DropReason.TOO_SMALL)
        return
    assert made.mask_hw.shape == size_hw
    assert made.mask_hw.any()
    assert 0 < made.area <= 1
    assert np.isfinite(made.contrast)
    assert 0 <= made.contrast <= MAX_CONTRAST
    assert made.normalised_hw.dtype == np.float32
    assert made.normalised_hw.min() >= 0
    assert made.normalised_hw.max() <= 1


@given(
    arrays.arrays(np.float32, (5, 5), elements=st.floats(0, 1, width=32)),
    st.floats(0.5, 100),
    st.floats(0, 10),
)
def test_scale_and_offset_do_not_matter(attribution: np.ndarray, scale: float, offset: float) -> None:
    if float(np.ptp(attribution)) < 0.1:
        return
    one, other = normalise(attribution), normalise((attribution * scale + offset).astype(np.float32))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
def test_resampling_equals_pillow(method: str) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    stack = rng.random((3, 7, 5), dtype=np.float32)
    kernel = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[method]
    for size_hw in ((31, 18), (7, 5), (3, 2)):
        ours = resample(stack, size_hw, method)
        for one, ours_one in zip(stack, ours, strict=True):
            pillow = np.asarray(Image.fromarray(one).resize((size_hw[1], size_hw[0]), kernel))
            np.testing.assert_allclose(ours_one, pillow, atol=1e-5)


@given(st.integers(1, 20), st.integers(1, 20))
def test_area_resampling_keeps_the_mean(source: int, target: int) -> None:
    rng = np.random.default_rng(source * 100 + target)
    stack = rng.random((2, source, source), dtype=np.float32)
    resampled = resample(stack, (target, target), "area")
    np.testing.assert_allclose(resampled.mean(axis=(1, 2)), stack.mean(axis=(1, 2)), atol=1e-5)
