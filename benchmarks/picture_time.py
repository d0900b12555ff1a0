"""Where a picture's time goes: networks of the real sizes with random weights, and a random bank."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.synthetic import SIZES, around, fill_bank, unit_rows
from freeda_models.clip.encoder import OpenClipEncoder
from freeda_models.dinov2.backbone import TransformersBackbone
from freeda_models.pixels import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, PixelPreparation
from freeda_models.protocols import ImageArray, ModelIdentity
from freeda_segment import Segmenter, SegmentSettings
from freeda_segment.outputs import Result, write_outputs
from freeda_store import Bank

CLASSES = 150
BANK = 20_000


def random_clip() -> OpenClipEncoder:
    """CLIP ViT-L/14 without its weights."""
    import open_clip

    model = open_clip.create_model("ViT-L-14", precision="fp32").eval()
    identity = ModelIdentity("random clip", "", "", SIZES.text, "")
    pixels = PixelPreparation(224, CLIP_MEAN, CLIP_STD)
    return OpenClipEncoder(model, open_clip.get_tokenizer("ViT-L-14"), pixels, identity, "cpu")


def random_backbone() -> TransformersBackbone:
    """DINOv2 ViT-L/14 at 518 pixels without its weights."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=SIZES.visual, num_hidden_layers=24, num_attention_heads=16, image_size=518, patch_size=14
    )
    identity = ModelIdentity("random backbone", "", "", SIZES.visual, "")
    pixels = PixelPreparation(518, IMAGENET_MEAN, IMAGENET_STD)
    return TransformersBackbone(Dinov2Model(config).eval(), pixels, identity)


def median_seconds(run: Callable[[], object], rounds: int) -> float:
    """Of some rounds."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def print_stages(picture: ImageArray, rounds: int) -> None:
    """Print the seconds of each stage for one 448 x 448 picture: one window."""
    rng = np.random.default_rng(1)
    keys = around(rng, unit_rows(rng, CLASSES, SIZES.text)[rng.integers(0, CLASSES, BANK)])
    classes = [f"class {index}" for index in range(CLASSES)]
    settings = SegmentSettings()
    clip, backbone = random_clip(), random_backbone()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fill_bank(folder / "bank", keys, ["thing"] * BANK, rng)
        with Segmenter(Bank.open(folder / "bank"), clip, backbone, settings=settings) as segmenter:
            prepared = segmenter.prepare(classes)
            encoded = segmenter.encode(picture)
            segmentation = segmenter.label(encoded, prepared)
            queries = clip.encode_texts([f"a photo of a {name}." for name in classes])
            result = Result(segmentation)
            stages = {
                "superpixels": lambda: settings.superpixels(picture),
                "DINOv2 ViT-L/14, 518 px": lambda: backbone.encode(picture[None]),
                "CLIP ViT-L/14, picture": lambda: clip.encode_images(picture[None]),
                "labelling (regions and pixels)": lambda: segmenter.label(encoded, prepared),
                "writing overlay, labels, report": lambda: write_outputs(folder / "out", "picture", result),
                f"retrieval from {BANK:,} (once per class list)": lambda: segmenter.bank.nearest(
                    queries, settings.k
                ),
            }
            seconds = {name: median_seconds(stage, rounds) for name, stage in stages.items()}
    print(f"\n| stage, {CLASSES} classes | seconds |\n|---|---:|")
    for name, took in seconds.items():
        print(f"| {name} | {took:.3f} |")
