"""Retrieval that starts at the region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_fakes import (
    COLOURS,
    TEXT_DIM,
    FakeBackbone,
    FakeBank,
    FakeClip,
    colour_generation,
    fake_manifest,
    info,
    small_settings,
    striped_picture,
    unit,
)
from test_segmenter import agreement

from freeda_segment.classes import parse_classes
from freeda_segment.errors import OptionError
from freeda_segment.neighbourhood import NO_SEMANTICS
from freeda_segment.outputs.explanation_json import explanation_document
from freeda_segment.outputs.explanation_page import ExplanationPage
from freeda_segment.regions.superpixels import parse_superpixels
from freeda_segment.retrieval.competitors import Competitors
from freeda_segment.retrieval.neighbours import WindowVotes, count_votes
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.segmenter import Segmenter
from freeda_segment.settings import SegmentSettings
from freeda_store import Bank, parse_filter
from freeda_store.records import REGION, Neighbours, Origin

NAMES = ["red", "blue", "green"]


def literal_votes(found: Neighbours, prototypes: ClassPrototypes, settings: SegmentSettings) -> np.ndarray:
    """As docs/method.md says it, a region, a neighbour and a class at a time."""
    texts_of = [
        list(range(start, stop))
        for start, stop in zip(
            prototypes.embedding_starts,
            [*prototypes.embedding_starts[1:], len(prototypes.embeddings)],
            strict=True,
        )
    ]
    assert prototypes.queries is not None
    rows = []
    for region in found.rows:
        near = [int(row) for row in region if row >= 0]
        other = [
            found.infos[row].noun in (prototypes.competitors.nouns if prototypes.competitors else ())
            for row in near
        ]
        named = [row for row in near if found.infos[row].noun]
        share = sum(other) / max(len(named), 1)
        votes = np.full(len(texts_of), np.nan)
        if settings.region_values == "noun" and named:
            votes = np.zeros(len(texts_of))
            for row, is_other in zip(near, other, strict=True):
                if row not in named:
                    continue
                cosines = [
                    max(float(prototypes.queries[t] @ found.text_keys[row]) for t in own) for own in texts_of
                ]
                votes[int(np.argmax(cosines))] += 0 if is_other else 1 / len(named)
        elif settings.region_values != "noun":
            semantic = settings.region_values == "semantic"
            values = found.semantics if semantic else found.text_keys
            texts = prototypes.embeddings if semantic else prototypes.queries
            having = [values[row] for row in near if values[row].any()]
            if having:
                mean = np.mean(having, axis=0)
                mean = mean / np.linalg.norm(mean)
                likest = np.array([max(float(texts[t] @ mean) for t in own) for own in texts_of])
                raised = np.exp(settings.region_scale * (likest - likest.max()))
                votes = raised / raised.sum() * (1 - share)
        rows.append(
            [*votes, *([share if not np.isnan(votes[0]) else np.nan] if prototypes.competitors else [])]
        )
    return np.array(rows)


@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["semantic", "text", "noun"]), st.booleans(), st.integers(1, 6)
)
def test_votes_equal_the_literal_form(seed: int, values: str, compete: bool, k: int) -> None:
    rng = np.random.default_rng(seed)
    held = [info(noun, number) for noun in ("red", "blue", "mud", "") for number in range(3)]
    semantics = unit(rng.standard_normal((12, TEXT_DIM)))
    semantics[rng.random(12) < 0.3] = 0
    semantics[0, 0] = 1
    rows = np.stack([rng.permutation(12)[:k] for _ in range(7)]).astype(np.int32)
    rows[rng.random(rows.shape) < 0.2] = -1
    rows = -np.sort(-rows, axis=1)
    rows[rows < 0] = -1
    similarities = rng.random(rows.shape).astype(np.float32)
    keys = unit(rng.standard_normal((12, TEXT_DIM)))
    keys[9:] = 0
    found = Neighbours(rows, similarities, tuple(each.id for each in held), tuple(held), keys, semantics)
    prototypes = ClassPrototypes(
        classes=parse_classes("red,blue|azure,sky").classes,
        vectors=unit(rng.standard_normal((3, 3))),
        vector_starts=np.arange(3),
        embeddings=unit(rng.standard_normal((4, TEXT_DIM))),
        embedding_starts=np.array([0, 1, 3]),
        queries=unit(rng.standard_normal((4, TEXT_DIM))),
        competitors=Competitors(("mud",), unit(rng.standard_normal((1, 3))), nouns=("mud",))
        if compete
        else None,
    )
    settings = small_settings(region_values=values, region_scale=20.0)
    votes = count_votes(found, prototypes, settings)
    assert votes.dtype == np.float32
    np.testing.assert_allclose(votes, literal_votes(found, prototypes, settings), atol=1e-5)
    known = votes[~np.isnan(votes[:, 0])]
    assert (known >= 0).all()
    assert (known.sum(axis=1) <= 1 + 1e-5).all()


def test_where_nothing_is_known_of_a_region_the_cosine_alone_counts() -> None:
    votes = np.array([[0.5, 0.0], [np.nan, np.nan]], dtype=np.float32)
    joined = WindowVotes(votes, votes[None], 0.25).join(np.full((2, 2), 0.4, np.float32), votes)
    np.testing.assert_allclose(joined, [[0.425, 0.3], [0.4, 0.4]], atol=1e-6)


def seeing_bank() -> FakeBank:
    """The colours with CLIP's view of each."""
    bank = FakeBank()
    pictures = np.stack([np.full((4, 4, 3), COLOURS[each.noun], np.uint8) for each in bank.held])
    bank.semantics = FakeClip().encode_images(pictures)
    return bank


