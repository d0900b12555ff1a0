"""Cache the VAE's latents of every scene, and its reconstructions of some, for the next trainings.

Usage: ``python -m training.encode``
"""

from __future__ import annotations

import json

import numpy as np
import torch
from safetensors.torch import load_file

from training.common import Scenes, to_tensor
from training.paths import CHECKPOINTS_DIR, SCENES_DIR
from training.train_vae import new_vae

BATCH_SIZE = 64
RECONSTRUCTED = 12_000


@torch.inference_mode()
def encode() -> None:
    """Write ``latents.npy`` (N, 4, 16, 16) float16, unscaled, and ``reconstructed.npy`` uint8."""
    scenes = Scenes.load()
    vae = new_vae().eval()
    vae.load_state_dict(load_file(CHECKPOINTS_DIR / "vae" / "vae.safetensors"))
    latents = np.empty((len(scenes.images), 4, 16, 16), dtype=np.float16)
    reconstructed = np.empty((RECONSTRUCTED, 64, 64, 3), dtype=np.uint8)
    error = []
    for start in range(0, len(latents), BATCH_SIZE):
        pictures = to_tensor(scenes.images[start : start + BATCH_SIZE])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mean = vae.encode(pictures).latent_dist.mean
            latents[start : start + BATCH_SIZE] = mean.float().numpy()
            if start < RECONSTRUCTED:
                output = vae.decode(mean).sample.float().clamp(-1, 1)
                error.append((output - pictures).square().mean().item() / 4)
                stop = min(start + BATCH_SIZE, RECONSTRUCTED)
                rows = ((output[: stop - start] + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
                reconstructed[start:stop] = rows.numpy()
    np.save(SCENES_DIR / "latents.npy", latents)
    np.save(SCENES_DIR / "reconstructed.partial.npy", reconstructed)
    (SCENES_DIR / "reconstructed.partial.npy").rename(SCENES_DIR / "reconstructed.npy")
    facts = {
        "scaling_factor": float(1 / latents[:4096].astype(np.float32).std()),
        "psnr_db": float(-10 * np.log10(np.mean(error))),
    }
    (SCENES_DIR / "latents.json").write_text(json.dumps(facts))
    print(facts)


if __name__ == "__main__":
    encode()
