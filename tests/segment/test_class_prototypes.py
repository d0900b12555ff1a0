from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from segment_fakes import COLOURS, FakeBank, FakeClip, small_settings, unit

from freeda_models.text.keys import TEMPLATE_SETS
from freeda_segment.classes import parse_classes
from freeda_segment.errors import ModelOutputError, NoPrototypesError, OptionError
from freeda_segment.retrieval.lookup import TextLookup
from freeda_segment.retrieval.prototypes import build_prototypes
from freeda_segment.settings import SegmentSettings
from freeda_store import parse_filter
from freeda_store.records import FloatArray


def build(
    classes: Any = "red,blue", bank: Any = None, keys: Any = None, templates: Any = "none", **changes: Any
) -> Any:
    clip = FakeClip()
    lookup = TextLookup(bank or FakeBank(), keys or clip, clip, templates, small_settings(**changes))
    return build_prototypes(parse_classes(classes).classes, lookup)


def test_a_prototype_is_the_mean_of_the_raw_vectors() -> None:
    bank = FakeBank()
    prototypes = build(bank=bank)
    red = bank.visuals[[each.noun == "red" for each in bank.held]].mean(0)
    np.testing.assert_allclose(prototypes.vectors[0], unit(red), atol=1e-6)
    assert prototypes.names == ("red", "blue")
    assert [info.noun for info in prototypes.support[0][0].infos] == ["red"] * 3
    np.testing.assert_allclose(prototypes.support[1][0].similarities, 1, atol=1e-6)


def test_a_weighted_mean_leans_to_the_similar() -> None:
    plain = build("red", k=12)
    weighted = build("red", k=12, aggregation="weighted_mean")
    red = build("red", k=3)
    assert plain.support[0][0].ids == weighted.support[0][0].ids
    assert weighted.vectors[0] @ red.vectors[0] > plain.vectors[0] @ red.vectors[0] + 0.05


def test_a_threshold_leaves_out_the_dissimilar_but_never_the_nearest() -> None:
    near = build("red", k=12, similarity_threshold=0.99)
    assert len(near.support[0][0].ids) == 3
    far = build("mauve", k=12, similarity_threshold=0.999)
    assert len(far.support[0][0].ids) == 3, "the nearest noun's prototypes share one key: all or none"
    assert len({info.noun for info in far.support[0][0].infos}) == 1


def test_synonyms_are_a_union() -> None:
    prototypes = build("red|blue,green")
    assert prototypes.vectors.shape == (3, 3)
    red, blue = build("red").vectors[0], build("blue").vectors[0]
    cosines = prototypes.local_cosines(np.stack([red, blue]))
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-6)
    texts = FakeClip().encode_texts(["red", "blue"])
    np.testing.assert_allclose(prototypes.global_cosines(texts)[:, 0], 1, atol=1e-6)
    assert [each.text for each in prototypes.support[0]] == ["red", "blue"]


def test_the_key_space_may_differ_from_clip() -> None:
    keys = FakeClip("sentences", dim=24)
    prototypes = build("red,blue", bank=FakeBank(encoder=keys), keys=keys)
    assert prototypes.embeddings.shape == (2, 16)
    assert prototypes.support[0][0].query.shape == (24,)
    assert {info.noun for info in prototypes.support[1][0].infos} == {"blue"}


def test_a_shared_encoder_embeds_once() -> None:
    clip = FakeClip()
    TextLookup(FakeBank(), clip, clip, "none", small_settings())(["red"])
    assert clip.calls == 1


def test_templates_are_averaged() -> None:
    prototypes = build("red", templates="openai_subset")
    texts = [template.format("red") for template in TEMPLATE_SETS["openai_subset"].templates]
    expected = unit(FakeClip().encode_texts(texts).mean(0))
    np.testing.assert_allclose(prototypes.embeddings[0], expected, atol=1e-6)


def test_filters_reach_the_bank() -> None:
    prototypes = build("red", where=parse_filter(["noun=blue"]))
    assert {info.noun for info in prototypes.support[0][0].infos} == {"blue"}


def test_an_empty_bank_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(NoPrototypesError, match=r"for 'red', 'blue'; ingest captions first"):
        build(bank=FakeBank(nouns=()))


def test_a_filter_that_leaves_nothing_is_named() -> None:
    with pytest.raises(NoPrototypesError, match=r"'g' and 2 more under the filter 'noun=pink'; widen"):
        build("c,d,e,f,g,h,i", where=parse_filter(["noun=pink"]))


def test_vectors_that_are_not_numbers_or_zero_are_left_out() -> None:
    bank = FakeBank()
    bank.visuals[0] = np.nan
    prototypes = build("red", bank=bank)
    assert len(prototypes.support[0][0].ids) == 2
    assert np.isfinite(prototypes.vectors).all()
    bank.visuals[:] = 0
    with pytest.raises(NoPrototypesError, match="no usable prototype for 'red'"):
        build("red", bank=bank)


def test_500_classes_are_retrieved_in_batches() -> None:
    names = ",".join(f"thing{index}" for index in range(500))
    bank = FakeBank()
    prototypes = build(names, bank=bank)
    assert bank.queries == 500
    assert prototypes.vectors.shape == (500, 3)
    assert len(prototypes.support) == 500


def test_features_of_another_length_are_refused() -> None:
    with pytest.raises(ModelOutputError, match="use the preset that made the bank"):
        build().local_cosines(np.zeros((1, 5), np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"alpha": 1.1}, "alpha is 1.1"),
        ({"stride": 64}, "stride 64 is larger than window 32"),
        ({"similarity_threshold": 2.0}, "similarity threshold"),
    ],
)
def test_settings_outside_their_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        small_settings(**changes)


def test_an_unknown_aggregation_is_refused() -> None:
    with pytest.raises(OptionError, match="choose one of mean, weighted_mean"):
        build(aggregation="median")


def test_settings_come_from_a_preset() -> None:
    from freeda_models.presets import SegmentDefaults

    defaults = SegmentDefaults(
        k=9, superpixels="slic", superpixel_options={"n_segments": 30}, where=("noun=car",)
    )
    settings = SegmentSettings.of(defaults)
    assert settings.k == 9
    assert settings.superpixels.n_segments == 30  # type: ignore[attr-defined]
    assert str(settings.where) == "noun=car"


def test_the_colours_of_this_world_are_told_apart() -> None:
    prototypes = build(",".join(COLOURS))
    cosines = prototypes.local_cosines(prototypes.vectors)
    assert (cosines.argmax(1) == np.arange(len(COLOURS))).all()


@pytest.mark.parametrize("role", ["clip", "keys"])
def test_a_text_that_is_embedded_without_numbers_is_refused(role: str) -> None:
    class Broken(FakeClip):
        def encode_texts(self, texts: Any) -> FloatArray:
            rows = super().encode_texts(texts)
            rows[["blue" in text for text in texts]] = np.nan
            return rows

    encoders = {"clip": FakeClip(), "keys": FakeClip("keys-a")} | {role: Broken("broken")}
    lookup = TextLookup(FakeBank(), encoders["keys"], encoders["clip"], "none", small_settings())
    with pytest.raises(
        ModelOutputError, match="text encoder broken gave values that are not numbers for 'blue'"
    ):
        lookup(["red", "blue"])