def make(bank: FakeBank | Bank, **changes: object) -> Segmenter:
    return Segmenter(bank, FakeClip(), FakeBackbone(), settings=small_settings(**changes))


@pytest.mark.parametrize("values", ["semantic", "text", "noun"])
@pytest.mark.parametrize("retrieval", ["regions", "both"])
@pytest.mark.parametrize("superpixels", ["felzenszwalb", "none"])
def test_colours_are_found(retrieval: str, values: str, superpixels: str) -> None:
    segmenter = make(
        seeing_bank(),
        retrieval=retrieval,
        region_values=values,
        region_k=3,
        alpha=1.0,
        superpixels=parse_superpixels(superpixels),
    )
    made = segmenter.segment(striped_picture(NAMES, 60, 90), "blue,green,red,yellow")
    assert agreement(made, NAMES) > 0.9
    assert made.notes == ()


def test_names_that_no_caption_holds_are_found_by_what_clip_sees() -> None:
    """Every text key of the bank is of another word, so classes find nothing of their own."""
    bank = seeing_bank()
    rng = np.random.default_rng(1)
    bank.keys = unit(rng.standard_normal(bank.keys.shape))
    picture = striped_picture(NAMES, 60, 90)
    shares = {
        retrieval: agreement(
            make(bank, retrieval=retrieval, region_k=3, alpha=1.0).segment(picture, NAMES), NAMES
        )
        for retrieval in ("classes", "regions")
    }
    assert shares["regions"] > 0.9 > shares["classes"]


def test_a_bank_without_semantic_vectors_goes_by_text_keys_and_says_so() -> None:
    made = make(FakeBank(), retrieval="regions", region_k=3, alpha=1.0).segment(
        striped_picture(NAMES, 60, 90), NAMES
    )
    assert agreement(made, NAMES) > 0.9
    assert made.notes == (NO_SEMANTICS,)


def test_another_list_of_classes_costs_no_search() -> None:
    bank = seeing_bank()
    segmenter = make(bank, retrieval="both", stride=8)
    encoded = segmenter.encode(striped_picture(NAMES, 40, 90))
    assert len(encoded.windows) > 1
    for names in ("red,blue", "green,yellow,red"):
        segmenter.label(encoded, segmenter.prepare(names))
    weighed = segmenter.with_settings(region_weight=0.9, region_values="noun")
    weighed.label(encoded, weighed.prepare("red,blue"))
    assert bank.searches == 1
    fewer = segmenter.with_settings(where=parse_filter(["noun=red|blue"]))
    fewer.label(encoded, fewer.prepare("red,blue"))
    assert bank.searches == 2
    plain = segmenter.with_settings(retrieval="classes")
    plain.label(encoded, plain.prepare("red,blue"))
    assert bank.searches == 2


