"""Train the tiny latent diffusion model and its own text encoder, on cached latents.

v-prediction (Salimans & Ho 2022) with min-SNR weights (Hang et al. 2023, gamma 5), caption
dropout for classifier-free guidance, EMA weights, and token-level grounding of the cross-attention
(``training/grounding.py``) in the later part of the training.

Usage: ``python -m training.train_diffusion [--steps 3700]`` (resumable)
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.common import Checkpoint, Clock, Ema, Scenes, cosine_rate, fast_cpu, set_rate
from training.grounding import CrossAttentionTap, grounding_loss, noun_tokens
from training.paths import SCENES_DIR
from training.tokenizer import CONTEXT_LENGTH, TOKENIZER_DIR

BATCH_SIZE = 32
CAPTION_DROPOUT = 0.1
MIN_SNR_GAMMA = 5.0
GROUNDING_FROM_STEP = 2200
GROUNDING_WEIGHT = 0.03
SINGLES_SHARE = 0.75
"""Share of batches with at most one object a scene: two objects are the hardest to draw."""


def new_unet() -> UNet2DConditionModel:
    """An untrained UNet of the tiny size, with the blocks of Stable Diffusion's."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(64, 128),
        layers_per_block=1,
        cross_attention_dim=128,
        attention_head_dim=2,
        norm_num_groups=16,
    )


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained one-layer CLIP text model: little mixing, so nouns keep their own tokens."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=CONTEXT_LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_scheduler() -> DDPMScheduler:
    """Stable Diffusion's noise schedule, with v-prediction."""
    return DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction"
    )


def train(steps: int) -> None:
    """Train up to ``steps``, saving every 200."""
    scenes = Scenes.load()
    captions = scenes.captions
    latents = np.load(SCENES_DIR / "latents.npy", mmap_mode="r")
    scale = json.loads((SCENES_DIR / "latents.json").read_text())["scaling_factor"]
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER_DIR)
    encode = {"padding": "max_length", "max_length": CONTEXT_LENGTH, "return_tensors": "pt"}
    tokens = tokenizer([*captions, ""], truncation=True, **encode).input_ids
    nouns = noun_tokens([*captions, ""], tokenizer)
    empty = len(captions)
    is_pair = np.array([" and " in caption for caption in captions])
    singles, pairs = np.flatnonzero(~is_pair), np.flatnonzero(is_pair)

    unet, text = new_unet(), new_text_encoder(tokenizer)
    tap = CrossAttentionTap(unet)
    pair, twin = (
        torch.nn.ModuleList([unet, text]),
        torch.nn.ModuleList([new_unet(), new_text_encoder(tokenizer)]),
    )
    ema = Ema(pair, twin, decay=0.998)
    scheduler = new_scheduler()
    signal = scheduler.alphas_cumprod
    snr = signal / (1 - signal)
    weights = snr.clamp(max=MIN_SNR_GAMMA) / (snr + 1)
    optimizer = torch.optim.AdamW(pair.parameters(), lr=1e-3, weight_decay=0.01, betas=(0.9, 0.99))
    checkpoint = Checkpoint("diffusion")
    modules = {"live": pair, "ema": twin}
    start = checkpoint.resume(modules, optimizer)
    clock = Clock("diffusion", steps)
    for step in range(start, steps):
        set_rate(optimizer, cosine_rate(step, steps, 1.2e-3, warmup=200))
        rng = np.random.default_rng([4, step])
        generator = torch.Generator().manual_seed(step)
        pool = singles if rng.random() < SINGLES_SHARE else pairs
        index = np.sort(rng.choice(pool, BATCH_SIZE, replace=False))
        clean = torch.from_numpy(np.asarray(latents[index], dtype=np.float32)) * scale
        caption_index = np.where(rng.random(BATCH_SIZE) < CAPTION_DROPOUT, empty, index)
        noise = torch.randn(clean.shape, generator=generator)
        times = torch.randint(0, 1000, (BATCH_SIZE,), generator=generator)
        noisy = scheduler.add_noise(clean, noise, times)
        target = scheduler.get_velocity(clean, noise, times)
        tap.maps.clear()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            context = text(tokens[caption_index]).last_hidden_state
            output = unet(noisy, times, encoder_hidden_states=context, return_dict=False)[0]
        error = (output.float() - target).square().mean(dim=(1, 2, 3))
        loss = (weights[times] * error).mean() / weights.mean()
        if step >= GROUNDING_FROM_STEP:
            found = [nouns[caption] for caption in caption_index]
            loss = loss + GROUNDING_WEIGHT * grounding_loss(tap.maps, scenes.labels[index], found)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
        optimizer.step()
        ema.update(step)
        clock.tick(step + 1, loss.item())
        if (step + 1) % 200 == 0 or step + 1 == steps:
            checkpoint.save(step + 1, modules, optimizer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3700)
    with fast_cpu():
        train(parser.parse_args().steps)
