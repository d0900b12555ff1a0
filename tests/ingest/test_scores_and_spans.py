from __future__ import annotations

import numpy as np
from ingest_fakes import COLOURS, FakeClip

from freeda_ingest.scores import CROP_SIDE, NEUTRAL_RGB, clip_agreements, masked_crop
from freeda_ingest.spans import attribution_spans, distinct_nouns, unknown_nouns
from freeda_models.protocols import Noun, NounKind

NOUN, COMPOUND, PHRASE = NounKind.NOUN, NounKind.COMPOUND, NounKind.PHRASE


def picture(mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.where(mask[..., None], np.array(colour, np.uint8), np.uint8(10)).astype(np.uint8)


def test_the_crop_shows_the_masked_thing_alone_and_square() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:20, 0:40] = True
    crop = masked_crop(picture(mask, (200, 0, 0)), mask)
    assert crop.shape == (CROP_SIDE, CROP_SIDE, 3)
    assert crop.dtype == np.uint8
    middle = CROP_SIDE // 2
    np.testing.assert_array_equal(crop[middle, middle], (200, 0, 0))
    np.testing.assert_array_equal(crop[5, middle], NEUTRAL_RGB)
    inside = (np.abs(crop.astype(int) - (200, 0, 0)).sum(axis=-1) < 130).mean()
    assert abs(inside - (10 * 40) / 44**2) < 0.02


def test_one_pixel_and_the_whole_picture_can_be_cropped() -> None:
    mask = np.zeros((5, 7), dtype=bool)
    mask[4, 6] = True
    assert masked_crop(picture(mask, (9, 9, 9)), mask).shape == (CROP_SIDE, CROP_SIDE, 3)
    assert masked_crop(picture(~mask, (9, 9, 9)), np.ones((5, 7), bool)).shape == (CROP_SIDE, CROP_SIDE, 3)


def test_agreement_is_higher_for_the_noun_that_is_shown() -> None:
    mask = np.ones((8, 8), dtype=bool)
    crops = np.stack([masked_crop(picture(mask, COLOURS[word]), mask) for word in ("car", "tree")])
    seen = FakeClip().encode_images(crops)
    same, other, again = clip_agreements(FakeClip(), seen, [0, 1, 1], ["car", "car", "tree"])
    assert same > other
    assert again > other
    assert clip_agreements(FakeClip(), seen[:0], [], []).shape == (0,)


def test_a_phrase_takes_the_map_of_its_head() -> None:
    # "a big red fire truck"
    truck, fire_truck = Noun("truck", (15, 20), NOUN), Noun("fire truck", (10, 20), COMPOUND)
    red, big = Noun("red fire truck", (6, 20), PHRASE), Noun("big red fire truck", (2, 20), PHRASE)
    spans = attribution_spans([truck, fire_truck, red, big])
    assert spans == {truck: (15, 20), fire_truck: (10, 20), red: (10, 20), big: (10, 20)}


def test_a_phrase_without_a_head_takes_its_own_words() -> None:
    phrase, stranger = Noun("red car", (2, 9), PHRASE), Noun("tree", (14, 18), NOUN)
    assert attribution_spans([phrase, stranger])[phrase] == (2, 9)


def test_the_same_word_at_two_places_stays_twice() -> None:
    first, second = Noun("dog", (2, 5), NOUN), Noun("dog", (12, 15), NOUN)
    assert distinct_nouns([first, second, first]) == (first, second)


def test_unknown_nouns_are_those_in_no_known_key() -> None:
    nouns = [Noun("truck", (5, 10), NOUN), Noun("fire truck", (0, 10), COMPOUND), Noun("yak", (13, 16), NOUN)]
    known = {"fire truck"}

    def find_unknown(keys: list[str]) -> list[str]:
        return [key for key in keys if key not in known]

    assert unknown_nouns(nouns, find_unknown) == ["yak"]  # type: ignore[arg-type]
    assert unknown_nouns(nouns, lambda keys: []) == []