def test_weight_zero_is_retrieval_by_classes_and_weight_one_by_regions() -> None:
    picture = striped_picture(NAMES, 50, 70)
    by = {
        (retrieval, weight): make(seeing_bank(), retrieval=retrieval, region_weight=weight)
        .segment(picture, NAMES)
        .request.windows[0]
        .regions
        for retrieval, weight in (("classes", 0.5), ("regions", 0.5), ("both", 0.0), ("both", 1.0))
    }
    np.testing.assert_array_equal(by["both", 0.0], by["classes", 0.5])
    np.testing.assert_array_equal(by["both", 1.0], by["regions", 0.5])
    assert not np.allclose(by["both", 1.0], by["both", 0.0])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"retrieval": "sideways"}, "unknown retrieval 'sideways'"),
        ({"region_values": "taste"}, "unknown value of neighbours 'taste'"),
        ({"region_weight": 1.5}, "region weight is 1.5"),
        ({"region_k": 0}, "region k is 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        small_settings(**changes)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A real bank of the colours, with CLIP's view of each, and a blue thing that is called green."""
    pictures = {name: np.full((1, 4, 4, 3), COLOURS[name], np.uint8) for name in COLOURS}
    with Bank.open(tmp_path / "bank", create=fake_manifest()) as opened:
        for run, names in enumerate((["red", "green"], ["blue", "yellow"])):
            with opened.write(f"run {run}", f"run {run}") as writer:
                for name in names:
                    made = [colour_generation(name, number) for number in range(4)]
                    seen = FakeClip().encode_images(pictures[name])[0]
                    own = [tuple(replace(p, semantic=seen) for p in each.prototypes) for each in made]
                    writer.add([replace(g, prototypes=p) for g, p in zip(made, own, strict=True)])
                writer.commit()
        yield opened


def test_a_region_is_explained_with_its_neighbours(bank: Bank) -> None:
    segmenter = make(bank, retrieval="both", region_k=4, alpha=1.0)
    made = segmenter.segment(striped_picture(["blue"], 30, 30), "green,blue", keep_evidence=True)
    told = made.explain_at(15, 15, bank, shown=3)
    found = told.retrieval
    assert found is not None
    assert (found.by_classes, found.by_regions, found.decided) == ("blue", "blue", "both")
    assert {each.info.noun for each in found.neighbours} == {"blue"}
    assert len(found.neighbours) == 3
    assert found.neighbours[0].likeness > 0.99
    assert found.share > 0.99
    assert told.margin == pytest.approx(told.best.score - (told.runner_up.score if told.runner_up else 0))
    lead = make(bank, retrieval="classes", alpha=1.0).segment(
        striped_picture(["blue"], 30, 30), "green,blue", keep_evidence=True
    )
    alone = lead.explain_at(15, 15)
    assert alone.retrieval is None
    cosine = np.log(alone.best.local / (1 - alone.best.local))
    joined = 1 / (1 + np.exp(-(0.5 * cosine + 0.5 * found.share)))
    assert told.best.score == told.best.local == pytest.approx(joined, abs=1e-5)
    page = ExplanationPage(made, [told], [(1, 1)], bank).render()
    assert "its 3 nearest prototypes" in page
    assert str(found.neighbours[0].info.id) in page
    document = explanation_document("p.png", made, [told])
    retrieval = document["regions"][0]["retrieval"]
    assert retrieval["decided"] == "both"
    assert [each["id"] for each in retrieval["neighbours"]] == [str(n.info.id) for n in found.neighbours]


def add_regions(bank: Bank, colour: str, count: int) -> None:
    """Regions that look like a colour, and that nobody named."""
    seen = FakeClip().encode_images(np.full((1, 4, 4, 3), COLOURS[colour], np.uint8))[0]
    with bank.write("regions", "regions") as writer:
        for number in range(count):
            drawn = colour_generation(colour, number)
            (one,) = drawn.prototypes
            region = replace(
                one, noun="", kind=REGION, span=(0, 0), text_key=None, semantic=seen, part=number + 1
            )
            picture = replace(drawn.caption, text=f"regions of {colour} {number}.png")
            writer.add([replace(drawn, caption=picture, prototypes=(region,), origin=Origin.UNLABELLED)])
        writer.commit()


@pytest.mark.parametrize("retrieval", ["regions", "both"])
def test_regions_without_a_name_take_part_by_what_clip_sees(bank: Bank, retrieval: str) -> None:
    """Nothing blue has a name in this bank: only what nobody named looks like it."""
    bank.retire(parse_filter(["noun=blue"]), "no blue word")
    picture = striped_picture(["blue"], 30, 30)
    settings: dict[str, object] = {"retrieval": retrieval, "region_k": 4, "alpha": 1.0, "region_weight": 0.9}
    before = make(bank, **settings).segment(picture, "green,blue", keep_evidence=True)
    add_regions(bank, "blue", 3)
    made = make(bank, **settings).segment(picture, "green,blue", keep_evidence=True)
    told = made.explain_at(15, 15, bank)
    assert told.retrieval is not None
    assert [each.info.noun for each in told.retrieval.neighbours][:3] == ["", "", ""]
    assert told.retrieval.by_regions == "blue"
    assert agreement(made, ["blue"]) > 0.9 > agreement(before, ["blue"])
    page = ExplanationPage(made, [told], [(1, 1)], bank).render()
    assert "<i>without a noun</i>" in page
    document = explanation_document("p.png", made, [told])
    assert document["regions"][0]["retrieval"]["neighbours"][0]["origin"] == "unlabelled"


@pytest.mark.parametrize("values", ["text", "noun"])
def test_regions_without_a_name_bring_no_word(bank: Bank, values: str) -> None:
    picture = striped_picture(NAMES, 30, 60)
    settings: dict[str, object] = {"retrieval": "regions", "region_values": values, "region_k": 3}
    before = make(bank, **settings).segment(picture, "red,blue,green")
    add_regions(bank, "blue", 5)
    after = make(bank, **settings).segment(picture, "red,blue,green")
    np.testing.assert_array_equal(before.labels, after.labels)
    for old, new in zip(before.request.windows, after.request.windows, strict=True):
        np.testing.assert_allclose(old.regions, new.regions, atol=1e-6)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    colours=st.lists(st.sampled_from(sorted(COLOURS)), min_size=1, max_size=3, unique=True),
    names=st.lists(st.sampled_from([*NAMES, "yellow", "sky"]), min_size=1, max_size=4, unique=True),
)
def test_retrieval_from_names_never_changes_by_them(bank: Bank, colours: list[str], names: list[str]) -> None:
    picture = striped_picture(NAMES, 30, 60)
    number = bank.revision.number if bank.revision else None
    before = make(bank, retrieval="classes").segment(picture, names)
    for colour in colours:
        add_regions(bank, colour, 4)
    after = make(bank, retrieval="classes").segment(picture, names)
    bank.rollback(number or 1)
    np.testing.assert_array_equal(before.labels, after.labels)
    assert before.notes == after.notes
    for old, new in zip(before.request.windows, after.request.windows, strict=True):
        np.testing.assert_array_equal(old.regions, new.regions)
        np.testing.assert_array_equal(old.global_score, new.global_score)


