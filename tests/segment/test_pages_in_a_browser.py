"""Pages in files as a browser shows them.

Nothing comes from elsewhere, axe-core objects to nothing, and the script tells pixels and copies commands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))

from browsing import chromium, overflow, violations
from playwright.sync_api import Browser, Page
from segment_fakes import FakeBackbone, FakeBank, FakeClip, small_settings, striped_picture

from freeda_segment import Segmenter
from freeda_segment.images import Picture
from freeda_segment.outputs import Index, IndexEntry, NotSegmented, Result, explanation_page_of, write_fresh
from freeda_segment.outputs.commands import Commands
from freeda_segment.outputs.explanation_page import ExplanationPage
from freeda_segment.outputs.index import write_index
from freeda_segment.outputs.report import report
from freeda_segment.outputs.told import Told

WIDTH, HEIGHT = 40, 160
"""Of the picture: its overlay has margins, for its legend is wider."""
COMMANDS = Commands(
    ("freeda", "explain", "it's.png", "--bank", "b"), ("freeda", "learn", "it's.png"), ("freeda", "roll")
)


class Grey:
    def thumbnail(self, key: str, /) -> Image.Image:
        return Image.new("RGB", (8, 8), (90, 120, 90))


@dataclass(frozen=True)
class Folder:
    index: str
    explanation: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    place = tmp_path_factory.mktemp("out")
    segmenter = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings())
    pixels = striped_picture(["red", "blue"], HEIGHT, WIDTH)
    made = segmenter.segment(
        Picture(pixels, (HEIGHT, WIDTH), "it's.png"), "red,blue,yellow", keep_evidence=True
    )
    files = write_fresh(place, "it's", Result(made), ["overlay", "preview"])
    told = Told.model_validate(report(Result(made)))
    entry = IndexEntry(told, files, explanation_page_of(place, "it's"), commands=COMMANDS)
    failed = [NotSegmented("broken.png", "broken.png is no picture.")]
    index = write_index(place, Index([entry], failed, "3 text files"))
    explanations = [made.explain_at(x, 5) for x in (5, 35)]
    places = [(5, 5), (35, 5)]
    ExplanationPage(made, explanations, places, Grey(), commands=COMMANDS).write(entry.explanation)
    return Folder(index.as_uri(), entry.explanation.as_uri())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.add_init_script("navigator.clipboard.writeText = async (text) => { window.copied = text; };")
    yield context.new_page()
    context.close()


def copied(page: Page) -> Any:
    return page.evaluate("window.copied")


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 390), ("dark", 390), ("dark", 1440), ("light", 2560)]
)
def test_pages_fit_and_read_well(
    browser: Browser, folder: Folder, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.extend(away(request.url)))
    papers = set()
    for address in (folder.index, folder.explanation):
        page.goto(address, wait_until="load")
        assert violations(page) == []
        assert overflow(page) <= 0
        papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert said == []
    assert len(papers) == 1
    red = int(papers.pop().removeprefix("rgb(").split(",")[0])
    assert (red < 60) == (scheme == "dark")
    context.close()


def away(url: str) -> list[str]:
    return [] if url.startswith(("file:", "data:")) else [url]


def test_links_lead_both_ways(page: Page, folder: Folder) -> None:
    page.goto(folder.index)
    page.get_by_role("link", name="Why these labels").click()
    assert page.url == folder.explanation
    page.get_by_role("link", name="All pictures").click()
    assert page.url == f"{folder.index}#of-it%27s"
    assert page.evaluate("document.querySelector(':target h2').textContent") == "it's.png"


def test_the_pixel_under_the_pointer_is_told_and_copied(page: Page, folder: Folder) -> None:
    page.goto(folder.index)
    for spot, shares in ((page.locator(".spot").nth(0), (0.5, 0.5)), (page.locator(".spot").nth(1), None)):
        spot.scroll_into_view_if_needed()
        output = spot.locator("xpath=..").locator("output")
        box = spot.locator("img").bounding_box()
        assert box is not None
        if shares is None:  # the overlay is 480 wide, with the picture of 160 in the middle of 640 rows
            sheet = spot.locator("img").evaluate("image => [image.naturalWidth, image.naturalHeight]")
            assert sheet[0] == 480
            page.mouse.move(box["x"] + 20, box["y"] + 20)
            assert output.text_content() == "", "beside the picture"
            shares = 0.5, 320 / sheet[1]
        page.mouse.move(box["x"] + box["width"] * shares[0] + 0.1, box["y"] + box["height"] * shares[1] + 0.1)
        assert output.text_content() == f"x {WIDTH // 2}, y {HEIGHT // 2}"
        page.mouse.down()
        page.mouse.up()
        assert copied(page) == f"freeda explain 'it'\"'\"'s.png' --bank b --at {WIDTH // 2},{HEIGHT // 2}"
        page.evaluate("window.copied = null")
    assert "Copied: freeda explain" in (page.locator(".toast").text_content() or "")


def test_a_pixel_is_chosen_by_keyboard(page: Page, folder: Folder) -> None:
    page.goto(folder.explanation)
    spot = page.get_by_role("button", name="labels: choose a pixel")
    spot.focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert str(copied(page)).endswith(f" --at {WIDTH // 2 - 1},{HEIGHT // 2 + 9}")
    assert spot.locator(".cross").is_visible()


def test_a_name_that_is_typed_is_quoted(page: Page, folder: Folder) -> None:
    page.goto(folder.explanation)
    page.get_by_label("This region is").first.fill("child's car")
    page.get_by_role("button", name="Copy the command: This region is").first.click()
    assert copied(page) == "freeda learn 'it'\"'\"'s.png' --at 5,5 --as 'child'\\''s car'"


def test_a_prototype_is_retired_by_its_command(page: Page, folder: Folder) -> None:
    page.goto(folder.explanation)
    page.locator("summary").first.click()
    page.get_by_role("button", name="Copy the command: retire").first.click()
    assert copied(page) == page.locator("details .command").first.text_content()
    assert " --at 5,5 --retire " in str(copied(page))


def test_without_scripts_all_can_be_read(browser: Browser, folder: Folder) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(folder.explanation)
    assert page.get_by_role("button").count() == 0
    assert page.get_by_text("--as NAME").first.is_visible()
    page.goto(folder.index)
    assert page.get_by_text("broken.png is no picture.").is_visible()
    assert page.get_by_text("freeda explain").first.is_visible()
    context.close()
