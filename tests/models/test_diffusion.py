"""What a generator promises about pictures, seeds, batches, windows and spans."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from rounding import assert_near, assert_same_picture

from freeda_models.diffusion.attribution import AttributionRecorder, cross_attention_layers
from freeda_models.diffusion.files import generator_identity
from freeda_models.diffusion.generator import PIPELINE_OPTIONS, PIPELINES, SCHEDULERS, load_generator
from freeda_models.errors import InputError, ModelMissingError, UnsupportedModelError
from freeda_models.presets import GeneratorSettings
from freeda_models.protocols import GenerationRequest, ImageGenerator

KINDS = ("sd1", "sd2", "sdxl")


def request(caption: str, words: list[str], seed: int) -> GenerationRequest:
    spans = tuple((caption.index(word), caption.index(word) + len(word)) for word in words)
    return GenerationRequest(caption, seed, spans)


def plain_pipeline(settings: Any) -> Any:
    return getattr(diffusers, PIPELINES[settings.family]).from_pretrained(
        settings.model, use_safetensors=True, **PIPELINE_OPTIONS[settings.family]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_listening_does_not_change_the_picture(
    kind: str, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    settings = generator_settings(kind)
    pipeline = plain_pipeline(settings)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        prompt="a red car",
        height=64,
        width=64,
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        generator=torch.Generator().manual_seed(9),
        output_type="np",
    ).images[0]
    generator = load_generator(settings, "cpu")
    heard, deaf = (generator.generate([request("a red car", words, 9)])[0] for words in (["car"], []))
    assert_same_picture(heard.image_hwc, (expected * 255).round().astype(np.uint8))
    assert_same_picture(heard.image_hwc, deaf.image_hwc)
    assert deaf.attribution_shw.shape == (0, 16, 16)
    assert deaf.inside_window.shape == (0,)


def test_self_attention_and_middle_block_keep_the_fast_processor(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    pipeline = plain_pipeline(generator_settings("sd2"))
    AttributionRecorder(pipeline.unet)
    names = {name: type(processor).__name__ for name, processor in pipeline.unet.attn_processors.items()}
    for name, processor in names.items():
        listening = ".attn2." in name and not name.startswith("mid_block")
        assert processor == ("ListeningProcessor" if listening else "AttnProcessor2_0"), name
    assert any(processor == "ListeningProcessor" for processor in names.values())


def test_memory_does_not_grow_with_steps(generator_settings: Callable[..., GeneratorSettings]) -> None:
    pipeline = plain_pipeline(generator_settings("sd2"))
    pipeline.set_progress_bar_config(disable=True)
    recorder = AttributionRecorder(pipeline.unet)
    kept = []
    for steps in (2, 6):
        with recorder.record([[1, 2]], (16, 16)):
            pipeline("a red car", height=64, width=64, num_inference_steps=steps, output_type="np")
            kept.append({layer: sums.shape for layer, sums in recorder._sums.items()})
        assert not recorder._sums, "nothing is held between batches"
    assert kept[0] == kept[1]
    assert len(kept[0]) == len(cross_attention_layers(pipeline.unet))
    assert all(shape[2] == 2 for shape in kept[0].values()), "only the two tokens asked for are kept"


@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_every_scheduler_draws_the_same_picture_for_the_same_seed(
    scheduler: str, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    generator = load_generator(generator_settings("sd2", scheduler=scheduler, guidance=3.0), "cpu")
    one = request("a red car", ["car"], 5)
    first = generator.generate([one])[0]
    again = generator.generate([request("a cat", ["cat"], 77), one])[1]
    other = generator.generate([request("a red car", ["car"], 6)])[0]
    assert_same_picture(again.image_hwc, first.image_hwc)
    assert_near(again.attribution_shw, first.attribution_shw)
    assert np.abs(first.image_hwc.astype(int) - other.image_hwc).max() > 1


def test_spans_beyond_the_window_are_marked_and_zero(
    generator_settings: Callable[..., GeneratorSettings], caplog: pytest.LogCaptureFixture
) -> None:
    generator = load_generator(generator_settings("sd2"), "cpu")
    caption = "a red car " + "and " * 40 + "a tree"
    with caplog.at_level(logging.WARNING):
        drawn = generator.generate([request(caption, ["car", "tree"], 1)])[0]
    assert drawn.inside_window.tolist() == [True, False]
    assert drawn.attribution_shw[0].max() > 0
    assert not drawn.attribution_shw[1].any()
    assert "truncated" not in caplog.text


def test_all_spans_beyond_the_window(generator_settings: Callable[..., GeneratorSettings]) -> None:
    generator = load_generator(generator_settings("sd2"), "cpu")
    drawn = generator.generate([request("and " * 40 + "a tree", ["tree"], 1)])[0]
    assert drawn.inside_window.tolist() == [False]
    assert not drawn.attribution_shw.any()


def test_the_last_token_before_the_end_token_is_inside(
    generator_settings: Callable[..., GeneratorSettings], clip_tokenizer: Any
) -> None:
    generator = load_generator(generator_settings("sd2"), "cpu")
    room = clip_tokenizer.model_max_length - 2
    count = len(clip_tokenizer("and cat", add_special_tokens=False).input_ids)
    width = {word: len(clip_tokenizer(word, add_special_tokens=False).input_ids) for word in ("a", "cat")}
    assert count > 0
    filler = "a " * (room - width["cat"])
    assert width["a"] == 1
    inside = generator.generate([request(f"{filler}cat", ["cat"], 1)])[0]
    outside = generator.generate([request(f"{filler}a cat", ["cat"], 1)])[0]
    assert inside.inside_window.tolist() == [True]
    assert outside.inside_window.tolist() == [False]


def test_the_same_word_twice_has_two_maps(generator_settings: Callable[..., GeneratorSettings]) -> None:
    generator = load_generator(generator_settings("sd2"), "cpu")
    caption = "a car and the car"
    spans = ((2, 5), (14, 17))
    drawn = generator.generate([GenerationRequest(caption, 1, spans)])[0]
    assert [caption[slice(*span)] for span in spans] == ["car", "car"]
    assert np.abs(drawn.attribution_shw[0] - drawn.attribution_shw[1]).max() > 1e-4


def test_a_span_of_two_words_is_the_mean_over_their_tokens(
    generator_settings: Callable[..., GeneratorSettings], clip_tokenizer: Any
) -> None:
    generator = load_generator(generator_settings("sd1"), "cpu")
    caption = "fire truck"
    both, first, second = generator.generate([GenerationRequest(caption, 1, ((0, 10), (0, 4), (5, 10)))])[
        0
    ].attribution_shw
    weights = [len(clip_tokenizer(word, add_special_tokens=False).input_ids) for word in caption.split()]
    expected = (weights[0] * first + weights[1] * second) / sum(weights)
    np.testing.assert_allclose(both, expected, atol=1e-6)


@pytest.mark.parametrize("caption", ["", "\ud800 car", "🚒 <|endoftext|> İ\u0301"])
def test_odd_captions_are_drawn(caption: str, generator_settings: Callable[..., GeneratorSettings]) -> None:
    generator = load_generator(generator_settings("sd2"), "cpu")
    spans = ((0, 1),) if caption else ()
    drawn = generator.generate([GenerationRequest(caption, 1, spans)])[0]
    assert drawn.image_hwc.shape == (64, 64, 3)
    assert drawn.image_hwc.dtype == np.uint8


def test_wrong_spans_and_empty_batches(generator_settings: Callable[..., GeneratorSettings]) -> None:
    generator = load_generator(generator_settings("sd2"), "cpu")
    assert isinstance(generator, ImageGenerator)
    assert generator.generate([]) == []
    with pytest.raises(InputError, match="does not lie"):
        generator.generate([GenerationRequest("a car", 1, ((3, 9),))])


def test_pixels_that_are_not_numbers_spoil_their_picture_alone(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    generator = load_generator(generator_settings("sd2"), "cpu")
    requests = [request("a red car", ["car"], 1), request("a cat", ["cat"], 2)]
    sound = generator.generate(requests)[1]
    decode = generator._pipeline.vae.decode

    def spoilt(latents: Any, *args: Any, **kwargs: Any) -> Any:
        (pictures,) = decode(latents, *args, **kwargs)
        pictures[0, 1, 3, 4] = float("nan")
        return (pictures,)

    generator._pipeline.vae.decode = spoilt
    first, second = generator.generate(requests)
    assert first.flaw == "pixels that are not numbers in torch.float32"
    assert not first.image_hwc.any()
    assert second.flaw == ""
    assert_same_picture(second.image_hwc, sound.image_hwc)


def test_identity_is_known_without_loading_and_tells_settings_apart(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    settings = generator_settings("sd2")
    identity = load_generator(settings, "cpu").identity
    assert identity == generator_identity(settings)
    assert len(identity.sha256) == 64
    assert identity.preprocessing == "64px ddim 3 steps guidance 5 daam"
    assert generator_identity(generator_settings("sd2", steps=4)) != identity
    assert generator_identity(generator_settings("sd1")).sha256 != identity.sha256


def test_a_folder_without_safetensors_is_refused(
    tmp_path: Path, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(ModelMissingError, match=r"unet/diffusion_pytorch_model\.safetensors"):
        load_generator(generator_settings("sd2", model=str(tmp_path)), "cpu")


def test_a_network_without_cross_attention_is_refused() -> None:
    unet = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
        layers_per_block=1,
    )
    with pytest.raises(UnsupportedModelError, match="no cross-attention"):
        AttributionRecorder(unet)


def test_half_precision_files_are_computed_in_full_on_the_cpu(
    generator_settings: Callable[..., GeneratorSettings], tmp_path: Path
) -> None:
    pipeline = plain_pipeline(generator_settings("sd2")).to(torch.float16)
    pipeline.save_pretrained(tmp_path, safe_serialization=True, variant="fp16")
    generator = load_generator(generator_settings("sd2", model=str(tmp_path), variant="fp16"), "cpu")
    parts = generator._pipeline.unet, generator._pipeline.vae, generator._pipeline.text_encoder
    assert [part.dtype for part in parts] == [torch.float32] * 3
    full = load_generator(generator_settings("sd2"), "cpu").generate([request("a red car", ["car"], 1)])[0]
    half = generator.generate([request("a red car", ["car"], 1)])[0]
    np.testing.assert_allclose(half.attribution_shw, full.attribution_shw, atol=0.02)


def test_loading_and_drawing_write_nothing_to_the_terminal(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    settings = generator_settings("sdxl")
    code = (
        "from freeda_models.diffusion.generator import load_generator\n"
        "from freeda_models.presets import GeneratorSettings\n"
        "from freeda_models.protocols import GenerationRequest\n"
        f"settings = GeneratorSettings.model_validate_json({settings.model_dump_json()!r})\n"
        "caption = 'a red car ' + 'and ' * 200\n"
        "load_generator(settings, 'cpu').generate([GenerationRequest(caption, 1, ((6, 9),))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_networks_that_take_turns_on_the_device_draw_the_same(
    kind: str, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    settings = generator_settings(kind)
    requests = [request("a red car", ["car"], 4), request("two dogs", ["dogs"], 5)]
    turns = load_generator(settings.model_copy(update={"offload": "model"}), "cpu")
    together = load_generator(settings, "cpu").generate(requests)
    for _ in range(2):  # the hooks stay in place
        for drawn, expected in zip(turns.generate(requests), together, strict=True):
            assert_same_picture(drawn.image_hwc, expected.image_hwc)
            assert_near(drawn.attribution_shw, expected.attribution_shw)
    assert turns.identity == generator_identity(settings)


def test_plain_processors_that_were_put_in_later_are_listened_through(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    settings = generator_settings("sd2")
    generator = load_generator(settings, "cpu")
    one = request("a red car", ["car"], 5)
    before = generator.generate([one])[0]
    generator._pipeline.unet.set_attn_processor(AttnProcessor())
    after = generator.generate([one])[0]
    np.testing.assert_allclose(after.attribution_shw, before.attribution_shw, atol=1e-4)
    generator._pipeline.fuse_qkv_projections(vae=False)
    fused = generator.generate([one])[0]
    np.testing.assert_allclose(fused.attribution_shw, before.attribution_shw, atol=1e-4)


class Foreign(AttnProcessor):  # type: ignore[misc]
    """Attention that is another's."""


