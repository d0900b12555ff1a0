"""What a list of classes does not name, and the bank knows, belongs to no class."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_fakes import (
    COLOURS,
    FakeBackbone,
    FakeClip,
    FullBank,
    colour_generation,
    fake_manifest,
    small_settings,
    striped_picture,
    unit,
    word_vector,
)

from freeda_models.unit_vectors import normalised
from freeda_segment.classes import ClassName
from freeda_segment.errors import OptionError
from freeda_segment.outputs.explanation_json import explanation_document
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.regions.similarity import RegionFeatures, score_window
from freeda_segment.retrieval import bank_nouns as gathering
from freeda_segment.retrieval.bank_nouns import BankNouns, Likeness, bank_nouns
from freeda_segment.retrieval.competitors import Competitors, competing_nouns
from freeda_segment.retrieval.lookup import Support
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.segmenter import Segmenter
from freeda_store import Bank, parse_filter

AUTO = Background(BackgroundStrategy.AUTO)
BY_BANK = Background(BackgroundStrategy.BANK)
STRIPES = striped_picture(["red", "green", "blue"], 32, 96)


def segmenter_of(bank: Any, **changes: Any) -> Segmenter:
    settings = small_settings(**({"background": AUTO, "alpha": 1.0} | changes))
    return Segmenter(bank, FakeClip(), FakeBackbone(), settings=settings)


def nouns_of(looks: Any, names: Any, keys: Any = None, likeness: Any = Likeness(0.2, 0.9)) -> Any:  # noqa: B008
    if keys is None:
        keys = np.stack([word_vector(name) for name in names])
    looks = np.asarray(looks, np.float32)
    return BankNouns(tuple(names), keys, unit(looks), np.arange(len(names)), likeness)


def classes_of(vectors: Any, *texts: Any, nouns: Any = ()) -> Any:
    """One class for each text, with what it retrieved."""
    vectors = unit(np.asarray(vectors, np.float32))
    bank = FullBank(nouns) if nouns else None
    infos = tuple(bank.held) if bank else ()
    support = tuple((Support(text, word_vector(text), (), np.zeros(0, np.float32), infos),) for text in texts)
    starts = np.arange(len(texts))
    names = tuple(ClassName((text,)) for text in texts)
    return ClassPrototypes(names, vectors, starts, np.ones((len(texts), 2), np.float32), starts, support)


AXES = np.eye(4, dtype=np.float32)


def competing(nouns: Any, classes: Any) -> Any:
    found = competing_nouns(nouns, classes)
    return () if found is None else found.names


def test_only_what_is_named_gets_a_class() -> None:
    bank = FullBank()
    made = segmenter_of(bank).segment(STRIPES, "green")
    truth = segmenter_of(bank, background=None).segment(STRIPES, "red,green,blue")
    np.testing.assert_array_equal(made.mask("green"), truth.mask("green"))
    np.testing.assert_array_equal(made.mask("other"), ~truth.mask("green"))
    assert made.summary() == f"green {1 - made.background_area:.1%}, other {made.background_area:.1%}"
    assert (segmenter_of(bank, background=None).segment(STRIPES, "green").labels == 0).all()


def test_other_is_explained_by_the_noun_that_won() -> None:
    made = segmenter_of(FullBank()).segment(STRIPES, "green", keep_evidence=True)
    red = made.explain_at(3, 16)
    assert red.other is not None
    assert (red.label, red.label_name, red.best.name, red.other.name) == (-1, "", "green", "red")
    assert red.other.score > red.best.score
    green = made.explain_at(48, 16)
    assert (green.label_name, green.runner_up) == ("green", None)
    assert green.other is not None
    assert green.other.score < green.best.score
    told = explanation_document("", made, [red])["regions"][0]
    assert told["other"]["name"] == "red"
    assert (
        segmenter_of(FullBank(), background=None)
        .segment(STRIPES, "green", keep_evidence=True)
        .explain_at(3, 16)
        .other
        is None
    )


def test_a_picture_of_nothing_named_is_explained_too() -> None:
    made = segmenter_of(FullBank()).segment(
        striped_picture(["red", "blue"], 32, 96), "green", keep_evidence=True
    )
    assert made.background_area == 1
    ((x, y),) = made.largest_regions(8)
    other = made.explain_at(x, y).other
    assert other is not None
    assert other.name in ("red", "blue")


def test_a_complete_list_is_left_alone() -> None:
    everything = ",".join(COLOURS)
    by_bank = segmenter_of(FullBank(), background=BY_BANK)
    prototypes = by_bank.prepare(everything)
    assert prototypes.competitors is None
    assert any("every pixel gets one" in note for note in prototypes.notes)
    made = by_bank.segment(STRIPES, prototypes)
    plain = segmenter_of(FullBank(), background=None).segment(STRIPES, everything)
    np.testing.assert_array_equal(made.labels, plain.labels)


def test_a_class_may_be_called_other() -> None:
    made = segmenter_of(FullBank()).segment(STRIPES, ["other|red", "green"])
    np.testing.assert_array_equal(made.mask("other"), made.labels == 0)
    with pytest.raises(OptionError, match=r"'blue'.*'other' for no class"):
        made.mask("blue")


def test_long_lists_are_taken_for_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_segment.pixels.background.SHORT_LIST", 1)
    segmenter = segmenter_of(FullBank())
    assert segmenter.segment(STRIPES, "red,blue").background_area == 0
    assert segmenter.with_settings(background=BY_BANK).segment(STRIPES, "red,blue").background_area > 0
    assert segmenter.segment(STRIPES, "red").background_area > 0


def test_votes_are_not_compared_with_similarities() -> None:
    by_votes = segmenter_of(FullBank(), aggregation="knn")
    assert by_votes.segment(STRIPES, "green").background_area == 0
    with pytest.raises(OptionError, match=r"'bank'.*'knn'"):
        by_votes.with_settings(background=BY_BANK).segment(STRIPES, "green")


def test_other_backgrounds_are_as_they_were() -> None:
    constant = segmenter_of(FullBank(), background=Background(threshold=0.6))
    made = constant.segment(STRIPES, "green")
    assert not made.request.others
    np.testing.assert_array_equal(made.labels == -1, made.scores <= np.float32(0.6))


def test_too_small_a_bank_says_so() -> None:
    small = FullBank(("red", "blue"))
    made = segmenter_of(small).segment(STRIPES, "red")
    assert made.background_area == 0
    assert ["no other nouns" in note for note in made.notes] == [True]
    assert not segmenter_of(small, background=None).segment(STRIPES, "red").notes


def test_kin_synonyms_and_what_looks_alike_do_not_compete() -> None:
    names = ["red car", "boat", "auto", "lorry"]
    keys = np.stack([word_vector(name) for name in names])
    keys[2] = word_vector("car")
    nouns = nouns_of(AXES, names, keys)
    assert competing(nouns, classes_of([[0, 1, 1, 1]], "ship")) == ("red car",), "0.55 is the middle"
    assert competing(nouns, classes_of([[0, 1, 2, 2]], "ship")) == ("red car", "boat")
    assert competing(nouns, classes_of([[1, 1, 1, 1]], "ship")) == tuple(names)
    assert competing(nouns, classes_of([[1, 1, 1, 1]], "Cars")) == ("boat", "auto", "lorry"), (
        "in any spelling"
    )
    assert competing(nouns, classes_of([[1, 1, 1, 1]], "car")) == ("boat", "lorry")
    assert competing(nouns, classes_of([[1, 1, 1, 1]], "big red car")) == ("boat", "auto", "lorry")
    assert competing(nouns, classes_of([[1, 1, 1, 1]] * 2, "boat", "lorry")) == ("red car", "auto")
    assert competing(nouns, classes_of(AXES, "a", "b", "c", "d")) == ()


def test_a_noun_with_words_before_a_synonym_is_kin() -> None:
    keys = np.stack([word_vector(name) for name in ("car", "yellow auto", "boat", "pig")])
    nouns = nouns_of(AXES, ["auto", "yellow auto", "boat", "pig"], keys)
    assert competing(nouns, classes_of([[1, 1, 1, 1]], "car")) == ("boat", "pig")


def test_a_sister_competes_only_where_it_looks_unrelated() -> None:
    nouns = nouns_of(AXES, ["blue car", "blue boat", "pig", "cat"])
    near = [[0.4, 0.4, 0.5, 0.66]]  # 0.2 is unrelated, 0.55 the middle
    assert competing(nouns, classes_of(near, "red car")) == ("blue boat", "pig")
    assert competing(nouns, classes_of([[0.1, 0.4, 0.5, 0.76]], "red cars")) == (
        "blue car",
        "blue boat",
        "pig",
    )


def test_a_class_does_not_compete_with_what_it_is_made_of() -> None:
    nouns = nouns_of(AXES, ["red", "green", "blue", "pig"])
    made_of = classes_of([[1, 1, 1, 1]], "colour", nouns=("red", "green"))
    assert competing(nouns, made_of) == ("blue", "pig")
    mixture = classes_of([[1, 1, 1, 1]], "colour", nouns=("red", *(f"colour {n}" for n in range(11))))
    assert competing(nouns, mixture) == ("red", "green", "blue", "pig"), "a twelfth is an accident"


def test_a_bank_whose_nouns_look_all_the_same_has_no_competitors() -> None:
    assert competing_nouns(nouns_of(AXES, "abcd", likeness=None), classes_of([[1, 0, 0, 0]], "x")) is None


def test_competitors_of_several_sources_compete_together() -> None:
    parts = [Competitors(("a", "b"), AXES[:2]), Competitors(("rest of an example",), AXES[2:3])]
    joined = Competitors.joined(parts)
    assert (len(joined), joined.names) == (3, ("a", "b", "rest of an example"))
    np.testing.assert_array_equal(joined.looks, AXES[:3])
    assert joined.nearest(AXES[2]) == "rest of an example"
    assert joined.embeddings is None
    named = [dataclasses.replace(part, embeddings=AXES[: len(part), :2]) for part in parts]
    assert Competitors.joined([named[0], parts[1]]).embeddings is None, "then none is spoken of by name"
    whole = Competitors.joined(named).embeddings
    assert whole is not None
    np.testing.assert_array_equal(whole, AXES[[0, 1, 0], :2])


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6), st.integers(1, 30))
def test_adding_a_class_moves_pixels_only_to_it_or_out_of_none(
    seed: int, classes: int, others: int, regions: int
) -> None:
    """Naming one more thing takes nothing from the other classes but what looks more like it."""
    rng = np.random.default_rng(seed)
    looks = normalised(rng.standard_normal((others, 6)).astype(np.float32))
    nouns = nouns_of(looks, [f"noun {number}" for number in range(others)])
    vectors = rng.standard_normal((classes + 1, 6))
    vectors[-1] = looks[0] * 3 + rng.standard_normal(6) * rng.random()
    features = normalised(rng.standard_normal((regions, 6)).astype(np.float32))

    def winners(count: Any) -> Any:
        prototypes = classes_of(vectors[:count], *(f"class {number}" for number in range(count)))
        prototypes = dataclasses.replace(prototypes, competitors=competing_nouns(nouns, prototypes))
        columns = [prototypes.local_cosines(features)]
        if prototypes.competitors is not None:
            columns.append((features @ prototypes.competitors.looks.T).max(axis=1, keepdims=True))
        best = np.concatenate(columns, axis=1).argmax(axis=1)
        return np.where(best == count, -1, best)

    fewer, more = winners(classes), winners(classes + 1)
    changed = fewer != more
    assert ((more == classes) | (fewer == -1))[changed].all()


@pytest.mark.parametrize("alpha", [1.0, 0.8, 0.3])
@pytest.mark.parametrize("named", [True, False])
def test_regions_and_patches_have_one_more_column(alpha: float, named: bool) -> None:
    """Its score is the highest that any competitor would have as a class of its own."""
    rng = np.random.default_rng(1)
    prototypes = classes_of(rng.standard_normal((2, 4)), "a", "b")
    prototypes = dataclasses.replace(prototypes, embeddings=unit(rng.standard_normal((2, 5))))
    embeddings = unit(rng.standard_normal((3, 5)))
    competitors = Competitors(
        ("x", "y", "z"), unit(rng.standard_normal((3, 4))), embeddings if named else None
    )
    features, window = unit(rng.standard_normal((5, 4))), unit(rng.standard_normal(5))
    tokens = unit(rng.standard_normal((2, 3, 4)))
    given = np.zeros((4, 6), np.int32), RegionFeatures(features, np.ones(5, bool)), tokens, window
    plain = score_window(*given, prototypes, alpha)
    found = score_window(*given, dataclasses.replace(prototypes, competitors=competitors), alpha)
    np.testing.assert_array_equal(found.regions[:, :2], plain.regions)
    np.testing.assert_array_equal(found.tokens[..., :2], plain.tokens)
    np.testing.assert_array_equal(found.global_score[:2], plain.global_score)
    spoken = embeddings @ window if named else np.full(3, plain.global_score.max())
    for local, rows in ((found.regions, features), (found.tokens, tokens)):
        as_classes = alpha / (1 + np.exp(-(rows @ competitors.looks.T))) + (1 - alpha) * spoken
        score = alpha * local[..., 2] + (1 - alpha) * found.global_score[2]
        np.testing.assert_allclose(score, as_classes.max(-1), atol=1e-5)


def test_the_window_speaks_of_what_competes_where_keys_are_clips() -> None:
    by_clip = segmenter_of(FullBank()).prepare("red").competitors
    assert by_clip is not None
    assert by_clip.embeddings is not None
    np.testing.assert_allclose(by_clip.embeddings, FakeClip().encode_texts(by_clip.names), atol=1e-6)
    other_keys = FakeClip("sentences", dim=24)
    bank = FullBank(encoder=other_keys)
    settings = small_settings(background=AUTO)
    by_sentences = Segmenter(bank, FakeClip(), FakeBackbone(), other_keys, settings)
    others = by_sentences.prepare("red").competitors
    assert others is not None
    assert others.embeddings is None


# the nouns of a bank


def test_nouns_are_the_means_of_their_prototypes() -> None:
    bank = FullBank()
    found = bank_nouns(bank)
    assert sorted(found.names) == sorted(COLOURS)
    for name, look, key in zip(found.names, found.looks, found.keys, strict=True):
        rows = [each.noun == name for each in bank.held]
        np.testing.assert_allclose(look, unit(bank.visuals[rows].mean(0)), atol=1e-6)
        np.testing.assert_allclose(key, unit(bank.keys[rows].mean(0)), atol=1e-6)
    again = BankNouns.from_bytes(found.to_bytes())
    assert (again.names, again.likeness) == (found.names, found.likeness)
    for one in ("keys", "looks", "groups"):
        np.testing.assert_array_equal(getattr(again, one), getattr(found, one))


def test_likeness_is_that_of_a_noun_with_itself_and_with_others() -> None:
    found = bank_nouns(FullBank()).likeness
    assert found is not None
    assert found.same > 0.99
    colours = unit(np.array([np.array(colour) - 127.5 for colour in COLOURS.values()]))
    others = [np.percentile(np.delete(row, index), 95) for index, row in enumerate(colours @ colours.T)]
    assert found.unrelated == pytest.approx(np.median(others), abs=0.03)
    assert found.unrelated < found.middle < found.same


def test_a_filter_and_a_bad_prototype_leave_nouns_out() -> None:
    bank = FullBank()
    red = bank_nouns(bank, parse_filter(["noun=red|blue|green"]))
    assert set(red.names) == {"red", "blue", "green"}
    assert red.likeness is None, "three nouns say too little"
    bank.visuals[0] = np.nan
    bank.visuals[3] = 0
    spoilt = bank_nouns(bank)
    assert set(spoilt.names) == set(COLOURS) - {bank.held[0].noun, bank.held[3].noun}
    assert np.isfinite(spoilt.looks).all()


def test_an_empty_bank_has_no_nouns() -> None:
    found = BankNouns.from_bytes(bank_nouns(FullBank(())).to_bytes())
    assert (found.names, found.likeness) == ((), None)
    assert competing_nouns(found, classes_of([[1, 0, 0, 0]], "x")) is None


def test_many_nouns_are_joined_to_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "GROUPS", 2)
    found = bank_nouns(FullBank())
    assert len(set(found.groups.tolist())) == 2
    red = classes_of(found.looks[[found.names.index("red")]], "red")
    together = competing_nouns(dataclasses.replace(found, likeness=Likeness(0.0, 1.9)), red)
    assert together is not None
    assert 1 <= len(together) <= 2
    for name, look in zip(together.names, together.looks, strict=True):
        group = found.groups[found.names.index(name)]
        members = [i for i, noun in enumerate(found.names) if found.groups[i] == group and noun != "red"]
        np.testing.assert_allclose(look, unit(found.looks[members].sum(0)), atol=1e-6)


def test_the_bank_is_asked_once_for_all_lists_of_a_revision_and_filter() -> None:
    class Counting(FullBank):
        gathered = 0

        def derived(self, name: Any, make: Any, where: Any = parse_filter([])) -> Any:  # noqa: B008
            self.gathered += 1
            return make()

    bank = Counting()
    segmenter = segmenter_of(bank)
    segmenter.prepare("red")
    segmenter.prepare("blue,green")
    segmenter.with_settings(alpha=0.5).prepare("blue")
    assert bank.gathered == 1
    segmenter.with_settings(where=parse_filter(["noun=red|green"])).prepare("red")
    assert bank.gathered == 2


def test_a_new_revision_has_new_competitors(tmp_path: Path) -> None:
    with Bank.open(tmp_path / "bank", create=fake_manifest()) as bank:

        def add(run: Any, *names: Any) -> None:
            with bank.write("colours", run) as writer:
                writer.add([colour_generation(name, number) for name in names for number in range(4)])
                writer.commit()

        add("one", "red", "green", "yellow")
        segmenter = segmenter_of(bank)
        assert segmenter.prepare("red").competitors is None, "three nouns are too few"
        add("two", "blue")
        competitors = segmenter.prepare("red").competitors
        assert competitors is not None
        assert set(competitors.names) == {"green", "blue", "yellow"}
        bank.retire(parse_filter(["noun=yellow"]), "no yellow")
        assert segmenter.prepare("red").competitors is None
