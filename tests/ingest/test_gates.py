"""Quality gates and weightings, from the preset to the manifest and the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_fakes import fake_manifest, fake_models
from presence import present

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.errors import OptionError
from freeda_ingest.identity import caption_seed
from freeda_ingest.manifests import make_manifest, mask_record, stage_settings
from freeda_ingest.masks import DropReason, Mask, MaskSettings, make_mask
from freeda_ingest.pipeline import process_batch
from freeda_ingest.prototypes import WEIGHTINGS, pixel_weights, pool
from freeda_ingest.settings import DEFAULT_SETTINGS, StageSettings
from freeda_models.identity import identify
from freeda_models.presets import Preset, load_preset
from freeda_store.errors import ManifestMismatchError
from freeda_store.records import Caption


def run(settings: StageSettings, *texts: str) -> BatchResult:
    captions = [Caption(text) for text in texts]
    batch = [SeededCaption(caption, caption_seed(caption, 0)) for caption in captions]
    return process_batch(fake_models(), settings, batch)


def with_ingest(**changes: object) -> Preset:
    document = load_preset("tiny").model_dump()
    document["ingest"] |= changes
    return Preset.model_validate(document)


def test_a_map_too_even_gives_no_mask() -> None:
    attribution = np.full((8, 8), 0.5, dtype=np.float32)
    attribution[2:5, 3:6] = 0.8
    mask = make_mask(attribution, (8, 8), MaskSettings())
    assert isinstance(mask, Mask)
    assert mask.contrast == pytest.approx(1.6)
    assert isinstance(make_mask(attribution, (8, 8), MaskSettings(min_contrast=1.59)), Mask)
    assert make_mask(attribution, (8, 8), MaskSettings(min_contrast=1.61)) is DropReason.LOW_CONTRAST


def test_what_clip_does_not_see_is_dropped_counted_and_named() -> None:
    texts = ("a car and a tree", "a boat")
    plain = run(DEFAULT_SETTINGS, *texts)
    scores = {p.noun: p.scores.clip_agreement for g in plain.generations for p in g.prototypes}
    middle = sorted(scores.values())[1]
    gated = run(StageSettings(min_agreement=middle), *texts)
    kept = {p.noun for g in gated.generations for p in g.prototypes}
    assert kept == {noun for noun, score in scores.items() if score >= middle}
    assert len(kept) == 2
    assert gated.dropped == {DropReason.LOW_AGREEMENT: 1}
    assert [g.caption for g in gated.generations] == [g.caption for g in plain.generations]
    even = run(StageSettings(mask=MaskSettings(min_contrast=1000)), *texts)
    assert even.dropped == {DropReason.LOW_CONTRAST: 3}


def test_a_preset_sets_the_gates_and_the_manifest_keeps_only_those_that_are_on() -> None:
    old = {"strategy", "value", "min_area", "max_area", "upsampling"}
    assert mask_record(stage_settings(load_preset("tiny"))).keys() == old
    settings = stage_settings(with_ingest(min_contrast=1.5, min_agreement=0.2, weighting="pixel"))
    assert (settings.mask.min_contrast, settings.min_agreement, settings.weighting) == (1.5, 0.2, "pixel")
    record = mask_record(settings)
    assert {name: record[name] for name in record.keys() - old} == {
        "min_contrast": 1.5,
        "min_agreement": 0.2,
        "weighting": "pixel",
    }
    bank = fake_manifest()
    assert bank.threshold == mask_record(DEFAULT_SETTINGS)
    with pytest.raises(ManifestMismatchError, match="made with threshold = "):
        bank.check(bank.model_copy(update={"threshold": record}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaskSettings(min_contrast=-1), "min_contrast is -1; give a number from 0 to 1000"),
        (lambda: StageSettings(min_agreement=1.5), "min_agreement is 1.5; give a cosine"),
        (lambda: StageSettings(weighting="magic"), "unknown weighting 'magic'; choose one of token, pixel"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_pixel_weights_are_those_of_a_mean_over_upsampled_features(
    seed: int, rows: int, columns: int, factor: int
) -> None:
    from PIL import Image

    rng = np.random.default_rng(seed)
    height, width = rows * factor + int(rng.integers(3)), columns * factor + int(rng.integers(3))
    masks = rng.random((3, height, width)) > 0.5
    masks[:, 0, 0] = True
    features = rng.random((1, rows, columns, 2), dtype=np.float32)
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(features[0, :, :, channel])).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for channel in range(2)
    ]
    upsampled = np.stack(planes, axis=-1)
    expected = np.stack([upsampled[mask].mean(axis=0) for mask in masks])
    weights = pixel_weights(masks, (rows, columns))
    pooled = pool(features, weights, np.zeros(3, dtype=np.intp))
    np.testing.assert_allclose(pooled, expected, atol=1e-4)
    whole = pixel_weights(np.ones((1, height, width), dtype=np.bool_), (rows, columns))
    assert whole.sum() == pytest.approx(rows * columns, rel=1e-4)


@pytest.mark.parametrize("weighting", sorted(WEIGHTINGS))
def test_every_weighting_reads_the_colour_under_the_mask(weighting: str) -> None:
    result = run(StageSettings(weighting=weighting), "a car", "a boat")
    visuals = {p.noun: p.visual for g in result.generations for p in g.prototypes}
    assert visuals["car"][0] > 2 * visuals["car"][1], "a car is red"
    assert visuals["boat"][1] > 2 * visuals["boat"][2], "a boat is yellow"


def test_prompts_of_keys_are_the_presets_and_the_bank_names_them() -> None:
    document = load_preset("tiny").model_dump()
    document["keys"] |= {"templates": "single"}
    settings = stage_settings(Preset.model_validate(document))
    assert settings.templates == "single"
    assert stage_settings(load_preset("tiny")).templates == "openai_subset"
    (generation,) = run(settings, "a red car").generations
    car = next(each for each in generation.prototypes if each.noun == "car")
    expected = fake_models().keys.encode_texts(["a photo of a car."])
    np.testing.assert_allclose(present(car.text_key), expected[0], atol=1e-2)
    manifest = fake_manifest()
    with pytest.raises(ManifestMismatchError, match="templates = openai_subset, but single"):
        manifest.check(manifest.model_copy(update={"templates": make_templates(settings)}))


def make_templates(settings: StageSettings) -> str:
    identities = identify(load_preset("tiny"))
    return make_manifest("tiny", identities, settings).templates
