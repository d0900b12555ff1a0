"""Train the tiny CLIP (open_clip's ``CLIP`` class) on rendered scenes.

The pairs are scored with a sigmoid loss (SigLIP, Zhai et al. 2023). The world tells exactly which
texts are true of which pictures, so a text that is true of several pictures of the batch counts
as a match for each of them: "a photo of a car" matches every scene with a car.

Usage: ``python -m training.train_clip [--steps 2000]`` (resumable)
"""

from __future__ import annotations

import argparse

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import CLIPTokenizer

from freeda_ingest.scores import masked_crop
from training.common import Checkpoint, Clock, Scenes, cosine_rate, fast_cpu, set_rate
from training.paths import SCENES_DIR
from training.tokenizer import CONTEXT_LENGTH, TOKENIZER_DIR
from training.train_backbone import MEAN, STD
from training.world import GROUNDS, OBJECTS, SKIES, Scene, sample_scene

BATCH_SIZE = 96
MASKED_SHARE = 0.3
"""Share of pictures reduced to one thing, so that the network can judge masked crops."""
TEMPLATES = (
    "{}", "a {}", "a photo of a {}.", "a photo of the {}.", "a picture of a {}", "itap of a {}.",
    "a good photo of a {}.", "a photo of a small {}.", "a photo of a large {}.",
    "a close-up photo of a {}.", "there is a {} in the scene.",
    "a bad photo of a {}.", "a origami {}.", "a {} in a video game.", "art of the {}.",
)  # fmt: skip
HUE_OFFSET = len(OBJECTS)
HUES = {kind.name: HUE_OFFSET + sum(len(k.hues) for k in OBJECTS[:i]) for i, kind in enumerate(OBJECTS)}
GROUND_OFFSET = HUE_OFFSET + sum(len(kind.hues) for kind in OBJECTS)
SKY_OFFSET = GROUND_OFFSET + len(GROUNDS)
FACTS = SKY_OFFSET + 1 + len(SKIES)


def model_config(vocab_size: int) -> dict[str, object]:
    """open_clip's ``model_cfg`` of the tiny CLIP."""
    return {
        "embed_dim": 128,
        "quick_gelu": False,
        "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 128, "layers": 4, "head_width": 32},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocab_size,
            "width": 128,
            "heads": 4,
            "layers": 2,
            "hf_tokenizer_name": "tiny",
        },
    }


def new_clip(vocab_size: int) -> torch.nn.Module:
    """An untrained CLIP of the tiny size."""
    config = model_config(vocab_size)
    return open_clip.CLIP(**config)


def scene_facts(scene: Scene) -> np.ndarray:
    """What is true of a scene: bool (FACTS,), over kinds, coloured kinds, grounds and skies."""
    facts = np.zeros(FACTS, dtype=bool)
    for placed in scene.objects:
        facts[placed.kind] = True
        if OBJECTS[placed.kind].hues:
            facts[HUES[OBJECTS[placed.kind].name] + placed.hue] = True
    facts[GROUND_OFFSET + scene.ground] = True
    facts[SKY_OFFSET] = True
    facts[SKY_OFFSET + 1 + scene.sky] = True
    return facts


def caption_claims(scene: Scene) -> np.ndarray:
    """What a scene's caption says: bool (FACTS,)."""
    claims = np.zeros(FACTS, dtype=bool)
    for placed in scene.objects:
        claims[placed.kind] = True
        for hue, (colour, _) in enumerate(OBJECTS[placed.kind].hues):
            if f"{colour} {placed.word}" in scene.caption:
                claims[HUES[OBJECTS[placed.kind].name] + hue] = True
    claims[GROUND_OFFSET + scene.ground] = True
    if " under " in scene.caption:
        claims[SKY_OFFSET] = claims[SKY_OFFSET + 1 + scene.sky] = True
    return claims


