"""What learning from pictures costs beside the networks themselves.

A folder of JPEGs with label maps, 448 pixels high and wide, each a mosaic of the pack's example scenes, is
learned into an empty bank with the preset tiny; thumbnails are kept. What counts is the share of wall time
in which no network computes (goal at most 10 %), loading left out. Work that hides behind a network is not in
it; the sum of all stages is printed beside it, and processor time, which other programs on the machine
disturb least.

Then the same with networks that only wait, as long as real ones take, at the sizes of sd21 and photos:
``--window-seconds`` for each window of the backbone, ``--crop-seconds`` for each crop that CLIP sees. Their
features have the real size (1024 numbers for each of 32 x 32 patches), so that what is done with them costs
what it costs. With ``--measure`` the times are those of ViT-L/14 with random weights on this processor.

Usage: ``python -m benchmarks.learn_throughput [--pictures 1000] [--marks mask|click] [--measure]``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.ingest_throughput import Watch
from benchmarks.simulated_networks import PacedBackbone, PacedClip, learned_bank
from freeda_learn import Example, Learner, LearnModels, Marks, new_bank
from freeda_models.presets import load_preset
from freeda_models.protocols import DenseBackbone, TextImageEncoder
from freeda_segment import SegmentSettings
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_store import Bank
from training.world import CLASS_NAMES

SIDE = 448
WORLD = len(CLASS_NAMES)


def write_pictures(folder: Path, count: int) -> None:
    """Mosaics of four scenes a row, cut to :data:`SIDE`, as JPEG, with their label maps."""
    scenes = load_scenes(str(resources.files("freeda_models") / "tiny" / "novel_examples.npz"))
    rng = np.random.default_rng(17)
    across = -(-SIDE // scenes.images.shape[1])
    for number in range(count):
        chosen = rng.integers(0, len(scenes), (across, across))
        pixels, labels = _mosaic(scenes, chosen)
        Image.fromarray(pixels).save(folder / f"{number:05}.jpg", quality=90)
        Image.fromarray(labels).save(folder / f"{number:05}.png")


def _mosaic(scenes: Scenes, chosen: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    pixels = np.concatenate([np.concatenate(list(scenes.images[row]), axis=1) for row in chosen])
    labels = np.concatenate([np.concatenate(list(scenes.labels[row]), axis=1) for row in chosen])
    return pixels[:SIDE, :SIDE], labels[:SIDE, :SIDE]


def examples(folder: Path, names: tuple[str, ...], marking: str) -> Iterator[Example]:
    """Of each picture the novel object that covers most of it."""
    for path in sorted(folder.glob("*.jpg")):
        labels = np.asarray(Image.open(path.with_suffix(".png")))
        label = WORLD + int(np.bincount(labels[labels >= WORLD] - WORLD).argmax())
        mask = labels == label
        if marking == "click":
            rows, columns = np.nonzero(mask)
            middle = len(rows) // 2
            yield Example(path, names[label], Marks(at=((int(columns[middle]), int(rows[middle])),)))
        else:
            yield Example(path, names[label], Marks(mask_hw=mask))


def measure(
    title: str,
    bank: Bank,
    backbone: DenseBackbone,
    clip: TextImageEncoder,
    settings: SegmentSettings,
    found: Iterator[Example],
) -> None:
    """Learn, and print where the time went."""
    watch = Watch()
    seen = watch.watched(clip)
    models = LearnModels(watch.watched(backbone), seen, seen)
    processor = time.process_time()
    with Learner(bank, models, settings) as learner:
        report = learner.learn(found)
    processor = time.process_time() - processor
    stages = ", ".join(f"{name} {took:.1f} s" for name, took in report.seconds.items())
    outside = 1 - watch.seconds() / report.total_seconds
    count = sum(report.learned.values())
    pace = f"{report.total_seconds:.1f} s, {count / report.total_seconds:.1f} a second"
    print(f"{title}: {count} pictures in {pace}")
    print(f"  stages               {stages}")
    print(f"  processor time       {processor:.1f} s, {1000 * processor / count:.0f} ms a picture")
    print(f"  outside networks     {outside:.1%} of the time (goal <= 10 %)", flush=True)


def real_pace() -> tuple[float, float]:
    """Seconds of ViT-L/14 of random weights on this processor, for a window and for a crop."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, Dinov2Config, Dinov2Model

    size = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    backbone = Dinov2Model(Dinov2Config(**size, patch_size=14, image_size=SIDE)).eval()
    clip = CLIPVisionModel(CLIPVisionConfig(**size, intermediate_size=4096, patch_size=14)).eval()
    seconds = []
    for network, side in ((backbone, SIDE), (clip, 224)):
        with torch.inference_mode():
            start = time.perf_counter()
            network(torch.zeros(1, 3, side, side))
            seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--marks", choices=["mask", "click"], default="mask")
    parser.add_argument("--window-seconds", type=float, default=0.03)
    parser.add_argument("--crop-seconds", type=float, default=0.008)
    parser.add_argument("--measure", action="store_true", help="the times of ViT-L/14 on this processor")
    parser.add_argument("--only", choices=["tiny", "paced"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        write_pictures(folder, options.pictures)
        names = load_scenes(str(resources.files("freeda_models") / "tiny" / "novel_examples.npz")).class_names
        preset = load_preset("tiny")
        if options.only in (None, "tiny"):
            loaded = LearnModels.load(preset, "cpu")
            new_bank(Path(temporary) / "tiny", preset)
            bank = Bank.open(Path(temporary) / "tiny")
            found = examples(folder, names, options.marks)
            settings = SegmentSettings.of(preset.segment)
            measure("tiny networks", bank, loaded.backbone, loaded.clip, settings, found)
        if options.only in (None, "paced"):
            window, crop = real_pace() if options.measure else (options.window_seconds, options.crop_seconds)
            bank = learned_bank(Path(temporary) / "paced")
            found = examples(folder, names, options.marks)
            settings = SegmentSettings.of(load_preset("sd21").segment)
            title = f"networks of {window:.3f} s a window and {crop:.3f} s a crop"
            measure(title, bank, PacedBackbone(window), PacedClip(crop), settings, found)


if __name__ == "__main__":
    main()
