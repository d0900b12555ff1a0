"""Places of a picture among texts: ProxyCLIP's features against a literal form, one number at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from freeda_models.clip.encoder import OpenClipEncoder
from freeda_models.clip.patches import SCALE, SHIFT, proxy_attention
from freeda_models.errors import InputError, UnsupportedModelError
from freeda_models.pixels import PixelPreparation
from freeda_models.protocols import GuidedImageEncoder, ModelIdentity

DIM, WIDTH, HEADS = 6, 8, 2


def small_encoder(seed: int = 0, **vision: Any) -> OpenClipEncoder:
    """A random CLIP of the real architecture, with a grid of 3 x 3 patches."""
    torch.manual_seed(seed)
    model = open_clip.CLIP(
        embed_dim=DIM,
        vision_cfg={
            "image_size": 12, "patch_size": 4, "width": WIDTH, "layers": 2, "head_width": WIDTH // HEADS,
            **vision,
        },
        text_cfg={"context_length": 8, "vocab_size": 20, "width": 8, "heads": 2, "layers": 1},
    ).eval()  # fmt: skip
    pixels = PixelPreparation(12, (0.5,) * 3, (0.5,) * 3)
    return OpenClipEncoder(model, None, pixels, ModelIdentity("random", "", "", DIM, ""), "cpu")


def literal_attention(guide: list[list[float]]) -> list[list[float]]:
    """Row by row: cosines, less their mean, stretched; none below zero; a softmax."""

    def length(row: list[float]) -> float:
        return math.sqrt(sum(x * x for x in row)) or 1.0

    cosines = [
        [sum(a * b for a, b in zip(one, two, strict=True)) / length(one) / length(two) for two in guide]
        for one in guide
    ]
    mean = sum(map(sum, cosines)) / len(guide) ** 2
    rows = []
    for row in cosines:
        logits = [SCALE * (value - SHIFT * mean) for value in row]
        counted = [value >= 0 for value in logits]
        if not any(counted):
            counted = [True] * len(logits)
        raised = [math.exp(value) if one else 0.0 for value, one in zip(logits, counted, strict=True)]
        rows.append([each / sum(raised) for each in raised])
    return rows


def literal_resampled(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, by the centres of cells; beyond the outermost centres the outermost value holds."""
    out = np.zeros((height, width, grid.shape[2]))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * grid.shape[0] / height - 0.5, 0), grid.shape[0] - 1)
            x = min(max((j + 0.5) * grid.shape[1] / width - 0.5, 0), grid.shape[1] - 1)
            top, left = int(y), int(x)
            down, right = min(top + 1, grid.shape[0] - 1), min(left + 1, grid.shape[1] - 1)
            for row, column, weight in (
                (top, left, (1 - y + top) * (1 - x + left)),
                (top, right, (1 - y + top) * (x - left)),
                (down, left, (y - top) * (1 - x + left)),
                (down, right, (y - top) * (x - left)),
            ):
                out[i, j] += weight * grid[row, column]
    return out


