"""Sharpening by self-attention, compared with a slow and literal version."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from freeda_models.diffusion.files import generator_identity
from freeda_models.diffusion.generator import PIPELINE_OPTIONS, PIPELINES, load_generator, load_pipeline
from freeda_models.diffusion.self_attention import SelfAttentionRecorder, self_attention_layers, sharpen
from freeda_models.errors import UnsupportedModelError
from freeda_models.presets import GeneratorSettings
from freeda_models.protocols import GenerationRequest

CAPTIONS = ("a red car and blue tree on the grass", "fire truck under sky", "a cat")
SPANS = (((6, 9), (19, 23)), ((5, 10),), ((2, 5),))
SIDES = {"sd1": 8, "sd2": 8, "sdxl": 8}
KINDS = tuple(SIDES)


def requests() -> list[GenerationRequest]:
    return [
        GenerationRequest(caption, seed, spans)
        for seed, (caption, spans) in enumerate(zip(CAPTIONS, SPANS, strict=True))
    ]


def literal_places(settings: Any, request: GenerationRequest, side: int) -> np.ndarray:
    """Every self-attention map of that size of the down and up blocks, copied, then their mean."""
    pipeline = getattr(diffusers, PIPELINES[settings.family]).from_pretrained(
        settings.model, use_safetensors=True, **PIPELINE_OPTIONS[settings.family]
    )
    pipeline.set_progress_bar_config(disable=True)
    kept: list[torch.Tensor] = []
    for name, module in pipeline.unet.named_modules():
        if not name.endswith("attn1") or name.startswith("mid_block"):
            continue
        module.set_processor(AttnProcessor())
        plain = module.get_attention_scores

        def scores(
            _self: Any, *args: Any, _plain: Any = plain, _heads: Any = module.heads, **kwargs: Any
        ) -> Any:
            probabilities = _plain(*args, **kwargs)
            if probabilities.shape[1] == side * side:
                kept.append(probabilities[-_heads:].mean(dim=0))
            return probabilities

        module.get_attention_scores = types.MethodType(scores, module)
    pipeline(
        prompt=request.caption,
        height=settings.image_size,
        width=settings.image_size,
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        generator=torch.Generator().manual_seed(request.seed),
        output_type="np",
    )
    return torch.stack(kept).mean(dim=0).numpy()


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("kind", KINDS)
def test_sharpened_maps_are_the_plain_ones_times_literal_self_attention(
    kind: str, guidance: float, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    settings = generator_settings(kind, guidance=guidance)
    side = SIDES[kind]
    sharp = settings.model_copy(update={"sharpen_power": 2, "sharpen_side": side})
    plain = load_generator(settings, "cpu").generate(requests())
    batch = load_generator(sharp, "cpu").generate(requests())
    for request, before, after in zip(requests(), plain, batch, strict=True):
        places = literal_places(settings, request, side)
        np.testing.assert_allclose(places.sum(axis=1), 1, atol=1e-5)
        size = before.attribution_shw.shape[1]
        shrunk = before.attribution_shw.reshape(-1, side, size // side, side, size // side).mean(axis=(2, 4))
        expected = np.stack([(places @ (places @ one.ravel())).reshape(side, side) for one in shrunk])
        enlarged = torch.nn.functional.interpolate(
            torch.from_numpy(expected)[None], (size, size), mode="bicubic"
        )
        np.testing.assert_allclose(after.attribution_shw, enlarged[0].clamp(min=0), atol=1e-5)
        assert np.abs(after.image_hwc.astype(int) - before.image_hwc).max() <= 1
        assert after.attribution_shw.dtype == np.float32


def test_what_is_kept_does_not_grow_with_the_steps(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    sizes = []
    for steps in (2, 5):
        settings = generator_settings("sd2").model_copy(update={"steps": steps})
        pipeline = load_pipeline(settings, "cpu")
        recorder = SelfAttentionRecorder(pipeline.unet, 16, 8)
        with recorder.record(1), torch.inference_mode():
            pipeline("a cat", height=64, width=64, num_inference_steps=steps, output_type="np")
            tensors = [value for value in vars(recorder).values() if isinstance(value, torch.Tensor)]
            sizes.append([tuple(tensor.shape) for tensor in tensors])
            np.testing.assert_allclose(recorder.attention().sum(axis=-1), 1, atol=1e-5)
        with pytest.raises(UnsupportedModelError, match="was not used while drawing"):
            recorder.attention()
    assert sizes[0] == sizes[1] == [(1, 64, 64)]


def test_heads_are_not_held_all_at_once(generator_settings: Callable[..., GeneratorSettings]) -> None:
    class Largest(TorchDispatchMode):
        numbers = 0

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor):
                self.numbers = max(self.numbers, made.numel())
            return made

    recorder = SelfAttentionRecorder(load_pipeline(generator_settings("sd2"), "cpu").unet, 16, 8)
    query, key = torch.randn(2, 4, 6, 64, 5).unbind(0)  # with guidance: twice two pictures, six heads
    with recorder.record(2), Largest() as largest:
        recorder.add(0, query, key, None)
        recorded = recorder.attention()
    expected = (query[2:] @ key[2:].transpose(-1, -2) / 5**0.5).softmax(dim=-1).mean(dim=1)
    np.testing.assert_allclose(recorded, expected, atol=1e-6)
    assert largest.numbers <= 2 * 64 * 64


def test_a_size_that_the_network_lacks_is_refused_with_those_it_has(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    settings = generator_settings("sd1").model_copy(update={"sharpen_power": 1, "sharpen_side": 7})
    with pytest.raises(UnsupportedModelError, match=r"7 x 7 places \(it has 2, 4, 8, 16\); set sharpen_side"):
        load_generator(settings, "cpu")


def test_layers_outside_the_chosen_size_keep_their_processors(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    settings = generator_settings("sd1")
    unet = load_pipeline(settings, "cpu").unet
    before = {name: id(processor) for name, processor in unet.attn_processors.items()}
    chosen = {id(layer) for layer in self_attention_layers(unet, 16)[8].values()}
    SelfAttentionRecorder(unet, 16, 8)
    changed = {name for name, processor in unet.attn_processors.items() if id(processor) != before[name]}
    layers = dict(unet.named_modules())
    assert {id(layers[name.removesuffix(".processor")]) for name in changed} == chosen


def test_only_sharpening_that_is_on_changes_the_identity(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    plain = generator_settings("sd2")
    off = plain.model_copy(update={"sharpen_side": 8})
    on = plain.model_copy(update={"sharpen_power": 2, "sharpen_side": 8})
    assert generator_identity(plain) == generator_identity(off)
    assert generator_identity(plain).preprocessing.endswith(" daam")
    assert generator_identity(on).preprocessing.endswith(" daam sharpened 2 at 8")


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3))
def test_attention_that_stays_where_it_is_changes_nothing_and_a_mean_is_kept(
    seed: int, side: int, count: int, power: int
) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.random((count, side, side), dtype=np.float32)
    places = side * side
    identity = np.eye(places, dtype=np.float32)
    np.testing.assert_allclose(sharpen(maps, identity, power), maps, atol=1e-6)
    rows = rng.random((places, places)).astype(np.float32)
    rows /= rows.sum(axis=1, keepdims=True)
    sharp = sharpen(maps, rows, power)
    assert sharp.shape == maps.shape
    assert (sharp.max(axis=(1, 2)) <= maps.max(axis=(1, 2)) + 1e-5).all()
    assert (sharp.min(axis=(1, 2)) >= maps.min(axis=(1, 2)) - 1e-5).all()
    even = np.full((places, places), 1 / places, dtype=np.float32)
    if power:
        for after, before in zip(sharpen(maps, even, power), maps, strict=True):
            np.testing.assert_allclose(after, before.mean(), atol=1e-5)