def test_which_direction_decided_is_told(bank: Bank) -> None:
    """Neighbours speak for what they are called: a bank that calls blue things green."""
    wrong = [info_ for info_ in bank.infos() if info_.noun == "blue"]
    bank.retire([each.id for each in wrong], "away")
    green = colour_generation("green", 77)
    (prototype,) = green.prototypes
    seen = FakeClip().encode_images(np.full((1, 4, 4, 3), COLOURS["green"], np.uint8))[0]
    looks_blue = colour_generation("blue", 3).prototypes[0].visual
    with bank.write("wrong", "wrong") as writer:
        named = replace(prototype, visual=looks_blue, semantic=seen)
        writer.add([replace(green, prototypes=(named,))])
        writer.commit()
    picture = striped_picture(["blue"], 30, 30)
    for weight, decided in ((0.9, "regions"), (0.01, "classes")):
        segmenter = make(bank, retrieval="both", region_k=1, region_weight=weight, alpha=1.0, k=1)
        made = segmenter.segment(picture, "yellow,green", keep_evidence=True)
        found = made.explain_at(15, 15).retrieval
        assert found is not None
        assert found.by_regions == "green"
        if found.by_classes != found.by_regions:
            assert found.decided == decided


def test_an_old_revision_is_searched_as_it_was(bank: Bank) -> None:
    picture = striped_picture(["blue"], 30, 30)
    with Bank.read(f"{bank.address}@1") as old:
        segmenter = make(old, retrieval="regions", region_k=3)
        made = segmenter.segment(picture, "red,green", keep_evidence=True)
        found = made.explain_at(15, 15).retrieval
        assert found is not None
        assert {each.info.revision for each in found.neighbours} == {1}
    newest = make(bank, retrieval="regions", region_k=3)
    prepared = newest.prepare("red,blue")
    bank.retire(parse_filter(["noun=blue"]), "meanwhile")
    encoded = newest.encode(picture)
    found = newest.label(encoded, prepared, keep_evidence=True).explain_at(15, 15).retrieval
    assert found is not None
    assert {each.info.noun for each in found.neighbours} == {"blue"}, "the revision of the prepared classes"
    again = newest.label(encoded, newest.prepare("red,green"), keep_evidence=True)
    found = again.explain_at(15, 15).retrieval
    assert found is not None
    assert "blue" not in {each.info.noun for each in found.neighbours}
