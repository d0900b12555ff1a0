"""CLIP: vectors against open_clip's own, spans against a by-hand forward, dense features, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from freeda_models.clip.encoder import OpenClipEncoder, load_clip
from freeda_models.clip.files import clip_files, clip_identity
from freeda_models.errors import InputError, ModelMissingError, PresetError, UnsupportedModelError
from freeda_models.pixels import PixelPreparation
from freeda_models.presets import ClipSettings
from freeda_models.protocols import ModelIdentity, TextImageEncoder

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def encoder(clip_settings: ClipSettings) -> Any:
    return load_clip(clip_settings, "cpu")


@pytest.fixture(scope="module")
def openai_like() -> Any:
    """A random CLIP with open_clip's own tokenizer, as the hub's ViT-L-14 has."""
    torch.manual_seed(3)
    model = open_clip.CLIP(
        embed_dim=16,
        quick_gelu=True,
        vision_cfg={"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16},
        text_cfg={"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    ).eval()
    identity = ModelIdentity("random", "", "", 16, "")
    pixels = PixelPreparation(32, (0.5,) * 3, (0.5,) * 3)
    return OpenClipEncoder(model, open_clip.get_tokenizer("ViT-L-14"), pixels, identity, "cpu")


def by_hand(encoder: Any, text: str, positions: list[int]) -> np.ndarray:
    """The text tower written out: embed, transform, norm, project, mean over positions."""
    model = encoder._model
    with torch.inference_mode():
        ids = encoder._tokenizer([text])
        states = model.token_embedding(ids) + model.positional_embedding
        states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask)) @ model.text_projection
        return F.normalize(states[0, positions].mean(0), dim=-1).numpy()


def test_texts_and_pictures_equal_open_clip(encoder: Any, clip_settings: ClipSettings) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(clip_settings.model)
    tokenizer = open_clip.get_tokenizer(clip_settings.model)
    texts = ["a red car", "two dogs near a house", ""]
    images = RNG.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected_texts = F.normalize(model.eval().encode_text(tokenizer(texts)), dim=-1).numpy()
        batch = torch.stack([preprocess(Image.fromarray(image)) for image in images])
        expected_images = F.normalize(model.encode_image(batch), dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode_texts(texts), expected_texts, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_images(images), expected_images, atol=1e-5)


def test_resizing_is_close_to_pillow_bicubic(encoder: Any) -> None:
    ramp = np.linspace(0, 255, 100)
    image = np.stack([np.add.outer(ramp, ramp) / 2] * 3, axis=-1).astype(np.uint8)
    small = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC))
    large, direct = encoder.encode_images(image[None])[0], encoder.encode_images(small[None])[0]
    assert float(large @ direct) > 0.9999


def test_a_span_is_its_tokens_after_norm_and_projection(encoder: Any, clip_tokenizer: Any) -> None:
    text = "a red car under blue sky"
    tokens = clip_tokenizer(text, add_special_tokens=False)
    pieces = clip_tokenizer.convert_ids_to_tokens(tokens.input_ids)
    before = len(clip_tokenizer("a red", add_special_tokens=False).input_ids)
    count = len(clip_tokenizer("car", add_special_tokens=False).input_ids)
    assert "".join(pieces[before : before + count]) == "car</w>"
    expected = by_hand(encoder, text, [1 + before + i for i in range(count)])
    got = encoder.encode_spans([text], [(6, 9)])
    np.testing.assert_allclose(got[0], expected, atol=1e-6)


def test_a_span_with_open_clips_own_tokenizer(openai_like: Any) -> None:
    text = "A Firetruck near the   sky"
    words = {"Firetruck": [2, 3], "sky": [6]}
    assert openai_like._tokenizer.encode(text) == openai_like._tokenizer.encode("a firetruck near the sky")
    assert len(openai_like._tokenizer.encode("firetruck")) == 2
    for word, positions in words.items():
        start = text.index(word)
        got = openai_like.encode_spans([text], [(start, start + len(word))])
        np.testing.assert_allclose(got[0], by_hand(openai_like, text, positions), atol=1e-6)


@pytest.mark.parametrize("name", ["encoder", "openai_like"])
def test_a_span_outside_the_window_is_its_own_text(name: str, request: pytest.FixtureRequest) -> None:
    encoder = request.getfixturevalue(name)
    text = "and " * 100 + "sky"
    got = encoder.encode_spans([text, "sky"], [(400, 403), (0, 3)])
    np.testing.assert_allclose(got[0], encoder.encode_texts(["sky"])[0], atol=1e-6)
    assert np.abs(got[1] - got[0]).max() > 1e-3


@pytest.mark.parametrize("name", ["encoder", "openai_like"])
def test_batches_do_not_change_spans(name: str, request: pytest.FixtureRequest) -> None:
    encoder = request.getfixturevalue(name)
    texts, spans = ["a red car", "the very blue sky", "a red car"], [(6, 9), (14, 17), (2, 5)]
    together = encoder.encode_spans(texts, spans)
    alone = [encoder.encode_spans([text], [span])[0] for text, span in zip(texts, spans, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_dense_features_are_the_value_path(encoder: Any) -> None:
    """With attention that looks only at itself, the last block's attention is its value path."""
    images = RNG.integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    got = encoder.encode_dense(images)
    assert got.shape == (2, 4, 4, 24)
    visual = encoder._model.visual
    block, seen = visual.transformer.resblocks[-1], []
    hook = block.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    encoder.encode_images(images)
    hook.remove()
    with torch.inference_mode():
        states = block.ln_1(seen[0])
        alone = torch.full((17, 17), float("-inf")).fill_diagonal_(0)
        attended = block.attn(states, states, states, need_weights=False, attn_mask=alone)[0]
        expected = F.normalize(visual.ln_post(attended)[:, 1:] @ visual.proj, dim=-1)
    np.testing.assert_allclose(got.reshape(2, 16, 24), expected.numpy(), atol=1e-5)


