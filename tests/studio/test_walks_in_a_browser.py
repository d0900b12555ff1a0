"""Walks over the studio's first screen, in a browser, against ``freeda serve`` as a person starts it.

Every walk fails on any request that leaves the machine, and on whatever the console says.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))

from bank_copies import copy_folder, made_once
from browsing import Visit, clipped, overflow, violations
from playwright.sync_api import Browser, FilePayload, Page, expect
from studio_desk import Desk

from benchmarks.studio_server import ROOT, Served
from freeda_store import Bank, import_bank

CLASSES = ("car", "tree", "grass", "sky")
CAR = (0.25, 0.8)
"""A place on the car of car-and-tree.png, as shares of width and height."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small bank of the examples."""
    made = made_once(
        tmp_path_factory,
        "small-examples",
        lambda folder: import_bank(ROOT / "examples" / "small-bank.zip", str(folder)),
    )
    return copy_folder(made, tmp_path_factory.mktemp("studio") / "bank")


@pytest.fixture(scope="module")
def served(bank: Path) -> Iterator[Served]:
    names = ("boat-on-water.png", "car-and-tree.png")
    pictures = [ROOT / "examples" / name for name in names]
    server = Served(*pictures, "--bank", bank, "--state", bank.parent / "state")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    visit = Visit(browser, viewport={"width": 1440, "height": 900})
    yield visit
    visit.close()


@pytest.fixture(autouse=True)
def _clean(served: Served) -> None:
    """Nothing that another test dropped is there."""
    with served.program() as program:
        for each in program.get("/api/v1/pictures").json():
            if each["dropped"]:
                program.delete(f"/api/v1/pictures/{each['id']}")


@pytest.fixture
def desk(visit: Visit, served: Served) -> Desk:
    """The picture of a car, labelled."""
    desk = Desk(visit.page()).open(served.address, CLASSES)
    desk.show("car-and-tree.png")
    return desk


