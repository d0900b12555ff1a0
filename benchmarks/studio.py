"""How long a person waits for the studio: ``python -m benchmarks.studio [--bank DIR]``.

Prints the time from a click until the panel that says why is there, through HTTP alone and through a browser;
from a retirement until every picture that was opened has its new labels, and the processor time for that; and
what the server has in memory while 200 pictures pass through it. Pictures are those of ``examples/``, turned
and cut; the bank is that of ``examples/small-bank.zip`` unless another is named, and is changed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.studio_server import EXAMPLES, Served, served

CLASSES = ("red car", "tree", "grass", "sky", "boat", "water")
CLICKS = 60
OPENED = (1, 4, 8)
ROUNDS = 5
FED = 200
MEMORY_MB = 64

CLICK = """([across, down]) => new Promise((resolve) => {
  const canvas = document.getElementById("canvas"), body = document.getElementById("why-body");
  const box = canvas.getBoundingClientRect();
  const start = performance.now();
  const seen = new MutationObserver(() => {
    if (!body.querySelector(".label")) return;
    seen.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)));
  });
  seen.observe(body, { childList: true });
  canvas.dispatchEvent(new MouseEvent("click", {
    bubbles: true, clientX: box.left + across * box.width, clientY: box.top + down * box.height }));
})"""
CORRECT = """(pictures) => new Promise((resolve) => {
  const start = performance.now();
  let written = 0, left = pictures;
  const revision = document.querySelector("[data-shows=revision]");
  new MutationObserver(() => { written = written || performance.now() - start; })
    .observe(revision, { childList: true, characterData: true, subtree: true });
  const seen = new MutationObserver((changes) => {
    const added = changes.flatMap((each) => [...each.addedNodes]);
    left -= added.filter((each) => each.nodeName === "CANVAS").length;
    if (left > 0) return;
    seen.disconnect();
    requestAnimationFrame(() => resolve([written, performance.now() - start - written]));
  });
  seen.observe(document.getElementById("shelf"), { childList: true, subtree: true });
  document.querySelector("#why-body [data-retire]").click();
})"""


def variations(most: int) -> Iterator[bytes]:
    """Pictures that are all different, of 400 to 512 pixels a side, as PNG."""
    chance = random.Random(3)
    sources = [Image.open(path).convert("RGB") for path in sorted(EXAMPLES.glob("*.png"))]
    for number in range(most):
        source = sources[number % len(sources)]
        side = chance.randint(400, min(source.size))
        left, top = (chance.randint(0, full - side) for full in source.size)
        cut = source.crop((left, top, left + side, top + side))
        if chance.random() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        buffer = BytesIO()
        cut.save(buffer, "PNG", compress_level=1)
        yield buffer.getvalue()


def through_http(server: Served, pictures: Sequence[str]) -> list[float]:
    """Milliseconds from asking for panels until they are there."""
    chance = random.Random(4)
    times = []
    with server.program() as program:
        for picture in pictures:
            program.post(f"/api/v1/pictures/{picture}/segmentation", json={"classes": CLASSES})
        for number in range(CLICKS):
            asked = {"classes": CLASSES, "x": chance.randrange(400), "y": chance.randrange(400)}
            start = time.perf_counter()
            answer = program.post(f"/pictures/{pictures[number % len(pictures)]}/why", json=asked)
            times.append(1000 * (time.perf_counter() - start))
            answer.raise_for_status()
    return times


def labelled_again(server: Served, pictures: Sequence[str]) -> list[float]:
    """Milliseconds of processor time for new labels of all these pictures, after retirements."""
    times = []
    with server.program() as program:
        for _ in range(ROUNDS):
            first = f"/api/v1/pictures/{pictures[0]}/explanation"
            said = program.post(first, json={"classes": CLASSES, "x": 200, "y": 300}).json()
            retired = said["regions"][0]["best"]["prototypes"][0]["id"]
            program.post("/api/v1/retire", json={"ids": [retired]}).raise_for_status()
            start = server.processor_ms
            for picture in pictures:
                for what in ("segmentation", "labels"):
                    address = f"/api/v1/pictures/{picture}/{what}"
                    program.post(address, json={"classes": CLASSES}).raise_for_status()
            times.append(server.processor_ms - start)
    return times


def opened(browser: Browser, server: Served, pictures: Sequence[str]) -> Page:
    """The page, after each of these pictures was opened."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    query = urlencode([("c", name) for name in CLASSES] + [("p", pictures[0])])
    page.goto(f"{server.address}&{query}")
    for picture in pictures:
        item = page.locator(f"[data-picture='{picture}']")
        item.locator("button.open").click()
        item.locator("canvas").wait_for(state="attached")
    page.locator("#picture:not([aria-busy])").wait_for()
    return page


