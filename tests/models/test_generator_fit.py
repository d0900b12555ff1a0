"""A generator that `models check` calls present can be loaded and draws; what does not fit is named."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freeda_models.presets import GeneratorSettings

sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import pytest
from fuzzing import altered, as_json, commands, survives
from hypothesis import given
from safetensors.numpy import save_file

import freeda_models
from freeda_models.check import ComponentState, check_preset
from freeda_models.diffusion.fit import check_generator_files
from freeda_models.errors import UnsupportedModelError
from freeda_models.loading import load_backbone, load_generator, load_text_image_encoder
from freeda_models.presets import Preset, load_preset
from freeda_models.protocols import GenerationRequest

TINY = Path(freeda_models.__file__).parent / "tiny"
CONFIGS = {
    "generator": (
        "unet/config.json",
        "vae/config.json",
        "text_encoder/config.json",
        "scheduler/scheduler_config.json",
        "model_index.json",
        "tokenizer/tokenizer_config.json",
    ),
    "backbone": ("config.json", "preprocessor_config.json"),
    "clip": ("open_clip_config.json",),
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A preset file whose networks are copies of the tiny ones, at ``copied.parent / role``."""
    for role in ("generator", "backbone", "clip"):
        shutil.copytree(TINY / role, tmp_path / role)
    path = tmp_path / "mine.toml"
    path.write_text(
        f'extends = "tiny"\nname = "mine"\n[generator]\nmodel = "{tmp_path}/generator"\nsteps = 2\n'
        f'[backbone]\nmodel = "{tmp_path}/backbone"\n[clip]\nmodel = "local-dir:{tmp_path}/clip"\n'
    )
    return path


def component(path: Any, role: Any) -> Any:
    return next(one for one in check_preset(str(path)).components if one.role == role)


def change(file: Path, **values: object) -> None:
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | values))


def test_copies_of_the_tiny_networks_are_ready(copied: Path) -> None:
    assert check_preset(str(copied)).ready
    load_generator(load_preset(str(copied)), "cpu")


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("unet/config.json", {"in_channels": 9}, "the UNet reads 9 channels and the VAE's latent has 4"),
        ("unet/config.json", {"out_channels": 8}, "the UNet draws 8 channels and the VAE's latent has 4"),
        (
            "unet/config.json",
            {"cross_attention_dim": 768},
            "length 768, and the text encoders give 128",
        ),
        (
            "unet/config.json",
            {"addition_embed_type": "text_time"},
            "is one of XL, and the preset",
        ),
        ("unet/config.json", {"in_channels": "4"}, "in_channels': expected a valid integer, got '4'"),
        ("unet/config.json", {"block_out_channels": [32, 64]}, "conv_in.weight has shape (64, 4, 3, 3)"),
        ("vae/config.json", {"latent_channels": 16}, "the VAE's latent has 16"),
        ("vae/config.json", {"out_channels": 1}, "pictures have 3 and 1 channels, not 3"),
        (
            "vae/config.json",
            {"block_out_channels": [32] * 8},
            "64 is not a multiple of 128; use 128",
        ),
        ("text_encoder/config.json", {"vocab_size": 700}, "token_embedding.weight has shape (728, 128)"),
        ("text_encoder/config.json", {"hidden_size": None}, "'hidden_size': expected a valid integer"),
        (
            "scheduler/scheduler_config.json",
            {"_class_name": "FlowMatchEulerDiscreteScheduler"},
            "'FlowMatchEulerDiscreteScheduler' is no scheduler of diffusion models that predict noise",
        ),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, "prediction type 'flow' is none of"),
        (
            "scheduler/scheduler_config.json",
            {"num_train_timesteps": 1},
            "it knows 1 steps, and the preset",
        ),
    ],
)
def test_a_generator_that_does_not_fit_is_not_ready(
    copied: Path, file: str, values: dict[str, Any], message: str
) -> None:
    change(copied.parent / "generator" / file, **values)
    found = component(copied, "generator")
    assert found.state is ComponentState.UNFIT
    assert message in found.remedy
    assert str(copied.parent / "generator") in found.remedy
    with pytest.raises(UnsupportedModelError, match="generator"):
        load_generator(load_preset(str(copied)), "cpu")


