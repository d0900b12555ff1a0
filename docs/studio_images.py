"""Make the pictures of the studio in README and docs: ``make demo && python -m docs.studio_images``.

``freeda serve`` runs over a copy of the demo's bank, and a browser walks over its pages. Each picture has the
size of :data:`WINDOW`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.studio_server import EXAMPLES, ROOT, Served

IMAGES = Path(__file__).parent / "images"
BANK = ROOT / "demo-bank"
WINDOW = (1440, 900)
COLOURS = 256
MOST_BYTES = 200_000
CLASSES = ("car", "tree", "grass", "sky")
WRONG = (0.92, 0.64)
"""A place in the tree that is taken for grass, as shares of the picture's width and height."""


def rest(page: Page) -> None:
    """Wait until the page shows all that it asked for."""
    for place in ("#picture", "#why"):
        page.locator(f"{place}:not([aria-busy])").wait_for()
    page.wait_for_load_state("networkidle")


def click(page: Page, across: float, down: float) -> None:
    """Ask why, and take the pointer away."""
    canvas = page.locator("#canvas")
    box = canvas.bounding_box()
    assert box is not None
    canvas.click(position={"x": across * box["width"], "y": down * box["height"]})
    page.locator("#why-body .label").wait_for()
    rest(page)


def why(page: Page, address: str) -> None:
    """A part of the tree, and what stands behind its wrong label."""
    query = urlencode([("c", name) for name in CLASSES])
    page.goto(f"{address}&{query}")
    for name in ("boat-on-water.png", "cat-and-mushroom.png", "car-and-tree.png"):
        page.locator("#shelf > li", has_text=name).locator("button.open").click()
        page.locator("#shelf > li", has_text=name).locator("canvas").wait_for(state="attached")
    rest(page)
    click(page, *WRONG)


def sheet(page: Page, address: str) -> None:
    """The prototypes of a noun, two of them selected."""
    page.goto(address.replace("/?", "/bank/prototypes?noun=car&"))
    for place in (1, 2):
        page.locator("article.card input[type=checkbox]").nth(place).check()
    page.wait_for_load_state("networkidle")


SHOTS: dict[str, Callable[[Page, str], None]] = {"studio": why, "studio-bank": sheet}
"""Pictures by name, in the order in which they are made: what leads to each."""


def save(shot: bytes, name: str) -> None:
    """Write a picture of the screen, small enough for a README.

    Raises:
        SystemExit: it is not.
    """
    target = IMAGES / f"{name}.png"
    picture = Image.open(BytesIO(shot)).convert("RGB")
    palette = picture.quantize(COLOURS, kmeans=1)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)
    print(f"{target} {picture.width} x {picture.height}, {target.stat().st_size / 1000:.0f} kB")
    if target.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{target} has more than {MOST_BYTES} bytes; use fewer COLOURS or a smaller WINDOW.")


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, default=BANK, help="the bank of `make demo`, which is copied")
    bank = parser.parse_args().bank
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        shutil.copytree(bank, Path(place) / "demo-bank")
        server = Served(
            *sorted(EXAMPLES.glob("*.png")), "--bank", "demo-bank", "--state", "state", folder=Path(place)
        )
        server.start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]}, color_scheme="light")
        for name, walk in SHOTS.items():
            walk(page, server.address)
            save(page.screenshot(animations="disabled"), name)
        browser.close()
        server.kill()


if __name__ == "__main__":
    main()
