"""Make the pictures of pages in docs, as a browser shows them: ``python -m docs.page_images``.

``explanation.png`` is a region of what ``freeda explain`` writes, ``index.png`` the beginning of what
``freeda segment`` writes for several pictures and a file that is none, in the dark; both with the bank of
``examples/small-bank.zip``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
IMAGES = Path(__file__).parent / "images"
CLASSES = "red car,tree,grass,sky,boat,water,cat,mushroom"
PICTURE = "car-and-tree.png"


def freeda(*arguments: str, folder: Path, broken: bool = False) -> None:
    """Run a command as a person does; ``broken`` where one of its pictures is."""
    done = subprocess.run([sys.executable, "-m", "freeda_cli", *arguments], cwd=folder)
    if done.returncode != broken:
        raise SystemExit(f"freeda {' '.join(arguments)} ended with {done.returncode}.")


@contextmanager
def shown(browser: Browser, file: Path, width: int, scheme: Literal["light", "dark"]) -> Iterator[Page]:
    """A page in a window."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(file.as_uri())
    yield page
    context.close()


def save(shot: bytes, name: str, height: int) -> None:
    """The upper part of a picture of the screen."""
    picture = Image.open(BytesIO(shot)).convert("RGB")
    picture.crop((0, 0, picture.width, min(height, picture.height))).save(IMAGES / name, optimize=True)


def make(folder: Path, browser: Browser) -> None:
    """Both pictures, of pages that are written into a folder."""
    for file in EXAMPLES.glob("*.png"):
        shutil.copy(file, folder)
    (folder / "broken.jpg").write_bytes(b"no picture")
    freeda("bank", "import", str(EXAMPLES / "small-bank.zip"), "--bank", "bank", folder=folder)
    freeda("segment", ".", "-c", CLASSES, "--bank", "bank", folder=folder, broken=True)
    freeda("explain", PICTURE, "-c", CLASSES, "--bank", "bank", "--at", "120,420", folder=folder)
    out = folder / "freeda-out"
    with shown(browser, out / f"{Path(PICTURE).stem}.explain.html", 1000, "light") as page:
        save(page.locator("section").first.screenshot(), "explanation.png", 1066)
    with shown(browser, out / "index.html", 1100, "dark") as page:
        save(page.screenshot(full_page=True), "index.png", 1130)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        found = shutil.which("chromium") or playwright.chromium.executable_path
        make(Path(place), playwright.chromium.launch(executable_path=found, args=["--no-sandbox"]))
