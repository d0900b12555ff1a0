"""What is said of class names that a preset's models do not know, in CLIP's key space and in another."""

from __future__ import annotations

from segment_fakes import COLOURS, FakeBackbone, FakeBank, FakeClip, small_settings

from freeda_models.presets import Preset, load_preset
from freeda_segment.segmenter import Segmenter


def preset(keys: str) -> Preset:
    document = load_preset("tiny").model_dump()
    document["keys"]["encoder"] = keys
    return Preset.model_validate(document | {"nouns_known": tuple(COLOURS)})


def notes(chosen: Preset | None, *classes: str) -> tuple[str, ...]:
    segmenter = Segmenter(
        FakeBank(), FakeClip(), FakeBackbone(), FakeClip(), small_settings(similarity_threshold=0.9), chosen
    )
    return segmenter.prepare(classes).notes


def test_clip_keys_warn_of_names_that_clip_does_not_know() -> None:
    [note] = notes(preset("clip"), "red", "zeppelin")
    assert note.startswith(
        "preset 'tiny' does not know 'zeppelin'; make a bank with a preset for photographs"
    )


def test_another_key_space_says_as_which_noun_an_unknown_name_is_read() -> None:
    told = notes(preset("all-MiniLM-L6-v2"), "red", "crimson red", "crimson")
    assert told[0].startswith("'crimson red' is read as 'red', the nearest noun of the bank (similarity 0.")
    assert "'crimson' is read as '" in told[1]
    assert len(told) == 2, "nothing is said of names that are known"


def test_a_preset_that_knows_everything_says_nothing() -> None:
    wide = preset("all-MiniLM-L6-v2").model_copy(update={"nouns_known": ()})
    assert notes(wide, "crimson") == ()
    assert notes(None, "crimson") == ()