@pytest.mark.parametrize("layers", ["attn2", "attn1"])
def test_foreign_processors_are_named_with_their_layer(
    layers: str, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    sharpening = {"sharpen_power": 1, "sharpen_side": 8} if layers == "attn1" else {}
    generator = load_generator(generator_settings("sd2", **sharpening), "cpu")
    unet = generator._pipeline.unet
    name = next(
        name for name in unet.attn_processors if "up_blocks.0.attentions.0" in name and layers in name
    )
    unet.set_attn_processor(
        {each: Foreign() if each == name else kept for each, kept in unet.attn_processors.items()}
    )
    where = name.removesuffix(".processor")
    with pytest.raises(UnsupportedModelError, match=rf"attention {where} is computed by Foreign.*unload_ip"):
        generator.generate([request("a red car", ["car"], 5)])
    pipeline = plain_pipeline(generator_settings("sd2"))
    pipeline.unet.set_attn_processor(Foreign())
    with pytest.raises(UnsupportedModelError, match="Foreign"):
        AttributionRecorder(pipeline.unet)
    assert {type(each) for each in pipeline.unet.attn_processors.values()} == {Foreign}


def test_another_unet_is_named_as_the_fault(generator_settings: Callable[..., GeneratorSettings]) -> None:
    settings = generator_settings("sd2")
    generator = load_generator(settings, "cpu")
    generator._pipeline.unet = plain_pipeline(settings).unet
    with pytest.raises(UnsupportedModelError, match="another UNet than the generator was made with"):
        generator.generate([request("a red car", ["car"], 5)])