def literal_patches(encoder: OpenClipEncoder, image: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """The last block written out, head by head, for one picture."""
    visual = encoder._model.visual
    block = visual.transformer.resblocks[-1]
    seen: list[torch.Tensor] = []
    hook = block.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    encoder.encode_images(image[None])
    hook.remove()
    with torch.inference_mode():
        states = block.ln_1(seen[0])[0, 1:].numpy().astype(np.float64)
        weight, bias = block.attn.in_proj_weight.numpy(), block.attn.in_proj_bias.numpy()
    attention = np.array(literal_attention(guide.reshape(-1, guide.shape[2]).tolist()))
    heads = []
    for head in range(HEADS):
        own = slice(2 * WIDTH + head * WIDTH // HEADS, 2 * WIDTH + (head + 1) * WIDTH // HEADS)
        values = states @ weight[own].T + bias[own]
        values = literal_resampled(values.reshape(*visual.grid_size, -1), *guide.shape[:2])
        heads.append(attention @ values.reshape(-1, WIDTH // HEADS))
    with torch.inference_mode():
        mixed = torch.from_numpy(np.concatenate(heads, axis=1)).float()
        placed = (visual.ln_post(block.attn.out_proj(mixed)) @ visual.proj).numpy()
    unit: np.ndarray = placed / np.linalg.norm(placed, axis=1, keepdims=True)
    return unit.reshape(*guide.shape[:2], DIM)


@pytest.mark.parametrize("grid_hw", [(3, 3), (7, 5), (2, 3), (1, 1), (6, 6)])
def test_places_equal_the_literal_form(grid_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(grid_hw))
    encoder = small_encoder(grid_hw[0])
    images = rng.integers(0, 256, (3, 20, 16, 3), dtype=np.uint8)
    guides = rng.standard_normal((3, *grid_hw, 4)).astype(np.float32) + 0.4
    found = encoder.encode_images_guided(images, guides)
    assert found.patches.shape == (3, *grid_hw, DIM)
    assert found.patches.dtype == np.float32
    for image, guide, got in zip(images, guides, found.patches, strict=True):
        np.testing.assert_allclose(got, literal_patches(encoder, image, guide), atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0, 3))
def test_attention_equals_the_literal_form(seed: int, count: int, likeness: float) -> None:
    guide = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32) + np.float32(likeness)
    got = proxy_attention(torch.from_numpy(guide)).numpy()
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-5)
    unit = guide / np.linalg.norm(guide, axis=1, keepdims=True)
    logits = unit @ unit.T - SHIFT * (unit @ unit.T).mean()
    if np.abs(logits).min() > 1e-5:  # else rounding says which pair is below zero
        np.testing.assert_allclose(got, literal_attention(guide.tolist()), atol=1e-4)


@pytest.mark.parametrize("guide", [np.ones((9, 4)), np.zeros((9, 4))])
def test_in_a_plain_picture_all_patches_count_alike(guide: np.ndarray) -> None:
    attention = proxy_attention(torch.from_numpy(guide.astype(np.float32)))
    np.testing.assert_allclose(attention.numpy(), 1 / 9, atol=1e-6)


def test_what_looks_alike_to_the_guide_is_seen_alike() -> None:
    """Two halves that have nothing in common: each place has the mean of its half, whatever CLIP's grid."""
    encoder = small_encoder()
    image = np.random.default_rng(1).integers(0, 256, (1, 12, 12, 3), dtype=np.uint8)
    guide = np.zeros((1, 6, 6, 2), np.float32)
    guide[:, :, :3, 0], guide[:, :, 3:, 1] = 1, 1
    patches = encoder.encode_images_guided(image, guide).patches[0]
    np.testing.assert_allclose(patches[:, :3], np.broadcast_to(patches[0, 0], (6, 3, DIM)), atol=1e-5)
    np.testing.assert_allclose(patches[:, 3:], np.broadcast_to(patches[0, 5], (6, 3, DIM)), atol=1e-5)
    assert float(patches[0, 0] @ patches[0, 5]) < 0.999


def test_one_pass_embeds_whole_pictures_too(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = small_encoder()
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)
    guides = rng.standard_normal((5, 4, 4, 3)).astype(np.float32)
    passes: list[int] = []
    encoder._model.visual.register_forward_hook(
        lambda _module, inputs, _output: passes.append(len(inputs[0]))
    )
    together = encoder.encode_images_guided(images, guides)
    assert passes == [5]
    np.testing.assert_allclose(together.embeddings, encoder.encode_images(images), atol=1e-6)
    monkeypatch.setattr("freeda_models.clip.encoder.IMAGE_BATCH", 2)
    apart = encoder.encode_images_guided(images, guides)
    np.testing.assert_allclose(apart.patches, together.patches, atol=1e-5)
    np.testing.assert_allclose(apart.embeddings, together.embeddings, atol=1e-5)


def test_nothing_in_nothing_out() -> None:
    encoder = small_encoder()
    assert isinstance(encoder, GuidedImageEncoder)
    none = encoder.encode_images_guided(np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 4, 5, 3), np.float32))
    assert none.embeddings.shape == (0, DIM)
    assert none.patches.shape == (0, 4, 5, DIM)
    assert encoder.encode_dense(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, 3, 3, DIM)


def test_refusals() -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="one grid of features per picture"):
        small_encoder().encode_images_guided(images, np.zeros((1, 4, 4, 3), np.float32))
    with pytest.raises(InputError, match="one grid of features per picture"):
        small_encoder().encode_images_guided(images, np.zeros((2, 16, 3), np.float32))
    other = small_encoder(layers=[1, 1, 1, 1], width=8)  # a ResNet
    with pytest.raises(UnsupportedModelError, match="no plain vision transformer"):
        other.encode_images_guided(images, np.zeros((2, 4, 4, 3), np.float32))
