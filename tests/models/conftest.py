"""Tiny random networks of the real architectures, saved to folders as the hub would hold them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from region_networks import save_region_network

from freeda_models.presets import BackboneSettings, ClipSettings, GeneratorSettings, RegionNetworkSettings

WINDOW = 24
WORDS = (
    "a red car and blue tree on the grass under sky with fire truck two dogs cat near house photo of "
    "an orange banana"
)


def byte_alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


@pytest.fixture(scope="session")
def clip_tokenizer() -> Any:
    """CLIP's byte-level BPE with merges for half of the words, so that others have many tokens."""
    from transformers import CLIPTokenizer

    merges: list[tuple[str, str]] = []
    for word in WORDS.split()[::2]:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            if pair not in merges:
                merges.append(pair)
            pieces[:2] = ["".join(pair)]
    alphabet = byte_alphabet()
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), *("".join(pair) for pair in merges)]
    tokens = list(dict.fromkeys([*tokens, "<|startoftext|>", "<|endoftext|>"]))
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        model_max_length=WINDOW,
        pad_token="<|endoftext|>",
    )


def text_config(tokenizer: Any, projection: int | None = None) -> dict[str, object]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": WINDOW,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "projection_dim": projection or 32,
    }


def unet_options(kind: str) -> dict[str, object]:
    """The traits that tell the UNets of SD 1, SD 2 and SDXL apart, at a toy size."""
    common = {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 8,
    }
    blocks = {
        "down_block_types": ("CrossAttnDownBlock2D",) * 2,
        "up_block_types": ("CrossAttnUpBlock2D",) * 2,
    }
    if kind == "sd1":
        return common | {
            "down_block_types": ("CrossAttnDownBlock2D",) * 4,
            "up_block_types": ("CrossAttnUpBlock2D",) * 4,
            "block_out_channels": (16, 16, 32, 32),
            "cross_attention_dim": 32,
            "attention_head_dim": 2,
        }
    if kind == "sd2":
        return (
            common
            | blocks
            | {
                "block_out_channels": (16, 32),
                "cross_attention_dim": 32,
                "attention_head_dim": (2, 4),
                "use_linear_projection": True,
            }
        )
    return common | {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (16, 32),
        "cross_attention_dim": 64,
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
        "transformer_layers_per_block": (1, 2),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 80,
    }


def _build_generator(kind: str, tokenizer: Any, folder: Path) -> None:
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionPipeline,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    unet = UNet2DConditionModel(**unet_options(kind))
    for name, parameter in unet.named_parameters():
        if "attn2.to_q" in name or "attn2.to_k" in name:
            parameter.data *= 6  # so that the maps are far from uniform
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction" if kind == "sd2" else "epsilon",
    )
    text_encoder = CLIPTextModel(CLIPTextConfig(**text_config(tokenizer)))
    if kind == "sdxl":
        second = CLIPTextModelWithProjection(CLIPTextConfig(**text_config(tokenizer)))
        pipeline = StableDiffusionXLPipeline(
            vae=vae,
            text_encoder=text_encoder,
            text_encoder_2=second,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=unet,
            scheduler=scheduler,
            add_watermarker=False,
        )
    else:
        pipeline = StableDiffusionPipeline(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


@pytest.fixture(scope="session")
def generator_settings(
    clip_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., GeneratorSettings]:
    """Settings of a tiny random generator: ``generator_settings("sd1" | "sd2" | "sdxl", **changes)``."""
    folders: dict[str, Path] = {}

    def settings(kind: str, **changes: object) -> GeneratorSettings:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind)
            _build_generator(kind, clip_tokenizer, folders[kind])
        given = {
            "family": "sdxl" if kind == "sdxl" else "sd",
            "model": str(folders[kind]),
            "image_size": 64,
            "steps": 3,
            "guidance": 5.0,
            "scheduler": "ddim",
        }
        return GeneratorSettings.model_validate(given | changes)

    return settings


@pytest.fixture(scope="session")
def clip_settings(clip_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> ClipSettings:
    """A tiny random CLIP in open_clip's folder layout."""
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    model_config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
        "text_cfg": {
            "context_length": WINDOW,
            "vocab_size": len(clip_tokenizer),
            "width": 32,
            "heads": 2,
            "layers": 2,
            "hf_tokenizer_name": "tiny",
        },
    }
    torch.manual_seed(1)
    model = open_clip.CLIP(**json.loads(json.dumps(model_config)))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    preparation = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    config = {"model_cfg": model_config, "preprocess_cfg": preparation}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    clip_tokenizer.save_pretrained(folder)
    return ClipSettings(model=f"local-dir:{folder}")


BACKBONES = {
    "dinov2": ("Dinov2Config", "Dinov2Model", {}),
    "dinov2_with_registers": (
        "Dinov2WithRegistersConfig",
        "Dinov2WithRegistersModel",
        {"num_register_tokens": 3},
    ),
    "dinov3_vit": ("DINOv3ViTConfig", "DINOv3ViTModel", {"num_register_tokens": 2, "intermediate_size": 48}),
}


@pytest.fixture(scope="session")
def backbone_settings(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., BackboneSettings]:
    """Settings of a tiny random backbone of a type: ``backbone_settings("dinov2", image_size=32)``."""
    import transformers

    folders: dict[str, Path] = {}

    def settings(kind: str, image_size: int = 32) -> BackboneSettings:
        if kind not in folders:
            config, model, extra = BACKBONES[kind]
            torch.manual_seed(2)
            sizes = {
                "hidden_size": 24,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 32,
                "patch_size": 4,
            }
            network = getattr(transformers, model)(getattr(transformers, config)(**sizes | extra))
            folders[kind] = tmp_path_factory.mktemp(kind)
            network.save_pretrained(folders[kind])
        return BackboneSettings(model=str(folders[kind]), image_size=image_size)

    return settings


@pytest.fixture(scope="session")
def region_settings(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RegionNetworkSettings]:
    """Settings of a tiny random network: ``region_settings("sam2" | "sam2_video" | "edgetam" | "eomt")``."""
    folders: dict[str, Path] = {}

    def settings(kind: str) -> RegionNetworkSettings:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind)
            save_region_network(kind, folders[kind])
        return RegionNetworkSettings(model=str(folders[kind]))

    return settings
