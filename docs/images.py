"""Make the first picture of the README from the demo's output: ``make demo && python -m docs.images``.

``contact-sheet.png`` is what ``freeda bank show boat`` draws, ``explanation.png`` a browser's view of what
comes of ``freeda explain examples/car-and-tree.png -c "red car,tree,grass,sky" --at 120,420``, both with
a bank of the first 60 example captions; ``architecture.svg`` was written by hand.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "examples" / "car-and-tree.png"
OVERLAY = ROOT / "demo-out" / "car-and-tree.overlay.png"
TARGET = Path(__file__).parent / "images" / "segmentation.png"
GAP = 16


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Both on white; the left one is scaled to the right one's width."""
    scaled = left.convert("RGB").resize((right.width, left.height * right.width // left.width))
    sheet = Image.new("RGB", (2 * right.width + GAP, max(scaled.height, right.height)), "white")
    sheet.paste(scaled, (0, 0))
    sheet.paste(right.convert("RGB"), (right.width + GAP, 0))
    return sheet


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    side_by_side(Image.open(PICTURE), Image.open(OVERLAY)).save(TARGET, optimize=True)
    print(TARGET)
