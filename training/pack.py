"""Pack the trained networks into ``freeda_models/tiny`` as float16 safetensors, with rendered scenes.

The pack holds: ``clip`` (open_clip local-dir folder), ``backbone`` (transformers folder),
``generator`` (diffusers StableDiffusionPipeline folder), ``held_out.npz`` (rendered scenes that no
training saw, 128 x 128), ``oracle.npz`` (others, 64 x 64, whose exact masks make the oracle bank), and the
scenes of ``novel_scenes.py``.

Usage: ``python -m training.pack``
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from training import novel_scenes
from training.paths import CHECKPOINTS_DIR, PACK_DIR, SCENES_DIR, SPRITES_DIR
from training.render import TRAINING_SIZE
from training.tokenizer import TOKENIZER_DIR
from training.train_backbone import MEAN, STD, new_backbone
from training.train_clip import model_config, new_clip
from training.train_diffusion import new_scheduler, new_text_encoder, new_unet
from training.train_vae import new_vae
from training.world import CLASS_NAMES, Renderer, sample_scene

HELD_OUT_SEED, HELD_OUT_COUNT, HELD_OUT_SIZE = 1001, 120, 128
ORACLE_SEED, ORACLE_COUNT = 1002, 160

BACKBONES = tuple(CHECKPOINTS_DIR / name / "backbone.safetensors" for name in ("backbone-named", "backbone"))
"""The backbone's weights at the end of each of its two stages."""
TAUGHT_SHARE = 0.75
"""Share of the second stage; of 0, 0.6, 0.75, 0.88 and 1 chosen by ``few_shot`` on the trial objects."""


def _half(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in weights.items()
    }


def blended(named: dict[str, torch.Tensor], taught: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights between those of the backbone's two stages (WiSE-FT, Wortsman et al., CVPR 2022, eq. 1)."""
    return {name: torch.lerp(weight, taught[name], TAUGHT_SHARE) for name, weight in named.items()}


def pack_generator(folder: Path) -> None:
    """Write the diffusion pipeline with the averaged weights."""
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER_DIR)
    pair = torch.nn.ModuleList([new_unet(), new_text_encoder(tokenizer)])
    pair.load_state_dict(load_file(CHECKPOINTS_DIR / "diffusion" / "ema.safetensors"))
    vae = new_vae()
    vae.load_state_dict(load_file(CHECKPOINTS_DIR / "vae" / "vae.safetensors"))
    vae.register_to_config(
        scaling_factor=json.loads((SCENES_DIR / "latents.json").read_text())["scaling_factor"]
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=pair[1],
        tokenizer=tokenizer,
        unet=pair[0],
        scheduler=DDIMScheduler.from_config(
            new_scheduler().config, clip_sample=False, set_alpha_to_one=False, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)


def pack_backbone(folder: Path) -> None:
    """Write the dense backbone with its preprocessing."""
    backbone = new_backbone()
    backbone.load_state_dict(blended(*(load_file(each) for each in BACKBONES)))
    backbone.half().save_pretrained(folder, safe_serialization=True)
    preprocessing = {
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
        "image_processor_type": "BitImageProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n")


def pack_clip(folder: Path) -> None:
    """Write the CLIP as a folder that open_clip's ``local-dir:`` loads."""
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    clip = new_clip(len(tokenizer))
    clip.load_state_dict(load_file(CHECKPOINTS_DIR / "clip" / "clip.safetensors"))
    save_file(_half(clip.state_dict()), folder / "open_clip_model.safetensors")
    config = {
        "model_cfg": model_config(len(tokenizer)),
        "preprocess_cfg": {
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer.save_pretrained(folder)


def pack_scenes(path: Path, seed: int, count: int, size: int) -> None:
    """Render scenes that training never saw into one npz: images, labels, class names, captions."""
    rng = np.random.default_rng(seed)
    renderer = Renderer(SPRITES_DIR)
    scenes = [sample_scene(rng) for _ in range(count)]
    rendered = [renderer.render(scene, size) for scene in scenes]
    np.savez_compressed(
        path,
        images=np.stack([picture.image_hwc for picture in rendered]),
        labels=np.stack([picture.labels_hw for picture in rendered]),
        class_names=np.array(CLASS_NAMES),
        captions=np.array([scene.caption for scene in scenes]),
    )


def pack() -> None:
    """Replace every network and scene set of the pack; the model card is kept."""
    for name, write in (("generator", pack_generator), ("backbone", pack_backbone), ("clip", pack_clip)):
        shutil.rmtree(PACK_DIR / name, ignore_errors=True)
        write(PACK_DIR / name)
    pack_scenes(PACK_DIR / "held_out.npz", HELD_OUT_SEED, HELD_OUT_COUNT, HELD_OUT_SIZE)
    pack_scenes(PACK_DIR / "oracle.npz", ORACLE_SEED, ORACLE_COUNT, TRAINING_SIZE)
    novel_scenes.main()
    size = sum(entry.stat().st_size for entry in PACK_DIR.rglob("*") if entry.is_file())
    print(f"{PACK_DIR}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    pack()