@pytest.mark.parametrize(
    "file", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"]
)
def test_weights_that_are_broken_or_of_another_model(copied: Path, file: str) -> None:
    path = copied.parent / "generator" / f"{file}.safetensors"
    whole = path.read_bytes()
    for data in (b"", b"x" * 100, whole[:1000], whole[:-1], b"\xff" * 8 + whole[8:]):
        path.write_bytes(data)
        found = component(copied, "generator")
        assert found.state is ComponentState.UNFIT
        assert f"{path} is no whole safetensors file" in found.remedy
    save_file({"other": np.zeros(3, dtype=np.float32)}, path)
    assert "no tensor ends in" in component(copied, "generator").remedy


def test_a_tokenizer_with_more_words_than_the_text_encoder(copied: Path) -> None:
    path = copied.parent / "generator/tokenizer/tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"]["zebra"] = 728
    path.write_text(json.dumps(content))
    assert "has more words (729) than the text encoder (728)" in component(copied, "generator").remedy
    path.write_text("{}")
    assert "holds no vocabulary" in component(copied, "generator").remedy


def test_the_toy_networks_of_every_family_fit(generator_settings: Callable[..., GeneratorSettings]) -> None:
    for kind in ("sd1", "sd2", "sdxl"):
        settings = generator_settings(kind)
        check_generator_files(settings, Path(settings.model))
        other = settings.model_copy(update={"family": "sd" if kind == "sdxl" else "sdxl"})
        with pytest.raises(UnsupportedModelError):
            check_generator_files(other, Path(settings.model))


@pytest.mark.parametrize(
    ("role", "file", "values", "message"),
    [
        ("backbone", "config.json", {"model_type": "vit"}, "is a model of type 'vit'"),
        ("backbone", "config.json", {"model_type": ["vit"]}, "'model_type'"),
        (
            "backbone",
            "config.json",
            {"patch_size": 7},
            "not a multiple of backbone's patch of 7",
        ),
        (
            "backbone",
            "config.json",
            {"patch_size": 0},
            "'patch_size': expected greater",
        ),
        ("backbone", "config.json", {"hidden_size": 99}, "patch embedding is (192, 3, 4, 4)"),
        (
            "backbone",
            "preprocessor_config.json",
            {"image_std": [0, 1, 1]},
            "'image_std.0': expected greater than 0",
        ),
        ("backbone", "preprocessor_config.json", {"image_mean": 3}, "'image_mean'"),
        (
            "clip",
            "open_clip_config.json",
            {"model_cfg": {"embed_dim": 1}},
            "vision_cfg' is missing",
        ),
        ("clip", "open_clip_config.json", {"preprocess_cfg": {"mean": "x"}}, "'preprocess_cfg.mean'"),
    ],
)
def test_other_networks_that_are_broken(
    copied: Path, role: str, file: str, values: dict[str, Any], message: str
) -> None:
    change(copied.parent / role / file, **values)
    found = component(copied, role)
    assert found.state is ComponentState.UNFIT
    assert message in found.remedy
    assert {
        one.role for one in check_preset(str(copied)).components if one.state is ComponentState.UNFIT
    } == {
        role,
        *(["keys"] if role == "clip" else []),
    }


def draw(preset: Preset) -> None:
    load_generator(preset, "cpu").generate([GenerationRequest("a red car", 1, ((2, 9),))])


def encode(preset: Preset) -> None:
    load_backbone(preset, "cpu").encode(np.zeros((1, 64, 64, 3), np.uint8))


def embed(preset: Preset) -> None:
    load_text_image_encoder(preset, "cpu").encode_texts(["a red car"])


USES = {"generator": draw, "backbone": encode, "clip": embed}


@pytest.mark.parametrize(("role", "file"), [(role, file) for role in CONFIGS for file in CONFIGS[role]])
def test_what_is_ready_can_be_used(copied: Path, role: str, file: str) -> None:
    path = copied.parent / role / file
    document = json.loads(path.read_text())
    preset = load_preset(str(copied))

    @commands
    @given(altered(document).map(as_json))
    def check(text: Any) -> None:
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        found = component(copied, role)
        if found.state is ComponentState.PRESENT:
            survives(lambda: USES[role](preset))

    check()
