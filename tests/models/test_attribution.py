"""Attribution compared with a slow and literal DAAM: every probability map kept, then the formula.

The literal version shares nothing with the product: the plain (non-fused) attention processor of
diffusers is used, and its softmax output copied at every step, layer and head.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor

from freeda_models.diffusion.generator import PIPELINE_OPTIONS, PIPELINES, load_generator
from freeda_models.presets import GeneratorSettings
from freeda_models.protocols import GenerationRequest

CAPTIONS = {
    "a red car and blue tree on the grass": ["car", "tree", "grass"],
    "fire truck under sky": ["truck", "sky"],
    "a cat": ["cat"],
}
KINDS = ("sd1", "sd2", "sdxl")


@dataclass
class Witness:
    """Copies of every probability map: ``maps[layer name]`` is a list over steps."""

    maps: dict[str, list[torch.Tensor]] = field(default_factory=dict)

    def watch(self, unet: Any) -> None:
        for name, module in unet.named_modules():
            if not name.endswith("attn2"):
                continue
            module.set_processor(AttnProcessor())
            plain = module.get_attention_scores

            def scores(_self: Any, *args: Any, _plain: Any = plain, _name: Any = name, **kwargs: Any) -> Any:
                probabilities = _plain(*args, **kwargs)
                self.maps.setdefault(_name, []).append(probabilities.clone())
                return probabilities

            module.get_attention_scores = types.MethodType(scores, module)


def word_maps(
    pipeline: Any, caption: str, words: list[str], seed: int, size: int, steps: int, guidance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one caption and give its picture and each word's map (first occurrence, whole word)."""
    witness = Witness()
    witness.watch(pipeline.unet)
    picture = pipeline(
        prompt=caption,
        height=size,
        width=size,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images[0]
    latent = size // pipeline.vae_scale_factor
    per_token = []
    for name, over_steps in witness.maps.items():
        if name.startswith("mid_block"):
            continue
        pixels = over_steps[0].shape[1]
        if latent * latent // pixels == 64:
            continue
        side = int(pixels**0.5)
        heads = dict(pipeline.unet.named_modules())[name].heads
        total = torch.zeros(heads, side * side, over_steps[0].shape[2])
        for probabilities in over_steps:
            conditional = probabilities[-heads:]
            assert len(probabilities) == (2 * heads if guidance > 1 else heads)
            total += conditional
        for head in range(heads):
            image = total[head].T.reshape(1, -1, side, side) / len(over_steps)
            per_token.append(F.interpolate(image, (latent, latent), mode="bicubic").clamp(min=0)[0])
    tokens = torch.stack(per_token).mean(0)
    position = 1
    first: dict[str, list[int]] = {}
    for word in caption.split():
        count = len(pipeline.tokenizer(word, add_special_tokens=False).input_ids)
        first.setdefault(word, list(range(position, position + count)))
        position += count
    found = [tokens[first[word]].mean(0).numpy() for word in words]
    return picture, np.stack(found)


def request(caption: str, words: list[str], seed: int) -> GenerationRequest:
    spans = tuple((caption.index(word), caption.index(word) + len(word)) for word in words)
    return GenerationRequest(caption, seed, spans)


def plain_pipeline(settings: Any) -> Any:
    return getattr(diffusers, PIPELINES[settings.family]).from_pretrained(
        settings.model, use_safetensors=True, **PIPELINE_OPTIONS[settings.family]
    )


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("kind", KINDS)
def test_attribution_equals_a_literal_daam_in_a_batch_and_alone(
    kind: str, guidance: float, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    settings = generator_settings(kind, guidance=guidance)
    generator = load_generator(settings, "cpu")
    requests = [
        request(caption, words, seed) for seed, (caption, words) in enumerate(CAPTIONS.items(), start=3)
    ]
    batch = generator.generate(requests)
    alone = [generator.generate([one])[0] for one in requests]
    for one, drawn, single in zip(requests, batch, alone, strict=True):
        pipeline = plain_pipeline(settings)
        pipeline.set_progress_bar_config(disable=True)
        words = CAPTIONS[one.caption]
        picture, expected = word_maps(pipeline, one.caption, words, one.seed, 64, settings.steps, guidance)
        assert drawn.attribution_shw.shape == (len(words), 16, 16)
        assert np.ptp(expected, axis=(1, 2)).min() > 1e-3, "a flat map would prove nothing"
        np.testing.assert_allclose(drawn.attribution_shw, expected, atol=1e-5)
        np.testing.assert_allclose(single.attribution_shw, expected, atol=1e-5)
        assert np.abs(drawn.image_hwc - (picture * 255).round()).max() <= 1
        assert np.abs(drawn.image_hwc.astype(int) - single.image_hwc).max() <= 1
        assert drawn.inside_window.all()
