"""Segments a large picture in a process of its own, and prints how many bytes a pixel that took at most.

Networks are stand-ins: what is measured is all that grows with the picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from segment_fakes import FakeBackbone, FakeBank, FakeClip, small_settings

from freeda_segment.images import read_picture
from freeda_segment.outputs import Result, write_outputs
from freeda_segment.segmenter import Segmenter


def memory(field: str) -> int:
    """A field of this process's status, in bytes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def main(picture: str, folder: str, formats: list[str]) -> None:
    sizes = {"shorter_side": 448, "longest_side": 2048, "window": 448, "stride": 224}
    segmenter = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings(**sizes))
    prototypes = segmenter.prepare("red,green,blue")
    small = np.zeros((500, 500, 3), np.uint8)
    write_outputs(folder, "small", Result(segmenter.segment(small, prototypes)), formats)  # imports
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = memory("VmRSS")
    read = read_picture(picture)
    result = segmenter.segment(read, prototypes)
    write_outputs(folder, "large", Result(result), formats)
    pixels = read.size_hw[0] * read.size_hw[1]
    print((memory("VmHWM") - before) / pixels)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3].split(","))
