"""What the offline stage costs beside the networks themselves.

Four figures, each with its goal:

- capture: time of drawing with attribution over plain sampling of the same pipeline, same captions,
  steps and seeds (at most 10 % more). On a CPU it is processor time, which other programs on the
  machine disturb least; both sides take turns, and the median of the rounds' ratios counts.
- outside: share of an ingestion's wall time in which no network computes (at most 5 %), loading left
  out. Work that hides behind a network is not in it; the sum of all stages is printed beside it.
- prototypes per second, of the same ingestion.
- memory: peak resident memory of a process that ingests 10,000 captions with simulated networks,
  over its peak after 2,000 (near 1). Anonymous memory leaves out the bank's files, which the kernel
  maps and may drop.

Usage: ``python -m benchmarks.ingest_throughput [--preset tiny] [--device cpu] [--captions 96] [--rounds 7]``
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.simulated_networks import simulated_bank, simulated_executor
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor
from freeda_ingest.manifests import make_manifest, stage_settings
from freeda_ingest.models import LoadedModels, PresetModels
from freeda_models.diffusion.generator import SCHEDULERS, DiffusionGenerator, load_pipeline
from freeda_models.loading import identify, load_noun_extractor, resolve_device
from freeda_models.presets import Preset, load_preset
from freeda_models.protocols import GenerationRequest
from freeda_store import Bank, Caption

THINGS = ("car", "bus", "boat", "tree", "house", "cat", "dog", "train", "duck", "penguin")
PLACES = ("on the grass", "on a road", "beside a lake", "in the snow", "under a blue sky")
MANY, FEW = 10_000, 2_000


def captions(count: int) -> Iterator[Caption]:
    """Different captions of two things in a place."""
    for index in range(count):
        one, two = THINGS[index % len(THINGS)], THINGS[(index * 3 + 1) % len(THINGS)]
        yield Caption(f"a {one} and a {two} {PLACES[index % len(PLACES)]}", str(index), "benchmark")


# capture


def capture_overhead(preset: Preset, device: str, rounds: int) -> float:
    """Median over rounds of drawing with attribution over plain sampling, less 1."""
    import diffusers
    import torch

    settings = preset.generator
    plain = load_pipeline(settings, device)
    scheduler, options = SCHEDULERS[settings.scheduler]
    plain.scheduler = getattr(diffusers, scheduler).from_config(plain.scheduler.config, **options)
    plain.set_progress_bar_config(disable=True)
    generator = DiffusionGenerator(load_pipeline(settings, device), settings, identify(preset).generator)
    texts = [caption.text for caption in captions(settings.batch_size)]
    found = load_noun_extractor(preset).extract(texts)
    requests = [
        GenerationRequest(text, seed, tuple(dict.fromkeys(noun.span for noun in nouns)))
        for seed, (text, nouns) in enumerate(zip(texts, found, strict=True))
    ]

    def sample() -> None:
        with torch.inference_mode():
            plain(
                prompt=texts,
                height=settings.image_size,
                width=settings.image_size,
                num_inference_steps=settings.steps,
                guidance_scale=settings.guidance,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in range(len(texts))],
                output_type="np",
            )

    ratios = []
    for turn in range(rounds + 1):
        with_maps = _timed(lambda: generator.generate(requests), device)
        without = _timed(sample, device)
        if turn:  # the first round warms up
            ratios.append(with_maps / without)
    return statistics.median(ratios) - 1


def _timed(work: Callable[[], object], device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    work()
    return clock() - start


# outside the networks


class Watch:
    """When any network computed, over all threads."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []

    def watched(self, network: Any) -> Any:
        """The network, its calls taken note of."""
        watch = self

        class Watched:
            def __getattr__(self, name: str) -> Any:
                attribute = getattr(network, name)
                return watch._noting(attribute) if callable(attribute) else attribute

        return Watched()

    def _noting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **options)
            finally:
                self._spans.append((start, time.perf_counter()))

        return noted

    def seconds(self) -> float:
        """Wall time in which at least one network computed."""
        total, reached = 0.0, 0.0
        for start, stop in sorted(self._spans):
            total += max(0.0, stop - max(start, reached))
            reached = max(reached, stop)
        return total


