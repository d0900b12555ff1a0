"""Do attribution maps hold up with fewer sampling steps? mIoU in the tiny world for each number.

The same captions are ingested with the same models and seeds, only the sampler takes fewer steps. The
tiny generator was trained as any diffusion model is, and not distilled for few steps as LCM or Turbo
models are; so this says what fewer steps cost a plain model, and nothing of those.

Usage: ``python -m benchmarks.steps [--steps 25 15 8 4 2] [--limit N]``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.offline_rows import PLAIN, changed
from benchmarks.tiny_quality import PRESET, generated_bank, measure_bank
from freeda_models.presets import Preset, load_preset
from freeda_store import Bank


def preset_with(steps: int) -> Preset:
    """The tiny preset with another number of sampling steps, and no refinement of borders."""
    return changed(changed(load_preset(PRESET), PLAIN), {"generator": {"steps": steps}})


def main() -> None:
    """Print a row a number of steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[25, 15, 8, 4, 2])
    parser.add_argument("--limit", type=int, help="only the first so many held-out scenes")
    options = parser.parse_args()
    print("| steps | mIoU | pixel accuracy | prototypes | CLIP agreement >= 0.2 | ingestion |")
    print("|---:|---:|---:|---:|---:|---:|")
    for steps in options.steps:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "bank"
            started = time.perf_counter()
            generated_bank(folder, preset_with(steps))
            seconds = time.perf_counter() - started
            metrics = measure_bank(folder, options.limit)
            with Bank.open(folder) as bank:
                agreements = [info.scores.clip_agreement for info in bank.infos()]
        sound = sum(agreement >= 0.2 for agreement in agreements) / len(agreements)
        print(
            f"| {steps} | {metrics.mean_iou:.3f} | {metrics.pixel_accuracy:.3f} | {len(agreements):,} "
            f"| {sound:.0%} | {seconds:.0f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