def noise(seed: int, side: int = 96) -> bytes:
    """A PNG that nobody has seen before."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return png(Image.fromarray(pixels))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) == wanted:
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_segment_see_why_correct_and_take_it_back(desk: Desk) -> None:
    first = desk.revision
    before = desk.legend.text_content() or ""
    desk.click(*CAR)
    expect(desk.explained).to_have_text("car")

    desk.learn("bumper")
    desk.wait_for_revision(first + 1)
    expect(desk.explained).to_have_text("bumper")
    expect(desk.legend).to_contain_text("bumper")
    expect(desk.toast).to_contain_text(re.compile(r"[1-9].* % of this picture has another label"))
    expect(desk.thumbnails.filter(has_text="car-and-tree")).to_contain_text("changed")

    desk.panel.get_by_role("button", name="Retire this prototype: bumper").click()
    desk.wait_for_revision(first + 2)
    expect(desk.explained).to_have_text("car")
    expect(desk.legend).not_to_contain_text("bumper")

    desk.toast.get_by_role("button", name="Undo").click()
    desk.wait_for_revision(first + 3)
    expect(desk.explained).to_have_text("bumper")

    desk.page.get_by_role("link", name="History").click()
    desk.page.get_by_role("button", name=f"Roll back to {first}", exact=True).click()
    desk.page.get_by_role("dialog").get_by_role("button", name=f"Roll back to {first}").click()
    expect(desk.page.locator("#revisions")).to_contain_text(f"Revision {first + 4}")
    desk.page.get_by_role("link", name="Segment").click()
    desk.wait_for_revision(first + 4)
    desk.legend.locator("li").first.wait_for()
    desk.click(*CAR)
    expect(desk.explained).to_have_text("car")
    desk.page.get_by_role("button", name="Remove bumper").click()
    expect(desk.legend).to_have_text(before)


def test_a_correction_shows_on_all_pictures_that_were_opened(desk: Desk) -> None:
    with Image.open(ROOT / "examples" / "car-and-tree.png") as picture:
        turned = png(picture.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    desk.page.locator("#files").set_input_files([file("turned.png", turned)])
    desk.show("turned.png")
    other = desk.thumbnails.filter(has_text="car-and-tree.png")
    desk.click(1 - CAR[0], CAR[1])
    first = desk.revision
    desk.learn("bumper")
    desk.wait_for_revision(first + 1)
    expect(other.locator(".changed")).to_be_visible()
    other.locator(".changed").evaluate("mark => mark.remove()")
    desk.page.locator("#why-title").focus()
    desk.page.keyboard.press("u")
    desk.wait_for_revision(first + 2)
    expect(other.locator(".changed")).to_be_visible()
    desk.page.get_by_role("button", name="Take turned.png away").click()
    expect(desk.thumbnails).to_have_count(2)


def test_the_keyboard_is_enough(visit: Visit, served: Served) -> None:
    page = visit.page()
    desk = Desk(page).open(served.address, CLASSES)
    first = desk.revision
    page.keyboard.press("n")
    expect(page.locator("#shelf [aria-current=true]")).to_contain_text("car-and-tree.png")
    tab_to(page, "class")
    page.keyboard.type("boat")
    page.keyboard.press("Enter")
    expect(desk.chips).to_have_count(len(CLASSES) + 1)
    desk.rest()
    tab_to(page, "picture")
    for key in ["ArrowLeft"] * 26 + ["ArrowDown"] * 30:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(desk.explained).to_have_text("car")
    tab_to(page, "teach-name")
    page.keyboard.type("bumper")
    page.keyboard.press("Enter")
    desk.wait_for_revision(first + 1)
    expect(desk.explained).to_have_text("bumper")
    assert focused(page) == "why-title"
    page.keyboard.press("u")
    desk.wait_for_revision(first + 2)
    expect(desk.explained).to_have_text("car")
    expect(desk.chips).to_have_count(len(CLASSES) + 1)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark"), (2560, "light")])
def test_the_page_fits_and_has_names(
    browser: Browser, served: Served, width: int, scheme: Literal["light", "dark"]
) -> None:
    visit = Visit(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
    desk = Desk(visit.page()).open(served.address, CLASSES)
    desk.click(0.3, 0.2)
    assert overflow(desk.page) <= 0
    assert clipped(desk.page) == []
    assert violations(desk.page) == []
    visit.close()


def test_a_correction_that_another_one_followed_is_not_undone(
    visit: Visit, desk: Desk, served: Served
) -> None:
    visit.allowed = ("Failed to load resource: the server responded with a status of 409",)
    first = desk.revision
    desk.click(*CAR)
    desk.learn("bumper")
    desk.wait_for_revision(first + 1)
    expect(desk.toast).to_contain_text("Learn bumper")
    with served.program() as program:
        picture = program.get("/api/v1/pictures").json()[0]["id"]
        sky = {"picture": picture, "name": "cloud", "at": [[9, 9]]}
        program.post("/api/v1/learn", json=sky).raise_for_status()
    desk.toast.get_by_role("button", name="Undo").click()
    expect(desk.toast).to_contain_text(f"{first + 2}")
    with served.program() as program:
        program.post("/api/v1/rollback", json={"version": first}).raise_for_status()
    desk.wait_for_revision(first + 3)


def test_tabs_see_each_others_corrections(visit: Visit, desk: Desk, served: Served) -> None:
    other = Desk(visit.page()).open(served.address, CLASSES)
    first = desk.revision
    desk.click(*CAR)
    desk.learn("bumper")
    desk.wait_for_revision(first + 1)
    other.wait_for_revision(first + 1)
    expect(other.toast).to_contain_text(f"revision {first + 1} now")
    other.page.close()
    desk.page.keyboard.press("u")
    desk.wait_for_revision(first + 2)


def test_a_tab_that_closes_and_one_that_is_loaded_again_leave_no_harm(visit: Visit, served: Served) -> None:
    with served.program() as programs:
        sent = [("files", (f"{seed}.png", noise(seed, 200))) for seed in (1, 2)]
        dropped = [each["picture"]["id"] for each in programs.post("/api/v1/pictures", files=sent).json()]
        page = visit.page()
        page.goto(f"{served.address}&p={dropped[0]}&c=car&c=tree", wait_until="commit")
        page.close()
        desk = Desk(visit.page())
        desk.page.goto(f"{served.address}&p={dropped[1]}&c=car&c=tree", wait_until="commit")
        desk.chips.first.wait_for()  # the script runs, and has asked for labels
        desk.page.reload()
        desk.legend.locator("li").first.wait_for()
        expect(desk.page.locator("#shelf [aria-current=true]")).to_contain_text("2.png")
        expect(desk.chips).to_have_count(2)
        for id_ in dropped:
            answer = programs.post(f"/api/v1/pictures/{id_}/segmentation", json={"classes": ["car"]})
            assert answer.status_code == 200


def test_pictures_that_cannot_be_shown_are_told_of_and_the_others_stay(desk: Desk) -> None:
    huge = png(Image.new("1", (10_000, 10_000)))
    files = [
        file("huge.png", huge),
        file("broken.png", b"\x89PNG\r\n\x1a\n and no more"),
        file("new <b>.png", noise(3)),
    ]
    desk.page.locator("#files").set_input_files(files)
    expect(desk.toast).to_contain_text("huge.png has 10000 x 10000 pixels")
    expect(desk.toast).to_contain_text("broken.png")
    current = desk.page.locator("#shelf [aria-current=true]")
    expect(current).to_contain_text("new _b_.png")
    expect(desk.thumbnails).to_have_count(3)
    desk.page.get_by_role("button", name="Take new _b_.png away").click()
    expect(desk.thumbnails).to_have_count(2)
    expect(current).to_contain_text("boat-on-water.png")


def test_five_hundred_classes_outlive_a_reload(desk: Desk) -> None:
    names = [*CLASSES, *(f"a thing of kind {number}" for number in range(500 - len(CLASSES)))]
    desk.page.locator("#clear").click()
    desk.page.locator("#class").evaluate(
        """(field, text) => {
             const clipboardData = new DataTransfer();
             clipboardData.setData("text", text);
             const options = { clipboardData, bubbles: true, cancelable: true };
             field.dispatchEvent(new ClipboardEvent("paste", options));
           }""",
        ", ".join(names),
    )
    expect(desk.chips).to_have_count(500)
    expect(desk.legend).to_contain_text("not found", timeout=20_000)
    desk.page.reload()
    expect(desk.chips).to_have_count(500)
    expect(desk.legend).to_contain_text("not found", timeout=20_000)
    assert overflow(desk.page) <= 0


def test_markup_in_names_stays_text(desk: Desk) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    desk.page.locator("#class").fill(hostile)
    desk.page.keyboard.press("Enter")
    expect(desk.chips.last).to_contain_text(hostile)
    expect(desk.page.locator("#notes")).to_contain_text(hostile)
    desk.click(*CAR)
    desk.learn("car <b>bold</b>")
    expect(desk.toast).not_to_be_empty()
    assert desk.page.locator("#chips img, #notes img, #why-body .label b, .toast b").count() == 0


def test_the_bank_is_written_to_by_another_process(visit: Visit, desk: Desk, bank: Path) -> None:
    visit.allowed = ("Failed to load resource: the server responded with a status of 409",)
    first = desk.revision
    desk.click(*CAR)
    with Bank.open(bank) as other:
        desk.panel.get_by_role("button", name="Retire this prototype").first.click()
        expect(desk.toast).to_contain_text("is in use by process")
        assert desk.revision == first
        other.retire([next(iter(other.infos())).id], "one")
    desk.wait_for_revision(first + 1)
    expect(desk.toast).to_contain_text(f"revision {first + 1} now")
    desk.panel.get_by_role("button", name="Retire this prototype").first.click()
    desk.wait_for_revision(first + 2)


def test_a_killed_server_is_told_of_and_keeps_what_was_dropped(browser: Browser, served: Served) -> None:
    visit = Visit(browser, viewport={"width": 1440, "height": 900})
    visit.allowed = ("Failed to load resource: net::ERR_",)
    desk = Desk(visit.page()).open(served.address, CLASSES)
    name = f"{uuid4().hex}.png"
    desk.page.locator("#files").set_input_files([file(name, noise(4))])
    expect(desk.thumbnails).to_have_count(3)
    desk.rest()
    served.kill()
    expect(desk.page.get_by_role("alert")).to_contain_text("Start `freeda serve` again", timeout=20_000)
    served.start()
    desk.open(served.address)
    expect(desk.thumbnails).to_have_count(3)
    desk.show(name)
    visit.close()