def ingestion(preset: Preset, device: str, count: int) -> None:
    """Ingest captions with a preset's models, and print where the time went."""
    loaded = PresetModels(preset, device)
    loaded.load_all()
    watch = Watch()
    clip = watch.watched(loaded.clip)
    models = LoadedModels(
        nouns=watch.watched(loaded.nouns),
        generator=watch.watched(loaded.generator),
        backbone=watch.watched(loaded.backbone),
        clip=clip,
        keys=clip if loaded.keys is loaded.clip else watch.watched(loaded.keys),
        device=device,
    )
    settings = stage_settings(preset)
    manifest = make_manifest(preset.name, identify(preset), settings)
    with tempfile.TemporaryDirectory() as folder:
        bank = Bank.open(Path(folder) / "bank", create=manifest)
        executor = LocalExecutor(models, settings)
        with Ingestor(bank, executor, batch_size=preset.generator.batch_size) as ingestor:
            report = ingestor.run(list(captions(count)))
    stages = ", ".join(f"{name} {took:.2f} s" for name, took in report.seconds.items())
    outside = 1 - watch.seconds() / report.total_seconds
    print(f"ingestion            {report.written} captions in {report.total_seconds:.2f} s ({stages})")
    print(f"outside networks     {outside:.1%} of the time (goal <= 5 %)")
    print(f"prototypes per second {report.prototypes / report.total_seconds:.1f}")


# memory


def memory_child(folder: str) -> None:
    """Ingest many captions with simulated networks; print peaks in KiB when few are done and at the end."""
    peaks: list[tuple[int, int]] = []
    anonymous = 0

    def look(progress: Any) -> None:
        nonlocal anonymous
        status = _memory()
        anonymous = max(anonymous, status["RssAnon"])
        if not peaks and progress.captions_done >= FEW:
            peaks.append((status["VmHWM"], anonymous))

    with Ingestor(simulated_bank(Path(folder)), simulated_executor(), batch_size=16) as ingestor:
        report = ingestor.run(list(captions(MANY)), progress=look)
    assert report.written == MANY
    peaks.append((_memory()["VmHWM"], max(anonymous, _memory()["RssAnon"])))
    print(*(figure for peak in peaks for figure in peak), report.total_seconds)


def _memory() -> dict[str, int]:
    """The process's memory in KiB, as the kernel counts it (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    rows = (line.split() for line in lines if line.startswith(("VmHWM", "RssAnon")))
    return {name.rstrip(":"): int(amount) for name, amount, _ in rows}


def memory() -> None:
    """Run the child, and print its peaks."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.ingest_throughput", "--memory-child", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    *peaks, seconds = done.stdout.split()
    few, few_anonymous, many, many_anonymous = (int(peak) / 1024 for peak in peaks)
    print(f"peak memory          {few:.0f} MiB at {FEW:,} captions, {many:.0f} MiB at {MANY:,}", end="")
    print(f" (ratio {many / few:.2f}, goal near 1), simulated networks, {float(seconds):.0f} s")
    print(f"  of it anonymous    {few_anonymous:.0f} MiB and {many_anonymous:.0f} MiB", end="")
    print(f" (ratio {many_anonymous / few_anonymous:.2f})")


def main() -> None:
    """Print the four figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--captions", type=int, default=96, help="captions of the ingestion")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the capture figure")
    parser.add_argument("--memory-child", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=["capture", "ingestion", "memory"])
    options = parser.parse_args()
    if options.memory_child:
        memory_child(options.memory_child)
        return
    preset, device = load_preset(options.preset), resolve_device(options.device)
    if options.only in (None, "capture"):
        overhead = capture_overhead(preset, device, options.rounds)
        print(f"capture overhead     {overhead:+.1%} over plain sampling (goal <= 10 %)")
    if options.only in (None, "ingestion"):
        ingestion(preset, device, options.captions)
    if options.only in (None, "memory"):
        memory()


if __name__ == "__main__":
    main()
