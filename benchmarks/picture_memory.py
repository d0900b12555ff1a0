"""What reading a picture of 50 megapixels takes in memory, for each format that may hold one.

Each is read in a process of its own; what is printed is the peak above what the process took before.
WebP and AVIF are read up to fewer pixels (see docs/inputs.md), and are tried at those. Writing the HEIC takes
minutes.

Usage: ``python -m benchmarks.picture_memory [FORMAT ...]``
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from freeda_store.files.picture_kinds import reads_heif

SIZE_WH = (8000, 6250)
WEBP_WH, AVIF_WH = (7000, 4000), (7000, 5300)

READ = """
import sys
from pathlib import Path
import PIL.TiffImagePlugin
from freeda_segment.images import read_picture
from freeda_store.files.picture_kinds import reads_heif
reads_heif()
def memory(field):
    (line,) = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(field)]
    return int(line.split()[1]) * 1024
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
read_picture(sys.argv[1])
print(round((memory("VmHWM") - before) / 1e6))
"""


def scene(size_wh: tuple[int, int] = SIZE_WH, mode: str = "RGB") -> Image.Image:
    """A smooth picture of many colours."""
    small = np.random.default_rng(0).integers(0, 256, (125, 160, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size_wh, Image.Resampling.BILINEAR).convert(mode)


def numbers(dtype: type) -> Image.Image:
    """A grey picture of more than 8 bits."""
    return Image.fromarray(np.asarray(scene(mode="L")).astype(dtype) * dtype(2))


WRITERS: Mapping[str, Callable[[Path], None]] = {
    "png": lambda path: scene().save(path, "PNG", compress_level=1),
    "png with alpha": lambda path: scene(mode="RGBA").save(path, "PNG", compress_level=1),
    "png of 16 bits": lambda path: numbers(np.uint16).save(path, "PNG", compress_level=1),
    "jpeg": lambda path: scene().save(path, "JPEG"),
    "progressive jpeg": lambda path: scene().save(path, "JPEG", progressive=True),
    "tiff": lambda path: scene().save(path, "TIFF", compression="tiff_lzw"),
    "tiff of floats": lambda path: numbers(np.float32).save(path, "TIFF"),
    "bmp": lambda path: scene().save(path, "BMP"),
    "gif": lambda path: scene(mode="P").save(path, "GIF"),
    "ppm": lambda path: scene().save(path, "PPM"),
    "webp": lambda path: scene(WEBP_WH).save(path, "WEBP", method=0),
    "avif": lambda path: scene(AVIF_WH).save(path, "AVIF", speed=10),
    "heic": lambda path: scene().save(path, "HEIF", quality=50),
}


def main() -> None:
    """Print the megabytes of each format."""
    reads_heif()
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or WRITERS:
            path = Path(folder) / "picture"
            WRITERS[name](path)
            done = subprocess.run(
                [sys.executable, "-c", READ, str(path)], check=True, capture_output=True, text=True
            )
            print(f"{name:18} {int(done.stdout):5} MB", flush=True)


if __name__ == "__main__":
    main()