def through_browser(browser: Browser, server: Served, picture: str) -> list[float]:
    """Milliseconds from clicks until the panel is painted."""
    chance = random.Random(5)
    page = opened(browser, server, [picture])
    page.evaluate(CLICK, [0.5, 0.5])
    times = []
    for _ in range(CLICKS):
        page.locator("#why:not([aria-busy])").wait_for()
        times.append(page.evaluate(CLICK, [chance.random(), chance.random()]))
    page.close()
    return times


def corrections(browser: Browser, server: Served, pictures: Sequence[str]) -> list[tuple[float, float]]:
    """Milliseconds that retiring took, and then new labels of all these pictures."""
    page = opened(browser, server, pictures)
    page.evaluate(CLICK, [0.5, 0.9])
    times = []
    for _ in range(ROUNDS):
        page.locator("#why:not([aria-busy])").wait_for()
        times.append(tuple(page.evaluate(CORRECT, len(pictures))))
        page.locator(".toast button").wait_for()
    page.close()
    return times


def fed(pictures: Sequence[bytes]) -> Iterator[tuple[int, float]]:
    """How many pictures were labelled, and what the server has in memory then, in MB."""
    with served("--memory", MEMORY_MB) as server, server.program() as program:
        for number, content in enumerate(pictures, 1):
            [sent] = program.post("/api/v1/pictures", files={"files": (f"{number}.png", content)}).json()
            address = f"/api/v1/pictures/{sent['picture']['id']}"
            program.post(f"{address}/segmentation", json={"classes": CLASSES}).raise_for_status()
            program.get(f"{address}/view").raise_for_status()
            if number in (1, 25, 50, 100, 150, FED):
                yield number, server.resident_mb


def told(what: str, times: Sequence[float]) -> str:
    """Median and 95th percentile."""
    high = statistics.quantiles(times, n=20)[-1]
    return f"{what:44} median {statistics.median(times):5.0f} ms, 95th percentile {high:5.0f} ms"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, help="a bank to be changed; the small one by default")
    bank = parser.parse_args().bank
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        for number, content in enumerate(variations(max(OPENED))):
            (Path(place) / f"{number}.png").write_bytes(content)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with served(place, bank=bank) as server, server.program() as program:
            pictures = [each["id"] for each in program.get("/api/v1/pictures").json()]
            print(told("click to panel, HTTP alone", through_http(server, pictures)))
            times = labelled_again(server, pictures)
            print(told(f"processor time for {len(pictures)} labelled again", times))
            print(told("click to panel painted, Chromium", through_browser(browser, server, pictures[0])))
            for count in OPENED:
                times = corrections(browser, server, pictures[:count])
                print(told(f"retirement written, {count} pictures open", [one for one, _ in times]))
                print(told(f"then all {count} labelled and painted", [two for _, two in times]))
        browser.close()
    for number, megabytes in fed(list(variations(FED))):
        print(f"{number:4} pictures fed, --memory {MEMORY_MB}: {megabytes:5.0f} MB resident")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
