"""How fast a bank goes into one file and out of it again, and in how much memory.

A bank of random prototypes is made, with vectors of the sizes of the photographs' presets, four
prototypes per picture, and noisy thumbnails of a few kilobytes. Export and import then run in a process
each. The same for a quarter of it: memory that does not grow with the bank has the ratio 1.

Two figures of memory are told. Private memory is what the process itself holds, looked at every 10 ms;
the resident peak also counts pages of the bank's own files, which the engine maps and the system takes
back when others need them. One more process only opens the bank, and one only reads the archive: what
the engine holds of every prototype, its id and the fields that filters use, is then known apart from
what copying holds.

Goals: private memory of export and of reading at most 1.2 times that of a quarter of the bank.

Usage: ``python -m benchmarks.sharing [--prototypes 20000]``
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.synthetic import SIZES, manifest, unit_rows
from freeda_store import Bank, Caption, NewGeneration, NewPrototype, Scores, export_bank, import_bank
from freeda_store.sharing.archive import ArchiveSource

A_PICTURE = 4
BATCH = 256
PICTURE, MAP = 64, 24
GOAL = 1.2


@dataclass(frozen=True)
class Usage:
    """What one process took: seconds of the work alone, and peak bytes."""

    seconds: float
    private: int
    resident: int


def fill(folder: Path, prototypes: int) -> None:
    """A bank of two revisions, the second a quarter of all."""
    rng = np.random.default_rng(0)
    generations = _generations(rng, prototypes // A_PICTURE)
    with Bank.open(folder, create=manifest()) as bank:
        for name, count in (("first", prototypes // A_PICTURE * 3 // 4), ("second", prototypes)):
            with bank.write(name, name) as writer:
                rest = islice(generations, count)
                while batch := list(islice(rest, BATCH)):
                    writer.add(batch)
                writer.commit()


def _generations(rng: np.random.Generator, count: int) -> Iterator[NewGeneration]:
    for number in range(count):
        words = [f"noun{number * A_PICTURE + place}" for place in range(A_PICTURE)]
        caption = Caption(" ".join(words), external_id=str(number), source="random", license="CC0-1.0")
        texts = unit_rows(rng, A_PICTURE, SIZES.text)
        visuals = unit_rows(rng, A_PICTURE, SIZES.visual)
        prototypes = tuple(
            NewPrototype(
                noun=word,
                kind="noun",
                span=(caption.text.index(word), caption.text.index(word) + len(word)),
                text_key=text,
                visual=visual,
                scores=Scores(1.0 + rng.random(), rng.random(), rng.random(), 0.0),
                attribution_hw=rng.integers(0, 256, (MAP, MAP), dtype=np.uint8),
            )
            for word, text, visual in zip(words, texts, visuals, strict=True)
        )
        picture = rng.integers(0, 256, (PICTURE, PICTURE, 3), dtype=np.uint8)
        yield NewGeneration(caption, number, picture, prototypes)


def _open_only(bank: Path, archive: Path) -> None:
    """What every export does first."""
    archive.exists()
    Bank.open(bank).close()


def _read_only(bank: Path, archive: Path) -> None:
    """All that an import does but for the bank."""
    with ArchiveSource(archive) as source:
        for record in source.records():
            for _ in source.parts(record.id):
                pass


WORK: dict[str, Callable[[Path, Path], object]] = {
    "open": _open_only,
    "export": export_bank,
    "read": _read_only,
    "import": lambda bank, archive: import_bank(archive, bank),
}


def child(name: str, bank: Path, archive: Path) -> None:
    """Do one thing and tell what it took, as JSON."""
    done, peak = threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], _memory("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    WORK[name](bank, archive)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    print(json.dumps({"seconds": seconds, "private": peak[0], "resident": _memory("VmHWM")}))


def _memory(name: str) -> int:
    """Bytes that the system counts: ``RssAnon`` is what no file backs, ``VmHWM`` the resident peak."""
    match = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match.group(1)) * 1024


def run(name: str, bank: Path, archive: Path) -> Usage:
    """One of :data:`WORK` in a process of its own; it must succeed."""
    command = [sys.executable, "-m", "benchmarks.sharing", "--child", name, str(bank), str(archive)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Usage(**json.loads(done.stdout))


def measure(folder: Path, prototypes: int) -> dict[str, Usage]:
    """Make a bank of so many prototypes, export it, import it."""
    bank, archive = folder / f"bank-{prototypes}", folder / f"bank-{prototypes}.zip"
    started = time.perf_counter()
    fill(bank, prototypes)
    print(f"{prototypes:,} prototypes made in {time.perf_counter() - started:.0f} s")
    usages = {
        "open": run("open", bank, archive),
        "export": run("export", bank, archive),
        "read": run("read", bank, archive),
        "import": run("import", folder / f"copy-{prototypes}", archive),
    }
    size = archive.stat().st_size
    for name in ("export", "read", "import"):
        usage = usages[name]
        rate = f"{prototypes / usage.seconds:8,.0f} prototypes/s  {size / usage.seconds / 1e6:6.1f} MB/s"
        memory = f"{usage.private / 1e6:.0f} MB private, {usage.resident / 1e6:.0f} MB resident"
        print(f"  {name:6}  {rate}  peak memory {memory}")
    print(f"  open    peak memory {usages['open'].private / 1e6:.0f} MB private; archive {size / 1e6:.0f} MB")
    return usages


def main() -> None:
    """Print throughput, memory and the ratios of memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prototypes", type=int, default=20_000, help="of the larger bank")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        name, bank, archive = options.child
        child(name, Path(bank), Path(archive))
        return
    with tempfile.TemporaryDirectory() as temporary:
        small = measure(Path(temporary), options.prototypes // 4)
        large = measure(Path(temporary), options.prototypes)
    for name, goal in (
        ("export", f" (goal <= {GOAL:.2f})"),
        ("read", f" (goal <= {GOAL:.2f})"),
        ("import", ""),
    ):
        ratio = large[name].private / small[name].private
        print(f"{name}: private memory of all to that of a quarter {ratio:.2f}{goal}")


if __name__ == "__main__":
    main()