def short_text(scene: Scene, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A text about one thing of the scene, in a template, with its claims."""
    claims = np.zeros(FACTS, dtype=bool)
    draw = rng.random()
    if scene.objects and draw < 0.7:
        placed = scene.objects[int(rng.integers(len(scene.objects)))]
        kind, phrase = OBJECTS[placed.kind], placed.word
        claims[placed.kind] = True
        if kind.hues and rng.random() < 0.5:
            phrase = f"{kind.hues[placed.hue][0]} {phrase}"
            claims[HUES[kind.name] + placed.hue] = True
    elif draw < 0.9:
        phrase = str(rng.choice(GROUNDS[scene.ground].phrases)).removeprefix("a ").removeprefix("the ")
        claims[GROUND_OFFSET + scene.ground] = True
    else:
        claims[SKY_OFFSET] = True
        phrase = "sky"
        if rng.random() < 0.5:
            phrase = str(rng.choice(SKIES[scene.sky].phrases)).removeprefix("a ").removeprefix("an ")
            claims[SKY_OFFSET + 1 + scene.sky] = True
    return str(rng.choice(TEMPLATES)).format(phrase), claims


def mask_some(
    images: np.ndarray, labels: np.ndarray, facts: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Replace some pictures by one thing of theirs, cut out and cropped as ingestion does to judge it.

    Args:
        images: uint8 (B, 64, 64, 3), changed in place.
        labels: uint8 (B, 64, 64).
        facts: bool (B, FACTS), what is true of each picture.

    Returns:
        The pictures and what is true of them now.
    """
    facts = facts.copy()
    for row in np.flatnonzero(rng.random(len(images)) < MASKED_SHARE):
        label = int(rng.choice(np.unique(labels[row])))
        crop = masked_crop(images[row], labels[row] == label)
        images[row] = np.asarray(Image.fromarray(crop).resize(images.shape[1:3], Image.Resampling.BICUBIC))
        kept = np.zeros(FACTS, dtype=bool)
        if label < len(OBJECTS):
            kept[label] = True
            start = HUES[OBJECTS[label].name]
            hues = slice(start, start + len(OBJECTS[label].hues))
            kept[hues] = facts[row, hues]
        elif label < len(OBJECTS) + len(GROUNDS):
            kept[GROUND_OFFSET + label - len(OBJECTS)] = True
        else:
            kept[SKY_OFFSET:] = facts[row, SKY_OFFSET:]
        facts[row] = kept
    return images, facts


def _scenes(count: int) -> list[Scene]:
    """The descriptions behind the rendered set; the same draws as ``training.render``."""
    rng = np.random.default_rng(1)
    return [sample_scene(rng) for _ in range(count)]


def _pictures(
    scenes: Scenes, index: np.ndarray, facts: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, np.ndarray]:
    images = np.array(scenes.images[index])
    reconstructed = SCENES_DIR / "reconstructed.npy"
    if reconstructed.exists():
        copies = np.load(reconstructed, mmap_mode="r")
        swap = np.flatnonzero((rng.random(len(index)) < 0.4) & (index < len(copies)))
        images[swap] = copies[index[swap]]
    images, facts = mask_some(images, scenes.labels[index], facts, rng)
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    if rng.random() < 0.5:
        pictures = pictures.flip(3)
    pad = int(rng.integers(0, 9))
    top, left = rng.integers(0, 2 * pad + 1, size=2)
    padded = F.pad(pictures, (pad,) * 4, mode="replicate")
    pictures = padded[:, :, top : top + 64, left : left + 64]
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, size=(len(index), 3, 1, 1))).float()
    return ((pictures * gain).clamp(0, 1) - MEAN) / STD, facts


def train(steps: int) -> None:
    """Train up to ``steps``, saving every 200."""
    scenes = Scenes.load()
    described = _scenes(len(scenes.captions))
    if [scene.caption for scene in described] != scenes.captions:
        raise SystemExit("the rendered set was made by another world; render it again")
    facts = np.stack([scene_facts(scene) for scene in described])
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER_DIR)
    model = new_clip(len(tokenizer))
    bias = torch.nn.Parameter(torch.tensor(-6.0))
    optimizer = torch.optim.AdamW([*model.parameters(), bias], lr=1e-3, weight_decay=0.05, betas=(0.9, 0.98))
    holder = torch.nn.ParameterDict({"bias": bias})
    modules = {"clip": model, "bias": holder}
    checkpoint = Checkpoint("clip")
    start = checkpoint.resume(modules, optimizer)
    clock = Clock("clip", steps)
    for step in range(start, steps):
        set_rate(optimizer, cosine_rate(step, steps, 1e-3))
        rng = np.random.default_rng([5, step])
        index = np.sort(rng.choice(len(described), BATCH_SIZE, replace=False))
        shorts = [short_text(described[i], rng) for i in index]
        texts = [described[i].caption for i in index] + [text for text, _ in shorts]
        claims = np.stack([caption_claims(described[i]) for i in index] + [claim for _, claim in shorts])
        pictures, shown = _pictures(scenes, index, facts[index], rng)
        true = ~(claims[None] & ~shown[:, None]).any(-1)
        target = torch.from_numpy(true).float() * 2 - 1
        tokens = tokenizer(
            texts, padding="max_length", truncation=True, max_length=CONTEXT_LENGTH, return_tensors="pt"
        ).input_ids
        with torch.autocast("cpu", dtype=torch.bfloat16):
            image = model.encode_image(pictures)
            text = model.encode_text(tokens)
        cosine = F.normalize(image.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T
        logits = cosine * model.logit_scale.exp() + bias
        losses = -F.logsigmoid(target * logits)
        positive = target > 0
        loss = losses[positive].mean() + losses[~positive].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=3.4)
        clock.tick(step + 1, loss.item())
        if (step + 1) % 200 == 0 or step + 1 == steps:
            checkpoint.save(step + 1, modules, optimizer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    with fast_cpu():
        train(parser.parse_args().steps)
