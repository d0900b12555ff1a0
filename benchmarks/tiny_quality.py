"""mIoU and boundary IoU in the tiny world: prototypes from generated pictures against an oracle bank.

The first bank is what ``freeda ingest examples/captions.jsonl`` makes. The oracle bank pools the
same backbone's features over the exact masks of rendered scenes. Both segment the same held-out
scenes with the same settings, into all classes at once.

Usage: ``python -m benchmarks.tiny_quality [--limit N]``
"""

from __future__ import annotations

import argparse
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np

from freeda_ingest.ingestor import open_ingestor
from freeda_ingest.masks import MAX_CONTRAST
from freeda_ingest.prototypes import pool, token_weights
from freeda_models.loading import load_backbone, load_key_encoder, load_text_image_encoder
from freeda_models.presets import Preset, load_preset
from freeda_models.text.keys import embed_classes, prompts_named
from freeda_segment import open_segmenter
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.evaluate import evaluate_scenes
from freeda_segment.evaluation.metrics import Metrics
from freeda_store import Bank, Manifest
from freeda_store.records import Caption, NewGeneration, NewPrototype, Scores

CAPTIONS = Path(__file__).parent.parent / "examples" / "captions.jsonl"
PRESET = "tiny"


def generated_bank(folder: Path, preset: str | Preset = PRESET) -> Manifest:
    """Ingest the example captions; what is there already is not made again."""
    with open_ingestor(folder, preset) as ingestor:
        ingestor.run(CAPTIONS)
    with Bank.open(folder) as bank:
        return bank.manifest


def oracle_bank(folder: Path, manifest: Manifest) -> None:
    """A bank of prototypes pooled over the exact masks of rendered scenes."""
    preset = load_preset(PRESET)
    backbone = load_backbone(preset, "cpu")
    keys = load_key_encoder(preset, "cpu", load_text_image_encoder(preset, "cpu"))
    scenes = load_scenes(str(resources.files("freeda_models") / "tiny" / "oracle.npz"))
    text_keys = embed_classes(keys, scenes.class_names, prompts_named(manifest.templates))
    features = backbone.encode(scenes.images)
    with Bank.open(folder, create=manifest) as bank:
        writer = bank.write("oracle", run_key="oracle")
        writer.add(
            [_oracle_generation(scenes, number, features[number], text_keys) for number in range(len(scenes))]
        )
        writer.commit()


def _oracle_generation(
    scenes: Scenes, number: int, features_hwd: np.ndarray, text_keys: np.ndarray
) -> NewGeneration:
    labels = scenes.labels[number]
    present = [int(label) for label in np.unique(labels) if np.count_nonzero(labels == label) >= 64]
    masks = np.stack([labels == label for label in present])
    weights = token_weights(masks, features_hwd.shape[:2])
    visuals = pool(features_hwd[None], weights, np.zeros(len(present), dtype=np.intp))
    prototypes = tuple(
        NewPrototype(
            noun=scenes.class_names[label],
            kind="noun",
            span=(0, len(scenes.captions[number])),
            text_key=text_keys[label],
            visual=visuals[row],
            scores=Scores(MAX_CONTRAST, float(masks[row].mean()), 1.0, 0.0),
            attribution_hw=masks[row].astype(np.uint8) * 255,
        )
        for row, label in enumerate(present)
    )
    caption = Caption(scenes.captions[number], external_id=f"oracle-{number}", source="oracle")
    return NewGeneration(caption, 0, scenes.images[number], prototypes)


def measure_bank(folder: Path, limit: int | None = None, **changes: object) -> Metrics:
    """mIoU of a bank on the held-out scenes, with settings of the preset but for ``changes``.

    The list of classes is complete, so every pixel gets one.
    """
    with open_segmenter(folder, device="cpu") as segmenter:
        settings = {"background": None} | changes
        return evaluate_scenes(segmenter.with_settings(**settings), load_scenes(), limit)


def main() -> None:
    """Print both figures, per class, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="only the first so many held-out scenes")
    parser.add_argument("--bank", type=Path, help="folder to keep the two banks in; temporary by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.bank or Path(temporary)
        manifest = generated_bank(folder / "generated")
        if not (folder / "oracle").exists():
            oracle_bank(folder / "oracle", manifest)
        generated = measure_bank(folder / "generated", options.limit)
        oracle = measure_bank(folder / "oracle", options.limit)
    print(f"{'class':<12}{'generated':>10}{'oracle':>10}")
    for name, ours, best in zip(load_scenes().class_names, generated.iou, oracle.iou, strict=True):
        print(f"{name:<12}{ours:>10.3f}{best:>10.3f}")
    print(
        f"{'mIoU':<12}{generated.mean_iou:>10.3f}{oracle.mean_iou:>10.3f}"
        f"   ratio {generated.mean_iou / oracle.mean_iou:.3f}"
    )
    print(f"{'boundary':<12}{generated.mean_boundary_iou:>10.3f}{oracle.mean_boundary_iou:>10.3f}")
    print(f"{'accuracy':<12}{generated.pixel_accuracy:>10.3f}{oracle.pixel_accuracy:>10.3f}")


if __name__ == "__main__":
    main()
