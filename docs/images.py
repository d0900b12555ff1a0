"""Make pictures of README and docs from the demo's output: ``make demo && python -m docs.images``.

``segmentation.png`` is the demo's picture and overlay; ``borders.png`` the same picture with and without the
refinement of borders. ``contact-sheet.png`` is what ``freeda bank show boat`` draws with a bank of the first
60 example captions; ``architecture.svg`` was written by hand. Pages are in :mod:`docs.page_images`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

import freeda
from benchmarks.coarse import coarse_superpixels

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "examples" / "car-and-tree.png"
CLASSES = "red car,tree,grass,sky"
BANK = ROOT / "demo-bank"
OVERLAY = ROOT / "demo-out" / "car-and-tree.overlay.png"
IMAGES = Path(__file__).parent / "images"
GAP = 16


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Both on white; the left one is scaled to the right one's width."""
    scaled = left.convert("RGB").resize((right.width, left.height * right.width // left.width))
    sheet = Image.new("RGB", (2 * right.width + GAP, max(scaled.height, right.height)), "white")
    sheet.paste(scaled, (0, 0))
    sheet.paste(right.convert("RGB"), (right.width + GAP, 0))
    return sheet


def borders() -> Iterator[Image.Image]:
    """The overlay by coarse superpixels alone, and as the preset makes it."""
    with freeda.open_segmenter(BANK) as segmenter:
        for each in (segmenter.with_settings(refinement=None, superpixels=coarse_superpixels), segmenter):
            yield each.segment(PICTURE, CLASSES).overlay()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    side_by_side(Image.open(PICTURE), Image.open(OVERLAY)).save(IMAGES / "segmentation.png", optimize=True)
    side_by_side(*borders()).save(IMAGES / "borders.png", optimize=True)
