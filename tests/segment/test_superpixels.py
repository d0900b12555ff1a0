from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_segment.errors import OptionError
from freeda_segment.evaluation.specs import load_spec
from freeda_segment.regions.superpixels import ALGORITHMS, Felzenszwalb, Slic, parse_superpixels

REAL = [name for name in ALGORITHMS if name != "none"]


@settings(max_examples=15)
@given(st.sampled_from(REAL), st.integers(1, 24), st.integers(1, 24), st.integers(0, 99))
def test_labels_count_from_nothing_without_gaps(name: str, height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = parse_superpixels(name)(picture)
    assert labels.shape == (height, width)
    assert labels.dtype == np.int32
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))


@pytest.mark.parametrize("name", REAL)
def test_the_same_picture_gives_the_same_regions_that_follow_its_colours(name: str) -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, 20:] = (250, 200, 20)
    divide = parse_superpixels(name, {"markers": 50} if name == "watershed" else {})
    labels = divide(picture)
    assert (labels == divide(picture)).all()
    shared = np.intersect1d(labels[:, :17], labels[:, 23:])
    assert len(shared) == 0


def test_none_puts_no_pixel_in_a_superpixel() -> None:
    assert (parse_superpixels("none")(np.zeros((3, 4, 3), np.uint8)) == -1).all()


def test_felzenszwalb_gets_the_authors_input() -> None:
    from skimage.segmentation import felzenszwalb

    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    expected = felzenszwalb(picture.astype(np.float32) / 255, scale=20, sigma=0.5, min_size=5)
    assert (Felzenszwalb(20, 0.5, 5)(picture) == expected).all()


def test_options_are_parsed() -> None:
    assert parse_superpixels("felzenszwalb", {"scale": 20.0, "min_size": 50.0}) == Felzenszwalb(20.0, 1.0, 50)
    assert isinstance(parse_superpixels("felzenszwalb", {"min_size": 50.0}).min_size, int)  # type: ignore[attr-defined]
    assert parse_superpixels("slic") == Slic()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("seeds", {}, "unknown superpixel algorithm 'seeds'; choose one of felzenszwalb, slic"),
        ("slic", {"scale": 3}, "slic has no option 'scale'; its options are: n_segments, compactness"),
        ("none", {"scale": 3}, "none has no option 'scale'; its options are: none"),
        ("slic", {"n_segments": 2.5}, "n_segments is 2.5; expected a whole number of at least 1"),
        ("slic", {"n_segments": 10**20}, "expected a whole number of at least 1, at most 1e"),
        ("felzenszwalb", {"sigma": 1e9}, "expected a number of at least 0, at most 100"),
        ("slic", {"n_segments": 0}, "n_segments is 0; expected a whole number of at least 1"),
        ("felzenszwalb", {"scale": 0}, "scale is 0; expected a number over 0"),
        ("felzenszwalb", {"scale": float("nan")}, "scale is nan"),
        ("felzenszwalb", {"sigma": -1}, "sigma is -1"),
        ("quickshift", {"ratio": "1"}, "ratio is '1'"),
        ("watershed", {"markers": float("inf")}, "markers is inf"),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_superpixels(name, options)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("voc20", (100, 0.7, 20)),
        ("context59", (100, 1.0, 20)),
        ("ade20k", (100, 1.0, 20)),
        ("coco-stuff", (100, 1.0, 100)),
        ("cityscapes", (20, 0.5, 50)),
    ],
)
def test_each_data_set_has_the_authors_numbers_and_two_have_the_defaults(
    name: str, numbers: tuple[float, float, float]
) -> None:
    spec = load_spec(name).superpixels
    assert (spec.scale, spec.sigma, spec.min_size) == numbers
    made = parse_superpixels(spec.name, spec.options)
    assert (made == Felzenszwalb()) == (name in ("context59", "ade20k"))