def test_raw_texts_are_what_open_clip_gives_before_normalising(
    encoder: Any, clip_settings: ClipSettings
) -> None:
    model = open_clip.create_model(clip_settings.model)
    tokenizer = open_clip.get_tokenizer(clip_settings.model)
    texts = ["a red car", "two dogs near a house"]
    with torch.inference_mode():
        expected = model.encode_text(tokenizer(texts), normalize=False).numpy()
    raw = encoder.encode_texts_raw(texts)
    np.testing.assert_allclose(raw, expected, atol=1e-5)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode_texts(texts), unit, atol=1e-6)
    assert encoder.encode_texts_raw([]).shape == (0, 24)


def test_empty_inputs_and_wrong_inputs(encoder: Any) -> None:
    assert isinstance(encoder, TextImageEncoder)
    assert encoder.encode_texts([]).shape == (0, 24)
    assert encoder.encode_spans([], []).shape == (0, 24)
    assert encoder.encode_images(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, 24)
    with pytest.raises(InputError, match="one span per text"):
        encoder.encode_spans(["a"], [])
    with pytest.raises(InputError, match="does not lie"):
        encoder.encode_spans(["a"], [(1, 1)])
    with pytest.raises(InputError, match="uint8"):
        encoder.encode_images(np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(InputError, match="uint8"):
        encoder.encode_images(np.zeros((8, 8, 3), np.uint8))


def test_identity_is_known_without_loading(encoder: Any, clip_settings: ClipSettings) -> None:
    assert encoder.identity == clip_identity(clip_settings)
    assert encoder.identity.dim == 24
    assert encoder.identity.preprocessing == "32px bicubic mean 0.5,0.5,0.5 std 0.25,0.25,0.25 24 tokens"


def test_weights_that_are_missing_or_pickles_are_refused(clip_settings: ClipSettings, tmp_path: Path) -> None:
    source = Path(clip_settings.model.removeprefix("local-dir:"))
    for file in source.iterdir():
        if file.suffix == ".json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelMissingError, match=r"open_clip_model\.safetensors"):
        load_clip(ClipSettings(model=f"local-dir:{tmp_path}"), "cpu")
    with pytest.raises(ModelMissingError, match="does not exist"):
        load_clip(ClipSettings(model=f"local-dir:{tmp_path}/nowhere"), "cpu")


def test_hub_names_resolve_to_safetensors_without_network() -> None:
    files = clip_files(ClipSettings(model="ViT-L-14-quickgelu", pretrained="openai", revision="abc"))
    assert files.source.repository == "timm/vit_large_patch14_clip_224.openai"
    assert files.required == ("open_clip_model.safetensors",)
    identity = clip_identity(ClipSettings(model="ViT-L-14-quickgelu", pretrained="openai", revision="abc"))
    assert identity.id == "ViT-L-14-quickgelu openai"
    assert (identity.dim, identity.revision) == (768, "abc")
    assert identity.preprocessing == "224px bicubic openai 77 tokens"


@pytest.mark.parametrize(
    ("model", "pretrained", "error", "message"),
    [
        ("ViT-L-99", "openai", PresetError, "knows no model"),
        ("ViT-L-14-quickgelu", "nothing", PresetError, "it has: openai"),
        ("ViT-L-14-quickgelu", "", PresetError, "it has: openai"),
        ("ViT-L-14", "openai", PresetError, "-quickgelu"),
        ("RN50-quickgelu", "yfcc15m", None, ""),
    ],
)
def test_names_that_open_clip_does_not_know(
    model: str, pretrained: str, error: type[Exception] | None, message: str
) -> None:
    settings = ClipSettings(model=model, pretrained=pretrained)
    if error is None:
        assert clip_files(settings).weights_file.endswith(".safetensors")
    else:
        with pytest.raises(error, match=message):
            clip_files(settings)


def test_a_tower_without_final_norm_is_refused_for_spans(encoder: Any) -> None:
    class Other(torch.nn.Module):
        pass

    other = OpenClipEncoder(Other(), encoder._tokenizer, encoder._pixels, encoder.identity, "cpu")
    with pytest.raises(UnsupportedModelError, match="template_mean"):
        other.encode_spans(["a car"], [(2, 5)])


def test_the_config_may_lack_preprocessing(clip_settings: ClipSettings, tmp_path: Path) -> None:
    source = Path(clip_settings.model.removeprefix("local-dir:"))
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "open_clip_config.json").read_text())
    del config["preprocess_cfg"]
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    identity = clip_identity(ClipSettings(model=f"local-dir:{tmp_path}"))
    assert identity.preprocessing == "32px bicubic openai 24 tokens"
