"""Concepts from their names: captions, places, nouns, and runs that go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_fakes import fake_models

from freeda_ingest.concepts import (
    SOURCE,
    ConceptCaption,
    ConceptModels,
    ConceptNouns,
    captions_of,
    concept_captions,
    parse_concepts,
)
from freeda_ingest.errors import OptionError
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor, RunOptions
from freeda_ingest.manifests import stage_settings
from freeda_ingest.report import IngestReport
from freeda_ingest.spans import attribution_spans
from freeda_models.presets import load_preset
from freeda_models.protocols import Noun, NounKind
from freeda_store import Bank


def run(bank: Bank, placed: list[ConceptCaption], options: RunOptions | None = None) -> IngestReport:
    executor = LocalExecutor(ConceptModels(fake_models(), placed))
    captions = [each.caption for each in placed]
    return Ingestor(bank, executor, batch_size=3).run(captions, options or RunOptions())


@pytest.mark.parametrize(
    ("given_names", "names"),
    [
        (["Forklift"], ("forklift",)),
        (["a forklift", " The  red   Forklift ", "forklift"], ("forklift", "red forklift")),
        (
            ["t-shirt", "shepherd's pie", "Boeing 747", "Öltank"],
            ("t-shirt", "shepherd's pie", "boeing 747", "öltank"),
        ),
    ],
)
def test_names_are_written_as_a_bank_writes_them(given_names: list[str], names: tuple[str, ...]) -> None:
    assert parse_concepts(given_names) == names


@pytest.mark.parametrize("name", ["", "  ", "the ", "car,tree", "car|bus", "car\x1b[2J", "-car", "_", "a/b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match="cannot be a concept"):
        parse_concepts([name])


@pytest.mark.parametrize("name", ["one two three four five six seven", "x" * 61])
def test_what_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match="too long"):
        parse_concepts([name])


def test_no_concept_and_no_image_are_refused() -> None:
    with pytest.raises(OptionError, match="no concept was given"):
        parse_concepts([])
    with pytest.raises(OptionError, match="images is 0"):
        concept_captions("car", 0)


@given(
    st.sampled_from(["forklift", "red apple", "orange"]),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 3),
)
def test_more_captions_begin_with_the_same_ones(name: str, few: int, more: int, seed: int) -> None:
    few, more = sorted((few, more))
    assert concept_captions(name, more, seed)[:few] == concept_captions(name, few, seed)


def test_captions_vary_and_tell_where_the_concept_is() -> None:
    placed = concept_captions("apple", 25)
    texts = [each.caption.text for each in placed]
    assert len(set(texts)) == 25
    assert all(text.startswith("an apple ") for text in texts)
    assert {text[each.span[0] : each.span[1]] for text, each in zip(texts, placed, strict=True)} == {"apple"}
    assert {each.caption.source for each in placed} == {SOURCE}
    assert texts != [each.caption.text for each in concept_captions("apple", 25, seed=1)]


@pytest.mark.parametrize(("name", "start"), [("stairs", "stairs "), ("bus", "a bus "), ("glass", "a glass ")])
def test_plurals_have_no_article(name: str, start: str) -> None:
    assert concept_captions(name, 1)[0].caption.text.startswith(start)


def test_scenes_that_are_used_up_are_drawn_again_as_other_captions() -> None:
    placed = concept_captions("car", 600)
    assert len({each.caption.text for each in placed}) < 600
    assert len({each.caption.external_id for each in placed}) == 600


def test_a_preset_that_knows_few_words_gets_scenes_of_those() -> None:
    find_unknown = stage_settings(load_preset("tiny")).find_unknown
    texts = [each.caption.text for each in concept_captions("car", 30, find_unknown=find_unknown)]
    assert len(set(texts)) == 30
    words = {word for text in texts for word in text.split()} - {"a", "car", "on", "under", "the"}
    assert find_unknown(sorted(words)) == []


def test_a_preset_that_knows_no_scene_gets_the_concept_alone() -> None:
    placed = concept_captions("car", 2, find_unknown=list)
    assert [each.caption.text for each in placed] == ["a car", "a car"]
    assert placed[0].caption != placed[1].caption


def test_a_concept_gets_its_prototypes_and_nothing_else_does(bank: Bank) -> None:
    report = run(bank, captions_of(["car", "red boat"], 4))
    assert (report.written, report.prototypes) == (8, 8)
    found = {(info.noun, info.kind) for info in bank.infos()}
    assert found == {("car", "noun"), ("red boat", "phrase")}
    assert all(info.caption[info.span[0] : info.span[1]] == info.noun for info in bank.infos())


def test_a_concept_that_is_no_noun_for_the_extractor_is_drawn_all_the_same(bank: Bank) -> None:
    placed = concept_captions("old gizmo", 2)
    assert fake_models().nouns.extract([placed[0].caption.text]) == [()]
    nouns = ConceptNouns(fake_models().nouns, placed).extract([each.caption.text for each in placed])
    assert [[(noun.key, noun.kind) for noun in found] for found in nouns] == [
        [("old gizmo", NounKind.COMPOUND)],
        [("old gizmo", NounKind.COMPOUND)],
    ]


def test_a_phrases_map_is_read_at_its_head() -> None:
    placed = concept_captions("red car", 1)
    (nouns,) = ConceptNouns(fake_models().nouns, placed).extract([placed[0].caption.text])
    assert nouns == (Noun("red car", (2, 9), NounKind.PHRASE, head=(6, 9)),)
    assert attribution_spans(nouns) == {nouns[0]: (6, 9)}


def test_other_captions_are_left_to_the_real_extractor() -> None:
    real = fake_models().nouns
    nouns = ConceptNouns(real, concept_captions("car", 2))
    assert nouns.extract(["a car beside a tree"]) == real.extract(["a car beside a tree"])
    assert nouns.identity == real.identity


def test_the_same_again_adds_nothing_and_more_images_add_the_difference(bank: Bank) -> None:
    first = run(bank, captions_of(["car"], 4), RunOptions(message="add car"))
    again = run(bank, captions_of(["car"], 4))
    more = run(bank, captions_of(["car"], 7))
    assert (first.written, again.written, more.written) == (4, 0, 3)
    assert (again.revision, more.done_before) == (None, 4)
    assert [revision.prototypes_added for revision in bank.revisions()] == [4, 3]


def test_several_concepts_take_turns() -> None:
    assert [each.concept for each in captions_of(["car", "boat"], 2)] == ["car", "boat", "car", "boat"]


def test_a_concept_that_the_bank_has_gets_more(bank: Bank, ingestor: Ingestor, tmp_path: Path) -> None:
    path = tmp_path / "captions.txt"
    path.write_text("a car beside a tree\n")
    ingestor.run(path)
    run(bank, captions_of(["car"], 3))
    assert sorted(info.noun for info in bank.infos()) == ["car"] * 4 + ["tree"]
