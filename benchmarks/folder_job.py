"""How fast a folder is segmented: as one job, and one picture after the other, in one process.

Both write the same files (overlay, label map, report) of photographs' size, made of the bundled scenes, with
the same segmenter, the small bank of the demonstration and four classes; each goes first once.

Usage: ``python -m benchmarks.folder_job [--pictures N] [--side PIXELS]``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from freeda_cli.demo import CLASSES, SMALL_BANK, examples_folder
from freeda_segment import ClassPrototypes, Segmenter, open_segmenter
from freeda_segment.evaluation.datasets import load_scenes
from freeda_segment.jobs import Failed, Task
from freeda_segment.jobs.job import Job
from freeda_segment.outputs import DEFAULT_FORMATS, Result, picture_hash, write_fresh
from freeda_store import import_bank


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--side", type=int, default=1024)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks = make_pictures(folder / "photos", given.pictures, given.side)
        import_bank(examples_folder() / SMALL_BANK, str(folder / "bank"))
        with open_segmenter(str(folder / "bank"), preset="tiny") as segmenter:
            prototypes = segmenter.prepare(CLASSES)
            ways: dict[str, Callable[..., None]] = {"one by one": one_by_one, "as a job": as_a_job}
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            as_a_job(segmenter, prototypes, tasks[:2], folder / "warm")
            for turn in range(2):
                for way in list(ways)[:: -1 if turn else 1]:
                    start = time.perf_counter()
                    ways[way](segmenter, prototypes, tasks, folder / f"{way} {turn}")
                    seconds[way].append(time.perf_counter() - start)
    best = {way: min(each) for way, each in seconds.items()}
    for way, each in best.items():
        print(f"{way:12} {each:6.2f} s, {each / len(tasks):.3f} s a picture")
    print(f"ratio        {best['one by one'] / best['as a job']:.2f}")


def make_pictures(folder: Path, count: int, side: int) -> list[Task]:
    """Scenes as JPEG files of so many pixels a side."""
    folder.mkdir()
    images = load_scenes().images
    tasks = []
    for index in range(count):
        path = folder / f"{index:03}.jpg"
        picture = Image.fromarray(images[index % len(images)])
        picture.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=92)
        tasks.append(Task(path, path.stem))
    return tasks


def one_by_one(segmenter: Segmenter, prototypes: ClassPrototypes, tasks: Sequence[Task], out: Path) -> None:
    """As a loop of a person's own would."""
    for task in tasks:
        result = Result(segmenter.segment(task.path, prototypes), picture_hash(task.path))
        write_fresh(out, task.stem, result, DEFAULT_FORMATS)


def as_a_job(segmenter: Segmenter, prototypes: ClassPrototypes, tasks: Sequence[Task], out: Path) -> None:
    """As ``freeda segment FOLDER`` does."""
    for outcome in Job(segmenter, prototypes, out, DEFAULT_FORMATS).run(tasks):
        if isinstance(outcome, Failed):
            raise outcome.error


if __name__ == "__main__":
    main()
